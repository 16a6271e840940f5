"""References: agents in registries and at web addresses."""
