"""Clients people use, as they are; a real browser; and what a hostile world does to a server."""
