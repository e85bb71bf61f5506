"""Root file systems of other machines, fetched from Debian and PyPI once and kept outside of the source tree."""
