"""Where variables and secrets come from."""
