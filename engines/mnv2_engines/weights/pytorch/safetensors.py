"""A .safetensors file: a length, a JSON table of types, shapes and places, then the numbers."""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Final

import msgspec

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import BFLOAT16, StoredTensor, decode_elements

__all__ = ["open_safetensors"]

_MAX_HEADER_BYTES: Final = 1 << 24
_DTYPES: Final = {
    "F32": ("f4", 4), "F64": ("f8", 8), "F16": ("f2", 2), "BF16": (BFLOAT16, 2), "I64": ("i8", 8), "I32": ("i4", 4),
    "I16": ("i2", 2), "I8": ("i1", 1), "U8": ("u1", 1), "BOOL": ("u1", 1),
}  # fmt: skip
"""The format's names to numpy's codes and the bytes of an element."""


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@contextmanager
def open_safetensors(path: Path, file: IO[bytes]) -> Iterator[Mapping[str, StoredTensor]]:
    """Yield the tensors by name; they can be read until the end of the `with`. Raises ModelError."""
    file_bytes = path.stat().st_size
    length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
    if not 2 <= length <= min(_MAX_HEADER_BYTES, file_bytes - 8):
        raise ModelError(f"{path} is cut short or no .safetensors: its table would have {length} bytes")
    try:
        table = json.loads(file.read(length))
        table = table if isinstance(table, dict) else {}
        entries = msgspec.convert(
            {key: value for key, value in table.items() if key != "__metadata__"}, dict[str, _Entry]
        )
    except (ValueError, RecursionError) as exc:  # both libraries' errors are ValueErrors
        raise ModelError(f"{path} is damaged: its table is not the format's ({exc}); save it again") from exc
    begin = 8 + length
    yield {name: _stored(path, file, name, entry, begin, file_bytes) for name, entry in entries.items()}


def _stored(path: Path, file: IO[bytes], name: str, entry: _Entry, begin: int, file_bytes: int) -> StoredTensor:
    if entry.dtype not in _DTYPES:
        raise ModelError(f"{path}: {name} is of type {entry.dtype}: expected one of {', '.join(_DTYPES)}")
    dtype, item_size = _DTYPES[entry.dtype]
    start, end = entry.data_offsets
    if min(entry.shape, default=0) < 0 or not 0 <= start <= end or end - start != prod(entry.shape) * item_size:
        raise ModelError(
            f"{path}: {name} of shape {list(entry.shape)} lies in bytes {start} to {end}, which does not fit"
        )
    if begin + end > file_bytes:
        raise ModelError(f"{path} is cut short: {name} ends at byte {begin + end} of {file_bytes}; copy it again")

    def load() -> FloatArray:
        file.seek(begin + start)
        return decode_elements(file.read(end - start), dtype).reshape(entry.shape)

    return StoredTensor(entry.shape, load)
