"""Models on Vertex AI: the sign-in, the three roads, the whole product."""
