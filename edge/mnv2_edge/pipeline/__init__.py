"""The life of one frame: captured, kept in a slot, inferred, published; and what watches over that."""
