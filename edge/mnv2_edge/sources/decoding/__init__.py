"""The one way from a compressed picture to pixels: measured first, within limits, then decoded."""
