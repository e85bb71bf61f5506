"""Sources that read USB cameras, and whatever else gives finished pictures through V4L2."""
