"""The command that builds an engine again: it depends on where the engine lies."""

from pathlib import Path
from typing import Final

__all__ = ["PLAN_SUFFIXES", "VERSIONS", "how_to_rebuild", "stored_name"]

PLAN_SUFFIXES: Final = frozenset({".engine", ".plan", ".trt"})
"""What TensorRT's plans are called."""

VERSIONS: Final = ".versions"
"""A store keeps an engine in `.versions/NAME/NUMBER/`, with all that it takes to build it again."""


def how_to_rebuild(engine: Path, model: str = "MODEL.onnx") -> str:
    """Return the end of a message about an engine file: `build it again with ...`."""
    name = stored_name(engine)
    if name is not None:
        return f"build it again with `mnv2-edge engines rebuild {name}`"
    if engine.suffix in PLAN_SUFFIXES:
        return f"build it again with `mnv2-edge build-engine {model} --target tensorrt --output {engine}`"
    return f"build it again with `mnv2-edge build-engine {model} --output {engine.with_suffix('.tflite')}`"


def stored_name(engine: Path) -> str | None:
    """Return what a store calls the engine at this path; None when it lies elsewhere."""
    folders = engine.parts[:-1]
    return folders[-2] if len(folders) >= 3 and folders[-3] == VERSIONS else None
