"""The quantiser: from the float graph to an int8 graph."""
