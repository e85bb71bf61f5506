"""A trial of the GPU: build the demo network with TensorRT, run it, report."""
