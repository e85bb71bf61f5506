"""The archive for a bug report, without private data."""
