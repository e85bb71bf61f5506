"""The compiler from ONNX to an int8 TFLite file, which runs on the device without TensorFlow."""

from mnv2_engines.tflite.compiler import (
    CompiledModel,
    Layer,
    ModelInterface,
    Progress,
    compile_model,
    read_model_interface,
)
from mnv2_engines.tflite.quantiser.quantise import QuantiserOptions
from mnv2_engines.tflite.reference import LayerLoss, compare_layers, run_float, run_int8

__all__ = [
    "CompiledModel",
    "Layer",
    "LayerLoss",
    "ModelInterface",
    "Progress",
    "QuantiserOptions",
    "compare_layers",
    "compile_model",
    "read_model_interface",
    "run_float",
    "run_int8",
]
