"""Tests of what agent files declare."""
