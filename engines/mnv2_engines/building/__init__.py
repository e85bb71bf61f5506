"""The build of an engine: the request, the builders, the verification, and a likely cause of lost accuracy."""
