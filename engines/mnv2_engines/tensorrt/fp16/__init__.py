"""Turn a float32 ONNX network into FP16 between float32 ends, for networks that TensorRT takes as typed."""
