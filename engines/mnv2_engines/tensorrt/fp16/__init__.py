"""A float32 ONNX network as FP16 between float32 ends, for networks that TensorRT takes as typed."""
