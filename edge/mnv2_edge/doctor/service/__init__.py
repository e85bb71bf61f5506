"""Checks of the service: its configurations and its instances."""
