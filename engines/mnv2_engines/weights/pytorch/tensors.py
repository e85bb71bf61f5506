"""The few functions and names that a pickle of PyTorch's tensors is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.weights.imported import BFLOAT16, StoredTensor
from mnv2_engines.weights.pytorch.pickle_reader import Constructor, PickleError

__all__ = ["CONSTRUCTORS", "Storage", "StorageKind", "flatten_tensors", "storage_of"]

_MAX_DEPTH: Final = 8
_MAX_PARTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class StorageKind:
    """Type of a storage's elements by numpy's name (without byte order), or BFLOAT16."""

    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A block of elements in the file; tensors are views of it."""

    key: str
    kind: StorageKind
    count: int
    """How many elements the pickle promises."""
    read: Callable[[StorageKind], FloatArray]
    """Return those that are there, flat."""


_DTYPES: Final = {
    "Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": BFLOAT16, "Long": "i8", "Int": "i4", "Short": "i2",
    "Char": "i1", "Byte": "u1", "Bool": "u1",
}  # fmt: skip


def storage_of(persistent_id: object, read: Callable[[str, StorageKind], FloatArray]) -> Storage:
    """Return the storage that ``('storage', kind, key, device, count, ...)`` names. Raises PickleError."""
    if not isinstance(persistent_id, tuple) or len(persistent_id) < 5 or persistent_id[0] != "storage":
        raise PickleError("it refers to something outside of itself that is not a storage")
    _, kind, key, _, count = persistent_id[:5]
    if len(persistent_id) > 5 and persistent_id[5] is not None:
        raise PickleError("it has storages that are parts of others, which PyTorch 0.4 and newer never write")
    if not isinstance(kind, StorageKind) or not isinstance(key, str) or not isinstance(count, int):
        raise PickleError("it has a storage without type, key or size")
    return Storage(key, kind, count, lambda as_kind: read(key, as_kind))


def flatten_tensors(value: object) -> Mapping[str, StoredTensor]:
    """Return all tensors of nested dicts by their joined keys, `model.features.0.0.weight`; lists are left out."""
    found: dict[str, StoredTensor] = {}
    waiting: list[tuple[str, object, int]] = [("", value, 0)]
    for _ in range(_MAX_PARTS):
        if not waiting:
            return found
        name, item, depth = waiting.pop()
        if isinstance(item, StoredTensor):
            found[name] = item
        elif isinstance(item, dict) and depth < _MAX_DEPTH:
            below = [(f"{name}.{key}" if name else str(key), part, depth + 1) for key, part in item.items()]
            waiting += reversed(below)
    raise ModelError(f"the file holds more than {_MAX_PARTS} parts: a checkpoint has a few thousand")


def _rebuild_tensor(storage: object, offset: object, size: object, stride: object, *_rest: object) -> StoredTensor:
    if not isinstance(storage, Storage):
        raise PickleError("it has a tensor without a storage")
    shape, strides = _sizes(size), _sizes(stride)
    (start,) = _sizes((offset,))
    if len(shape) != len(strides):
        raise PickleError(f"it has a tensor of {len(shape)} sizes and {len(strides)} strides")
    end = start + 1 + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if 0 not in shape and end > storage.count:
        raise PickleError(f"it has a tensor that reaches to element {end} of a storage of {storage.count}")

    def load() -> FloatArray:
        elements = storage.read(storage.kind)
        if elements.size < storage.count:
            raise ModelError(f"a storage holds {elements.size} numbers of {storage.count}: the file is cut short")
        steps = tuple(step * elements.itemsize for step in strides)
        view: FloatArray = np.lib.stride_tricks.as_strided(elements[start:], shape, steps, writeable=False)
        return np.array(view, order="C")

    return StoredTensor(shape, load)


def _rebuild_parameter(data: object, *_rest: object) -> object:
    return data


def _ordered_dict(items: object = ()) -> dict[object, object]:
    if items != ():
        raise PickleError("it has an OrderedDict of pairs, which PyTorch never writes")
    return {}


def _size(items: object = ()) -> tuple[int, ...]:
    return _sizes(items)


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(isinstance(item, int) and 0 <= item < 1 << 40 for item in value):
        raise PickleError("it has a tensor with invalid sizes")
    return value


CONSTRUCTORS: Final[Mapping[str, object]] = {
    "collections.OrderedDict": Constructor(_ordered_dict),
    "torch._utils._rebuild_tensor_v2": Constructor(_rebuild_tensor),
    "torch._utils._rebuild_tensor": Constructor(_rebuild_tensor),
    "torch._utils._rebuild_parameter": Constructor(_rebuild_parameter),
    "torch._utils._rebuild_parameter_with_state": Constructor(_rebuild_parameter),
    "torch.Size": Constructor(_size),
    **{f"torch.{name}Storage": StorageKind(dtype) for name, dtype in _DTYPES.items()},
    # Training scripts keep these beside the weights; they are names, and nothing is done with them.
    **{
        f"torch.{name}": None
        for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
    },
    "torch.device": Constructor(lambda *_: None),
}
"""Everything that a pickle may name; each is one of the functions above or stands for nothing."""
