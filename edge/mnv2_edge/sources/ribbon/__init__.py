"""Sources that read ribbon cameras: picamera2 on a Raspberry Pi, Argus on a Jetson."""
