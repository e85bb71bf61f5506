"""The compiler from ONNX to an int8 TFLite file, which runs on the device without TensorFlow.

Nothing is imported before it is used: the package also holds what runs TFLite files (`tflite.litert`), and a start that
only runs one does without the compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
else:
    _MODULES = {
        "compiler": (
            "CompiledModel",
            "Layer",
            "ModelInterface",
            "Progress",
            "compile_model",
            "read_model_interface",
        ),
        "quantiser.quantise": ("QuantiserOptions",),
        "reference": ("LayerLoss", "compare_layers", "run_float", "run_int8"),
    }

    def __getattr__(name):  # noqa: ANN001, ANN202 - a type checker sees the imports above
        """Import what is asked for."""
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
