"""Sources that read cameras over a network: RTSP, motion JPEG over HTTP, GStreamer pipelines."""
