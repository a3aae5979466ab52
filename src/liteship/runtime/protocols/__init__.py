"""What clients may ask over HTTP: one module a protocol, each with its table of routes."""
