"""Tests of where variables come from."""
