"""Tests of the rag toolset."""
