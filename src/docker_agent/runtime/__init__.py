"""What a live agent is, and the loop that runs it."""
