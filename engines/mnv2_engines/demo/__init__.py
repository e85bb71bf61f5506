"""Hold the demo network: twelve road signs, small enough to come with the package."""

from pathlib import Path

__all__ = ["demo_engine_path"]


def demo_engine_path() -> Path:
    """Return the path of the demo's int8 engine; its manifest, ONNX file and model card lie beside it."""
    return Path(__file__).with_name("demo.tflite")
