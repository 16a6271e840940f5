"""From HTTP to a run and back."""
