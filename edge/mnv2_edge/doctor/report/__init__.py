"""Pack what helps with a bug into one archive, without what is nobody's business."""
