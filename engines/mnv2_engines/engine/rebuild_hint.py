"""The command that builds an engine again: it depends on where the engine lies."""

from pathlib import Path
from typing import Final

from mnv2_engines.backends.registry import formats

__all__ = ["VERSIONS", "how_to_rebuild", "stored_name"]

VERSIONS: Final = ".versions"
"""A store keeps an engine in `.versions/NAME/NUMBER/`, with all that it takes to build it again."""


def how_to_rebuild(engine: Path, model: str = "MODEL.onnx") -> str:
    """Return the end of a message about an engine file, or its manifest: `build it again with ...`."""
    name = stored_name(engine)
    if name is not None:
        return f"build it again with `mnv2-edge engines rebuild {name}`"
    known = [form for form in formats() if form.building is not None]
    if any(engine.suffix in form.suffixes for form in known):
        output = engine
    else:  # a manifest, or a file with an ending of its own: what every machine builds is called so
        usual = max(known, key=lambda form: form.portable, default=None)
        output = engine.with_suffix(usual.suffixes[0]) if usual is not None else engine
    return f"build it again with `mnv2-edge build-engine {model} --output {output}`"


def stored_name(engine: Path) -> str | None:
    """Return what a store calls the engine at this path; None when it lies elsewhere."""
    folders = engine.parts[:-1]
    return folders[-2] if len(folders) >= 3 and folders[-3] == VERSIONS else None
