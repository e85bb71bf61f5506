"""A source and a sink for mnv2-edge."""
