"""A scripted stand-in for paid models, and a thin client to look at our own server with."""
