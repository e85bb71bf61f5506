"""Import of a user's weights: PyTorch and Keras files become ONNX, read without PyTorch and without Keras."""

from mnv2_engines.weights.import_file import ImportRequest, import_weights, read_weights
from mnv2_engines.weights.imported import Expected, ImportedNetwork

__all__ = ["Expected", "ImportRequest", "ImportedNetwork", "import_weights", "read_weights"]
