"""The filesystem toolset: read, edit, search, confined to what the file allows."""
