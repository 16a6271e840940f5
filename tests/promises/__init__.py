"""Every promise of this program, one module per source."""
