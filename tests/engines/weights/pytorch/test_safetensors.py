"""Files of the safetensors format."""

import json
import struct

import numpy as np
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.pytorch.safetensors import open_safetensors
from support.torch_format import save_safetensors


def read(path):
    with path.open("rb") as file, open_safetensors(path, file) as tensors:
        return {name: tensor.read() for name, tensor in tensors.items()}


def write(path, table, data=b""):
    head = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def test_tensors_are_read_by_name(tmp_path):
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "scalar": np.array(4, np.float32),
        "none": np.zeros((0,), np.float32),
    }
    found = read(save_safetensors(tmp_path / "w.safetensors", arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("dtype", "array", "expected"),
    [
        ("F64", np.float64([1.5]), 1.5),
        ("F16", np.float16([0.25]), 0.25),
        ("BF16", np.uint16([0xC040]), -3.0),
        ("I64", np.int64([7]), 7.0),
        ("BOOL", np.uint8([1]), 1.0),
    ],
)
def test_other_types_become_float32(dtype, array, expected, tmp_path):
    found = read(save_safetensors(tmp_path / "w.safetensors", {"a": array}, dtype=dtype))["a"]
    assert (found.dtype, found.item()) == (np.float32, expected)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [3]}, "does not fit"),
        ({"shape": [-2]}, "does not fit"),
        ({"shape": [1 << 40, 1 << 40]}, "does not fit"),
        ({"data_offsets": [8, 0]}, "does not fit"),
        ({"data_offsets": [-8, 0]}, "does not fit"),
        ({"data_offsets": [8, 16]}, "is cut short"),
        ({"dtype": "F8_E4M3"}, "of type F8_E4M3: expected one of F32"),
        ({"dtype": 3}, "is damaged"),
        ({"shape": "2"}, "is damaged"),
        ({"shape": [2.0]}, "is damaged"),
    ],
)
def test_tables_that_lie_are_refused(change, message, tmp_path):
    path = write(tmp_path / "w.safetensors", {"a": {**ENTRY, **change}}, b"\0" * 8)
    with pytest.raises(ModelError, match=message):
        read(path)


@pytest.mark.parametrize("table", [b"{", b"[1]", b'{"a": 1}', b"[" * 100_000, b"\xff\xff{}"])
def test_what_is_no_table_is_refused(table, tmp_path):
    path = write(tmp_path / "w.safetensors", table)
    if table == b"[1]":
        assert read(path) == {}
        return
    with pytest.raises(ModelError):
        read(path)


@pytest.mark.parametrize("length", [0, 1, 1 << 40, (1 << 64) - 1])
def test_a_length_that_cannot_be_is_refused(length, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(ModelError, match=r"cut short or no \.safetensors"):
        read(path)


def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path):
    whole = save_safetensors(tmp_path / "whole.safetensors", {"a": np.ones(4, np.float32)}).read_bytes()
    for length in range(len(whole)):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read(path)
