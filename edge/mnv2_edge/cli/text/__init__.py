"""Words for what commands show: rows, lines and JSON."""
