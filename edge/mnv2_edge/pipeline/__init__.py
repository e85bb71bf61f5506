"""The life of one frame: captured, kept in a slot, inferred, published; and the supervision of it."""
