"""Agents elsewhere."""
