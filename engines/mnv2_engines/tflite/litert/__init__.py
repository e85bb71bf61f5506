"""LiteRT, which runs TFLite files on the CPU, as an engine format: its backend and its builder."""
