"""The reader of an HDF5 file that may come from anywhere: any fault of it is a ModelError."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from mnv2_engines.errors import BackendUnavailableError, ModelError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import StoredTensor

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["HDF5_START", "Hdf5File", "limited_memory", "open_hdf5"]


@contextmanager
def limited_memory(more_bytes: int) -> Iterator[None]:
    """Let this process map at most so many bytes more; an allocation beyond that fails, as MemoryError or OSError.

    All threads are limited meanwhile, so it is for short calls. Where the kernel does not tell what is mapped, nothing
    is limited.
    """
    mapped = _mapped_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + more_bytes
    if not mapped or limit > sys.maxsize or (soft != resource.RLIM_INFINITY and soft <= limit):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _mapped_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


HDF5_START: Final = b"\x89HDF\r\n\x1a\n"
_ATTRIBUTE_BYTES: Final = 256 << 20
"""What reading an attribute may take; the longest describes a network in a few MiB. A damaged length may say 4 GiB."""
_DAMAGE: Final = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError)
"""What h5py raises on a damaged file, depending on where the damage is."""


class Hdf5File:
    """Reader of attributes, names and tensors by their place in the file. `open_hdf5` opens and closes it."""

    def __init__(self, path: Path, opened: Any) -> None:  # noqa: ANN401 - h5py has no types
        self._path = path
        self._root = opened

    def attribute(self, place: str, key: str) -> str | tuple[str, ...] | None:
        """Return a text or a list of texts that is noted on a group; None when it is not there. Raises ModelError."""
        with self._damage(f"attribute {key!r} of {place!r}"), limited_memory(_ATTRIBUTE_BYTES):
            value = self._root[place].attrs.get(key)
            if value is None or isinstance(value, str):
                return value
            return _text(value) if isinstance(value, bytes) else tuple(_text(item) for item in value)

    def names(self, place: str) -> tuple[str, ...]:
        """List what is in a group. Raises ModelError when it is not there."""
        with self._damage(f"part {place!r}"):
            return tuple(str(name) for name in self._root[place])

    def tensor(self, place: str) -> StoredTensor:
        """Return a dataset, unless its numbers lie outside of this file. Raises ModelError."""
        h5py = _import_h5py()
        with self._damage(f"weights {place!r}"):
            dataset = self._root[place]
            is_inside = isinstance(dataset, h5py.Dataset) and dataset.file == self._root.file
            is_inside = is_inside and not dataset.external and not dataset.is_virtual
            shape = tuple(int(size) for size in dataset.shape) if is_inside else ()
        if not is_inside:
            raise ModelError(f"{self._path}: the weights {place!r} lie outside of the file: they are not read")

        def load() -> FloatArray:
            with self._damage(f"weights {place!r}"):
                return np.asarray(dataset[()], np.float32)

        return StoredTensor(shape, load)

    @contextmanager
    def _damage(self, what: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as exc:
            reason = " ".join(str(exc).split())
            raise ModelError(f"{self._path} lacks its {what}, or they are damaged ({reason}): save it again") from exc


@contextmanager
def open_hdf5(path: Path, file: IO[bytes]) -> Iterator[Hdf5File]:
    """Yield the HDF5 file in `file`, which is or is a part of `path`. Raises ModelError."""
    h5py = _import_h5py()
    try:
        opened = h5py.File(file, "r")
    except _DAMAGE as exc:
        raise ModelError(f"{path} is cut short or damaged ({exc}): copy or save it again") from exc
    with opened:
        yield Hdf5File(path, opened)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _import_h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as exc:
        raise BackendUnavailableError(
            "h5py is not importable, and Keras files need it: run `pip install h5py`"
        ) from exc
    module: ModuleType = h5py
    return module
