"""The promises of docker-agent, as tests."""
