"""Read, check and write the configuration file."""
