"""Names of engines: which ones are valid, and whether `--model` means a name or a file."""

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mnv2_engines.errors import ContractError

__all__ = ["check_name", "is_file_like", "is_name", "no_such_engine"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILES: Final = frozenset(
    {".tflite", ".plan", ".engine", ".trt", ".onnx", ".h5", ".keras", ".pt", ".pth", ".pb", ".mnv2"}
)


def is_file_like(text: str) -> bool:
    """Return whether `text` can only mean a file: it has a folder, or an engine's, a model's or an archive's suffix."""
    return os.sep in text or os.path.splitext(text)[1].lower() in _FILES  # noqa: PTH122 - `Path` drops a trailing /


def is_name(text: str) -> bool:
    """Return whether an engine may be called `text`; it becomes a folder, and stands in records and topics."""
    return _NAME.fullmatch(text) is not None and not is_file_like(text)


def check_name(text: str) -> str:
    """Return `text`. Raises ContractError unless an engine may be called so."""
    if not is_name(text):
        raise ContractError(
            f"{text[:80]!r} cannot name an engine: expected at most 64 letters, digits, . _ -, the first a letter or a "
            "digit, and not the ending of a file"
        )
    return text


def no_such_engine(folder: Path, name: str, names: Sequence[str]) -> str:
    """Return the message for a name that is not among those of the store at `folder`."""
    if not names:
        held = "it is empty"
    else:
        near = difflib.get_close_matches(name, names, n=1)
        held = f"did you mean {near[0]}?" if near else f"it holds {', '.join(names)}"
    command = f"mnv2-edge build-engine MODEL.onnx --name {name}"
    return f"there is no engine {name} in {folder}: {held}; build it with `{command}`"
