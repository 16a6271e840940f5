"""What wraps the server: a service unit, a container."""
