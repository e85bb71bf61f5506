"""TensorRT on a Jetson: what is installed, what it says, and what a plan is bound to."""
