"""Checks of the device: board, system, software, cameras, engines."""
