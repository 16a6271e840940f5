"""MCP servers as toolsets: programs, addresses, entries of Docker's catalogue."""
