"""The service: what systemd is told, and what is installed for it."""
