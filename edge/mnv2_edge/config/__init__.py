"""The configuration file: its types, how it is read, checked and written."""
