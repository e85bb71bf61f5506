"""Write what `torch.save` writes, without torch: its pickles name torch's functions, as the real ones do."""

import io
import json
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from types import ModuleType

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
_KINDS = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "u2": "BFloat16"}


class Storage:
    """A block of elements that a pickle refers to; several tensors may be views of one."""

    def __init__(self, array):
        self.array = array


class Tensor:
    """A view of a storage, as torch pickles one."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    @classmethod
    def of(cls, array):
        array = np.array(array, order="C")
        return cls(Storage(array.ravel()), 0, array.shape, [step // array.itemsize for step in array.strides])

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, self.offset, self.shape, self.strides, False, OrderedDict())


@contextmanager
def torch_names():
    """Put modules with torch's names in place, so that `pickle` finds what it is to name."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for kind in _KINDS.values():
        setattr(torch, f"{kind}Storage", type(f"{kind}Storage", (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_):
        raise AssertionError("it is only named")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        yield torch
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _pickle(value, key_of, legacy):
    out = io.BytesIO()
    with torch_names() as torch:

        class Pickler(pickle.Pickler):
            def persistent_id(self, item):
                if not isinstance(item, Storage):
                    return None
                kind = getattr(torch, f"{_KINDS[item.array.dtype.str[1:]]}Storage")
                return ("storage", kind, key_of(item), "cpu", item.array.size, *((None,) if legacy else ()))

        Pickler(out, 2).dump(value)
    return out.getvalue()


def to_tensors(value):
    """Replace the arrays of nested dicts by tensors."""
    if isinstance(value, np.ndarray):
        return Tensor.of(value)
    if isinstance(value, dict):
        tensors = OrderedDict((key, to_tensors(item)) for key, item in value.items())
        tensors._metadata = {"": {"version": 1}}  # as Module.state_dict has it: a BUILD in the pickle
        return tensors
    return value


def save_zip(path, value, *, byte_order="little"):
    """Write the format of PyTorch 1.6 and newer."""
    storages = []

    def key_of(storage):
        if storage not in storages:
            storages.append(storage)
        return str(storages.index(storage))

    data = _pickle(to_tensors(value), key_of, legacy=False)
    write_zip(
        path,
        data,
        {
            str(index): storage.array.astype(
                storage.array.dtype.newbyteorder(">" if byte_order == "big" else "<")
            ).tobytes()
            for index, storage in enumerate(storages)
        },
        byte_order,
    )
    return path


def write_zip(path, data, storages, byte_order="little", compression=zipfile.ZIP_STORED):
    """Write a pickle and its storages into an archive."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", byte_order)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", "3\n")
    return path


def save_legacy(path, value, *, little_endian=True):
    """Write the format of PyTorch before 1.6, in which torchvision's first weights are."""
    storages = {}

    def key_of(storage):
        return storages.setdefault(id(storage), (str(94_000_000 + len(storages)), storage))[0]

    tensors = to_tensors(value)
    data = _pickle(tensors, key_of, legacy=True)
    with path.open("wb") as file:
        for head in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}):
            pickle.dump(head, file, 2)
        file.write(data)
        pickle.dump([key for key, _ in storages.values()], file, 2)
        for _, storage in storages.values():
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
    return path


def save_safetensors(path, arrays, *, dtype="F32"):
    """Write a .safetensors file; bfloat16 arrays come as uint16."""
    table, parts, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, array in arrays.items():
        raw = array.tobytes()
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(parts))
    return path
