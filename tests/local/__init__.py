"""The embedded model: text calls, weights, the engine, and the model on top."""
