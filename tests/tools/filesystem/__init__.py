"""The filesystem toolset."""
