"""Hooks: what may look at a run, add to it or stop it."""
