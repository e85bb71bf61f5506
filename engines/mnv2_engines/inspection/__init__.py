"""Measures of a model file without a run: layers, shapes, work, parameters, memory."""

from pathlib import Path

from mnv2_engines.errors import ModelError
from mnv2_engines.inspection.family import FamilyMember, find_family_member
from mnv2_engines.inspection.graph import Inspection, Operation, PeakMemory, Value
from mnv2_engines.inspection.onnx_file import inspect_onnx
from mnv2_engines.inspection.tflite_file import inspect_tflite, is_tflite

__all__ = [
    "FamilyMember",
    "Inspection",
    "Operation",
    "PeakMemory",
    "Value",
    "find_family_member",
    "inspect_model",
]


def inspect_model(path: Path) -> Inspection:
    """Read an ONNX or a TFLite file, told apart by what is in it.

    Raises ModelError or EngineError for a file that cannot be read, and BackendUnavailableError when the library that
    knows its format is missing.
    """
    if is_tflite(path):
        return inspect_tflite(path)
    if path.suffix.lower() == ".tflite" and path.is_file():
        raise ModelError(
            f"{path} is not a TFLite file: the identifier TFL3 is missing; was it cut short? Copy it again"
        )
    return inspect_onnx(path)
