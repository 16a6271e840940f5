"""Where agent files come from: references, registries, caches."""
