"""Engines by name: the one that a user means, and the check whether another version took its name."""

import contextlib
import difflib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from mnv2_engines.engine.engine import Engine, read_engine
from mnv2_engines.errors import ContractError, EnginesError, UnknownEngineError
from mnv2_engines.store.version import Version

if TYPE_CHECKING:  # the folder asks this module about names
    from mnv2_engines.store.folder import Store

__all__ = [
    "DefaultEngine",
    "StoredEngine",
    "VersionCheck",
    "check_name",
    "choose_stored",
    "is_file_like",
    "is_name",
    "no_such_engine",
]

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


def choose_stored(store: "Store", model: str | None) -> str | None:
    """Return the name of the stored engine that `model` means; None when it means a file, or nothing and none is there.

    What has a folder or the ending of a file is a file. Any other word is a name first, and a file when the store does
    not have it and the file is there. Raises UnknownEngineError when it is neither, and when nothing is said and none
    of the stored engines is the default.
    """
    if model is None:
        return _default(store)
    if is_file_like(model) or not is_name(model):
        return None
    if model not in store.names() and Path(model).exists():
        return None
    return store.version(model).name


def _default(store: "Store") -> str | None:
    name = store.default()
    names = store.names()
    if name is None and names:
        raise UnknownEngineError(
            f"none of the engines in {store.folder} is the default: name one (--model NAME), or choose one for "
            f"good with `mnv2-edge engines default {names[0]}`; it holds {', '.join(names)}"
        )
    return name


VersionCheck: TypeAlias = Callable[[Version], object]
"""What a version has to pass before anything of it is parsed; raises EnginesError."""


class StoredEngine:
    """Reference to a name in a store.

    The version that was read last stays on the disk until the next `read`, or `close`: by then a backend has opened
    it, and an open file outlives its name.
    """

    def __init__(self, store: "Store", name: str, check: VersionCheck = lambda _version: None) -> None:
        self._store = store
        self._name = name
        self._check = check
        self._pins = contextlib.ExitStack()

    def version(self) -> str:
        """Return which version the name means now, in any words; never raises."""
        try:
            return str(self._store.version(self._name).folder)
        except EnginesError as exc:
            return type(exc).__name__

    def read(self) -> Engine:
        """Read and verify the engine that the name means now.

        Raises as `check` and `read_engine` do, and UnknownEngineError.
        """
        with contextlib.ExitStack() as pins:
            version = pins.enter_context(self._store.pinned(self._name))
            self._check(version)
            engine = read_engine(version.engine_path())
            before, self._pins = self._pins, pins.pop_all()
        before.close()
        return engine

    def close(self) -> None:
        """Release the version that was read last. Safe to call twice."""
        self._pins.close()

    def __str__(self) -> str:
        return self._name


class DefaultEngine:
    """Reference to the store's current default engine; the choice of another one is a new version.

    What was read last stays on the disk as `StoredEngine` has it.
    """

    def __init__(self, store: "Store", check: VersionCheck = lambda _version: None) -> None:
        self._store = store
        self._check = check
        self._read: StoredEngine | None = None

    def version(self) -> str:
        """Return which engine is the default and which version its name means now, in any words; never raises."""
        try:
            name = self._store.default()
        except EnginesError as exc:
            return type(exc).__name__
        return "none" if name is None else f"{name} {StoredEngine(self._store, name).version()}"

    def read(self) -> Engine:
        """Read and verify the default engine. Raises as `StoredEngine.read`, and UnknownEngineError without one."""
        name = choose_stored(self._store, None)
        if name is None:
            raise UnknownEngineError(
                f"{self._store.folder} has no engine any more: build one with `mnv2-edge build-engine`"
            )
        wanted = StoredEngine(self._store, name, self._check)
        engine = wanted.read()
        self.close()
        self._read = wanted
        return engine

    def close(self) -> None:
        """Release the version that was read last. Safe to call twice."""
        if self._read is not None:
            self._read.close()
