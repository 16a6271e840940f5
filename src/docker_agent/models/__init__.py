"""Models: one port, one file per protocol."""
