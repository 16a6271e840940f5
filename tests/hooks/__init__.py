"""Hooks that come with the product."""
