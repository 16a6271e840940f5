"""Tools: one port, one file per toolset."""
