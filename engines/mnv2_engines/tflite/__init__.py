"""Compile an ONNX file to an int8 TFLite file on the device, without TensorFlow."""

from mnv2_engines.tflite.compiler import (
    CompiledModel,
    Layer,
    ModelInterface,
    Progress,
    compile_model,
    read_model_interface,
)
from mnv2_engines.tflite.quantise import QuantiserOptions

__all__ = [
    "CompiledModel",
    "Layer",
    "ModelInterface",
    "Progress",
    "QuantiserOptions",
    "compile_model",
    "read_model_interface",
]
