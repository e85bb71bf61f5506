"""Build an engine: the request, the builders, the verification, and a guess why an engine lost too much."""
