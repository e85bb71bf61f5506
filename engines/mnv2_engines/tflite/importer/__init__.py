"""The importer: it reads an ONNX file, computes what is constant, and lowers the rest to TFLite operators."""
