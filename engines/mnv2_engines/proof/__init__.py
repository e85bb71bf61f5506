"""Proof that an engine still computes what it computed when it was verified."""
