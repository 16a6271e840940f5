"""Toolsets, and what they share."""
