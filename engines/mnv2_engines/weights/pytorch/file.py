"""Tensors of a file that `torch.save` wrote, read without torch: the zip format, and the older one."""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import BFLOAT16, StoredTensor, decode_elements
from mnv2_engines.weights.pytorch.pickle_reader import PickleError, follow_pickle
from mnv2_engines.weights.pytorch.tensors import CONSTRUCTORS, Storage, StorageKind, flatten_tensors, storage_of
from mnv2_engines.weights.zip_file import ZipArchive, open_archive

__all__ = ["LEGACY_START", "open_torch"]

LEGACY_START: Final = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The older format begins with its magic number, a pickle of its own: torch.serialization.MAGIC_NUMBER."""
_MAX_PICKLE_BYTES: Final = 1 << 25
_ADVICE: Final = "save the weights alone, torch.save(model.state_dict(), 'weights.pth'), and import that file"


@contextmanager
def open_torch(path: Path, file: IO[bytes]) -> Iterator[Mapping[str, StoredTensor]]:
    """Yield the tensors by name, those of nested dicts by joined keys; they can be read until the end of the `with`.

    Raises ModelError when the file is damaged, or holds anything that is not tensors, numbers and texts.
    """
    start = file.read(len(LEGACY_START))
    file.seek(0)
    if start == LEGACY_START:
        yield _named(path, _read_legacy(path, file))
        return
    with open_archive(path, file) as archive:
        yield _named(path, _read_zip(path, archive))


def _named(path: Path, value: object) -> Mapping[str, StoredTensor]:
    tensors = flatten_tensors(value)
    if not tensors:
        raise ModelError(f"{path} holds no dict of tensors: {_ADVICE}")
    return tensors


def _read_zip(path: Path, archive: ZipArchive) -> object:
    pickles = [name for name in archive.names if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"{path} is a zip without weights in it: expected what torch.save or Keras' model.save writes")
    top = pickles[0].removesuffix("data.pkl")
    order = archive.read(f"{top}byteorder").strip() if f"{top}byteorder" in archive.names else b"little"
    byte_order = ">" if order == b"big" else "<"

    def read(key: str, kind: StorageKind) -> FloatArray:
        return decode_elements(archive.read(f"{top}data/{key}"), kind.dtype, byte_order)

    if archive.size(pickles[0]) > _MAX_PICKLE_BYTES:
        raise ModelError(f"{path} describes its tensors in {archive.size(pickles[0])} bytes: {_ADVICE}")
    return _follow(path, BytesIO(archive.read(pickles[0])), lambda id_: storage_of(id_, read))


def _read_legacy(path: Path, file: IO[bytes]) -> object:
    """Read four pickles (magic, version, machine, the object), the keys of its storages, and then these in order."""
    storages = _LegacyStorages(path, file)
    _magic, _version, machine = (_follow(path, file, storages.load_persistent) for _ in range(3))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ModelError(f"{path} was written on a big-endian machine: load and save it with a newer PyTorch")
    value = _follow(path, file, storages.load_persistent)
    keys = _follow(path, file, storages.load_persistent)
    storages.find(keys if isinstance(keys, list) else [])
    return value


class _LegacyStorages:
    """Place of each storage in a file of the older format, after the pickles that refer to it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._item_sizes: dict[str, int] = {}
        self._places: dict[str, tuple[int, int]] = {}

    def load_persistent(self, id_: object) -> Storage:
        storage = storage_of(id_, self._read)
        self._item_sizes[storage.key] = 2 if storage.kind.dtype == BFLOAT16 else int(storage.kind.dtype[1:])
        return storage

    def find(self, keys: list[object]) -> None:
        """Walk over the storages, each behind the number of its elements."""
        left = self._path.stat().st_size - self._file.tell()
        for key in keys:
            if not isinstance(key, str) or key not in self._item_sizes:
                raise ModelError(f"{self._path} lists a storage {key!r} that no tensor uses: it is damaged")
            header = self._file.read(8)
            count = struct.unpack("<q", header)[0] if len(header) == 8 else -1
            byte_count = count * self._item_sizes[key]
            left -= 8 + byte_count
            if count < 0 or left < 0:
                raise ModelError(f"{self._path} is cut short: copy or save it again")
            self._places[key] = (self._file.tell(), byte_count)
            self._file.seek(byte_count, 1)

    def _read(self, key: str, kind: StorageKind) -> FloatArray:
        if key not in self._places:
            raise ModelError(f"{self._path} lacks the storage {key!r}: it is cut short; copy or save it again")
        start, byte_count = self._places[key]
        self._file.seek(start)
        return decode_elements(self._file.read(byte_count), kind.dtype)


def _follow(path: Path, file: IO[bytes], load_persistent: Callable[[object], object]) -> object:
    try:
        return follow_pickle(file, CONSTRUCTORS, load_persistent)
    except PickleError as exc:
        raise ModelError(
            f"{path} was not read, and nothing in it was run: {exc}. Make sure where it is from; {_ADVICE}"
        ) from exc
