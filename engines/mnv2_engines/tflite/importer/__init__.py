"""Read an ONNX file, compute what is constant, and lower the rest to a float graph of TFLite operators."""
