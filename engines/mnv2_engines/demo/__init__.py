"""The demo networks: twelve road signs named, found and outlined, small enough to come with the package."""

from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["DEMO_TASKS", "DemoTask", "demo_engine_path"]

DemoTask: TypeAlias = Literal["classify", "detect", "segment"]
DEMO_TASKS: Final[tuple[DemoTask, ...]] = ("classify", "detect", "segment")
_FILES: Final = {"classify": "demo.tflite", "detect": "demo-detect.tflite", "segment": "demo-segment.tflite"}


def demo_engine_path(task: DemoTask = "classify") -> Path:
    """Return the path of a demo network's int8 engine; its manifest, ONNX file and model card lie beside it."""
    return Path(__file__).with_name(_FILES[task])
