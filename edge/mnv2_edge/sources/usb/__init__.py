"""Sources that read USB cameras, and others that give finished pictures through V4L2."""
