"""docker-agent: agents written as YAML files, served behind an OpenAI-compatible HTTP API."""

__version__ = "0.1.0"
