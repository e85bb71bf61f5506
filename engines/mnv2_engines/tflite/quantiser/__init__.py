"""Turn the float graph into an int8 graph."""
