"""Gemini's API: pure mapping, the adapter, the whole product."""
