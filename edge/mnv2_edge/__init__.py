"""The runtime: cameras to frames to predictions to sinks, and the command line."""

__version__ = "0.1.0"
