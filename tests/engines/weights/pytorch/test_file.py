"""Files of `torch.save`, read without torch: what is in them, and what is refused."""

import io
import os
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.pytorch.file import open_torch
from support.torch_format import Storage, Tensor, save_legacy, save_zip, torch_names, write_zip


def read(path):
    with path.open("rb") as file, open_torch(path, file) as tensors:
        return {name: tensor.read() for name, tensor in tensors.items()}


ARRAYS = {
    "a": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "b": np.float64([1.5, -2.5]),
    "c": np.float16([[0.5], [65504.0]]),
    "count": np.array(3, np.int64),
    "none": np.zeros((0, 4), np.float32),
}


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_tensors_of_every_type_are_read_as_float32(save, tmp_path):
    found = read(save(tmp_path / "w.pth", ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_bfloat16_is_the_upper_half_of_a_float32(save, tmp_path):
    bits = np.uint16([0x3F80, 0xC040, 0x7F80])  # as the writer maps uint16
    np.testing.assert_array_equal(read(save(tmp_path / "w.pth", {"a": bits}))["a"], np.float32([1.0, -3.0, np.inf]))


def test_files_of_big_endian_machines(tmp_path):
    found = read(save_zip(tmp_path / "w.pth", ARRAYS, byte_order="big"))
    np.testing.assert_array_equal(found["a"], ARRAYS["a"])
    with pytest.raises(ModelError, match="big-endian"):
        read(save_legacy(tmp_path / "l.pth", ARRAYS, little_endian=False))


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_views_of_one_storage(save, tmp_path):
    storage = Storage(np.arange(12, dtype=np.float32))
    views = {
        "whole": Tensor(storage, 0, (3, 4), (4, 1)),
        "transposed": Tensor(storage, 0, (4, 3), (1, 4)),
        "column": Tensor(storage, 2, (3,), (4,)),
        "repeated": Tensor(storage, 11, (2, 2), (0, 0)),
        "scalar": Tensor(storage, 5, (), ()),
    }
    found = read(save(tmp_path / "w.pth", views))
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["transposed"], whole.T)
    np.testing.assert_array_equal(found["column"], whole[:, 2])
    np.testing.assert_array_equal(found["repeated"], np.full((2, 2), 11))
    assert found["scalar"] == 5


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_nested_checkpoints_have_joined_names(save, tmp_path):
    checkpoint = {
        "epoch": 3,
        "best": 0.71,
        "note": "x",
        "model": {"a": ARRAYS["a"]},
        "optimizer": {"state": {0: ARRAYS}},
    }
    found = read(save(tmp_path / "w.pth", checkpoint))
    assert sorted(found) == ["model.a", *(f"optimizer.state.0.{name}" for name in sorted(ARRAYS))]


class Exploit:
    """Run a command when it is unpickled by pickle."""

    def __init__(self, path):
        self.command = f"touch {path}"

    def __reduce__(self):
        return os.system, (self.command,)


def legacy_around(path, data):
    with path.open("wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(head, file, 2)
        file.write(data)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("wrap", [lambda path, data: write_zip(path, data, {}), legacy_around], ids=["zip", "legacy"])
def test_a_malicious_pickle_is_refused_and_not_run(wrap, protocol, tmp_path):
    witness = tmp_path / "witness"
    data = pickle.dumps({"features.0.0.weight": Exploit(witness)}, protocol)
    path = wrap(tmp_path / "w.pth", data)
    with pytest.raises(ModelError, match="nothing in it was run"):
        read(path)
    assert not witness.exists()
    pickle.loads(data)  # the control: it would have
    assert witness.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"(S'touch /tmp/never'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'id'\no.",  # OBJ
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",  # STACK_GLOBAL
        b"\x80\x02cbuiltins\ndict\n)\x81.",  # NEWOBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.",  # BUILD changes a function
        b"\x80\x02ccollections\nOrderedDict\nctorch\nFloatStorage\n\x85R.",  # a class for an argument
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # a call of what stands for a name
        b"\x80\x02X\x01\x00\x00\x00a)R.",  # a call of a text
        b"\x80\x02}((K\x01t)s.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02K\x01K\x02e.",
        b"\x80\x02).",
        b"\x80\x02ctorch.hub\nload\n.",
    ],
    ids=lambda data: data[:12].hex(),
)
def test_other_instructions_are_refused(data, tmp_path):
    with pytest.raises(ModelError):
        read(write_zip(tmp_path / "w.pth", data, {}))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2 G entries
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b".",  # a text of 1 TiB
        b"\x80\x02" + b"(" * 200_000 + b".",
        b"\x80\x02" + b"}" * 10 + b"\x85" * 100_000 + b".",
        b"\x80\x02}" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",  # a key whose hash takes 2^60 steps
        b"\x80\x02" + b"]q\x00" + b"h\x00a" * 10 + b".",  # a list of itself
        b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",  # a dict of itself
    ],
    ids=["memo", "text", "marks", "tuples", "hash", "list", "dict"],
)
def test_what_would_take_forever_or_all_memory_is_refused_at_once(data, tmp_path):
    for path in (write_zip(tmp_path / "w.pth", data, {}), legacy_around(tmp_path / "l.pth", data)):
        with pytest.raises(ModelError):
            read(path)


def multiplying(level):
    """Return the instructions for a dict that holds 40 times the same dict, which holds 40 times ..."""
    if level == 0:
        return b"}"
    memo = bytes([level])
    again = b"".join(b"X\x02\x00\x00\x00%02dh%b" % (index, memo) for index in range(1, 40))
    return b"}(X\x02\x00\x00\x0000" + multiplying(level - 1) + b"q" + memo + again + b"u"


@pytest.mark.timeout(20)
def test_dicts_that_multiply_are_refused(tmp_path):
    with pytest.raises(ModelError, match="more than 100000 parts"):
        read(write_zip(tmp_path / "w.pth", b"\x80\x02" + multiplying(7) + b".", {}))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor(Storage(np.zeros(4, np.float32)), 2, (3,), (1,)), "reaches to element 5 of a storage of 4"),
        (Tensor(Storage(np.zeros(4, np.float32)), 0, (2, 2), (-1, 1)), "a tensor with invalid sizes"),
        (Tensor(Storage(np.zeros(4, np.float32)), 0, (2, 2), (1,)), "2 sizes and 1 strides"),
        (Tensor(Storage(np.zeros(1, np.float32)), 0, (1 << 20, 1 << 20), (0, 0)), "larger than any MobileNetV2 needs"),
    ],
)
def test_tensors_that_lie_about_their_size_are_refused(tensor, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        read(save_zip(tmp_path / "w.pth", {"a": tensor}))


def test_a_storage_shorter_than_promised_is_refused(tmp_path):
    path = save_zip(tmp_path / "w.pth", {"a": np.zeros(8, np.float32)})
    with zipfile.ZipFile(path) as archive:
        data = archive.read("archive/data.pkl")
    with pytest.raises(ModelError, match="holds 4 numbers of 8"):
        read(write_zip(tmp_path / "short.pth", data, {"0": b"\0" * 16}))
    with pytest.raises(ModelError, match="lacks its part 'archive/data/0'"):
        read(write_zip(tmp_path / "lacking.pth", data, {}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = write_zip(tmp_path / "bomb.pth", b"", {"0": b"\0" * 50_000_000}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match="may be a zip bomb"):
        read(path)


def test_a_bomb_of_overlapping_parts_is_refused(tmp_path):
    """Many entries of the directory point at the same bytes, stored and not compressed."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("archive/data.pkl", b"\0" * 100_000)
        for index in range(50):
            info = zipfile.ZipInfo(f"archive/data/{index}")
            info.file_size = info.compress_size = 100_000
            info.header_offset = info.CRC = 0
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
    path = tmp_path / "overlap.pth"
    path.write_bytes(raw.getvalue())
    with pytest.raises(ModelError, match="overlap"):
        read(path)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_a_truncated_file_is_refused_wherever_it_is_cut(save, tmp_path):
    whole = save(tmp_path / "whole.pth", ARRAYS).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read(cut)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_damaged_files_are_read_or_refused(save, tmp_path):
    whole = save(tmp_path / "whole.pth", ARRAYS).read_bytes()
    damaged = tmp_path / "damaged.pth"
    refused = 0
    for seed in range(400):
        dice = random.Random(seed)
        raw = bytearray(whole)
        for _ in range(3):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        damaged.write_bytes(raw)
        try:
            read(damaged)
        except ModelError:
            refused += 1
    assert 0 < refused < 400


def test_a_whole_module_says_how_to_save_weights(tmp_path):
    data = b"\x80\x02c__main__\nMobileNetV2\n)\x81."
    with pytest.raises(ModelError, match=r"names '__main__\.MobileNetV2'.*torch\.save\(model\.state_dict\(\)"):
        read(write_zip(tmp_path / "w.pth", data, {}))


def test_a_zip_of_something_else_and_a_file_without_tensors(tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat.jpg", b"")
    with pytest.raises(ModelError, match="zip without weights"):
        read(path)
    with pytest.raises(ModelError, match="no dict of tensors"):
        read(save_zip(tmp_path / "w.pth", {"epoch": 3}))


def test_a_parameter_is_its_tensor(tmp_path):
    """A pickled nn.Parameter calls _rebuild_parameter around the tensor."""
    data = (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_parameter\n"
        b"(ctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
        b"K\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR\x88ccollections\nOrderedDict\n)RtRs."
    )
    path = write_zip(tmp_path / "w.pth", data, {"0": np.float32([1, 2]).tobytes()})
    np.testing.assert_array_equal(read(path)["a"], [1, 2])


def test_the_writer_of_these_tests_names_what_torch_names():
    with torch_names() as torch:
        assert pickle.dumps(torch.FloatStorage, 2) == b"\x80\x02ctorch\nFloatStorage\nq\x00."
