"""From an agent file to a live team."""
