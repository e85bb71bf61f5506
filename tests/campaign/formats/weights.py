"""Weights of PyTorch and Keras, in every kind of file that is read."""

import io
import json
import random
import struct
import zipfile
from pathlib import Path

from campaign.mutators import mutate, mutate_tree, to_json
from support.keras_format import backbone, dense, functional, layer, picture, save_h5, save_keras
from support.networks import TINY, lively_weights, state_dict
from support.torch_format import save_legacy, save_safetensors, save_zip

_GADGETS = (
    b"cos\nsystem\n(S'touch evil'\ntR.",
    b"\x80\x02cbuiltins\neval\nX\x04\x00\x00\x00evil\x85R.",
    b"\x80\x04" + b"(" * 100_000 + b".",
    b"\x80\x02" + b"]" + b"q\xff" * 1000 + b".",
    b"\x80\x02X\xff\xff\xff\xffabc.",
    b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.",
    b"\x80\x02ccollections\nOrderedDict\n)R" + b"0" * 50 + b".",
    b"(lp0\n" + b"g0\na" * 1000 + b".",
    b"L" + b"9" * 100_000 + b"L\n.",
)  # fmt: skip


def prepare(samples: Path) -> None:
    """Write the same tiny network as each framework does."""
    state = state_dict()
    save_zip(samples / "w.pth", state)
    save_legacy(samples / "legacy.pth", state)
    save_safetensors(samples / "w.safetensors", state_dict_without_counters(state))
    features, kernel, bias = lively_weights()
    behind = [layer("GlobalAveragePooling2D", "pool"), dense("predictions", kernel.T, bias, "softmax")]
    model = functional("model", [picture(), *backbone(TINY, features), *behind])
    save_h5(samples / "w.h5", model)
    save_keras(samples / "w.keras", model)


def state_dict_without_counters(state: "dict[str, object]") -> "dict[str, object]":
    """Return what a .safetensors file of floats can hold."""
    return {name: array for name, array in state.items() if not name.endswith("num_batches_tracked")}


def keras(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage an .h5 file, or a .keras archive and what is in it."""
    if draw.random() < 0.6:
        (folder / "w.h5").write_bytes(mutate(draw, (samples / "w.h5").read_bytes()))
        return _command("w.h5")
    raw = (samples / "w.keras").read_bytes()
    (folder / "w.keras").write_bytes(_other_members(draw, raw) if draw.random() < 0.7 else mutate(draw, raw))
    return _command("w.keras")


def pickles(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage a .pth of either format, and its pickle inside; some hold pickles that would run something."""
    kind = draw.random()
    if kind < 0.3:
        raw = mutate(draw, (samples / "legacy.pth").read_bytes())
    elif kind < 0.5:
        raw = mutate(draw, (samples / "w.pth").read_bytes())
    elif kind < 0.95:
        raw = _other_members(draw, (samples / "w.pth").read_bytes())
    else:
        raw = draw.choice(_GADGETS)
    (folder / "w.pth").write_bytes(raw)
    return _command("w.pth")


def safetensors(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage the table of a .safetensors file, its length or its data."""
    raw = (samples / "w.safetensors").read_bytes()
    if draw.random() < 0.6:
        (size,) = struct.unpack_from("<Q", raw)
        table = to_json(mutate_tree(draw, json.loads(raw[8 : 8 + size])))
        raw = struct.pack("<Q", len(table)) + table + raw[8 + size :]
    else:
        raw = mutate(draw, raw)
    (folder / "w.safetensors").write_bytes(raw)
    return _command("w.safetensors")


def _command(name: str) -> list[str]:
    return ["import-weights", name, "-o", "out.onnx"]


def _other_members(draw: random.Random, raw: bytes) -> bytes:
    """Damage one member of a zip archive, or its name; its checksum is right again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as other:
        names = archive.namelist()
        small = [name for name in names if name.endswith((".pkl", ".json"))]
        chosen = draw.choice(small) if small and draw.random() < 0.7 else draw.choice(names)
        for old in names:
            name, content = old, archive.read(old)
            if name == chosen:
                kind = draw.random()
                if kind < 0.1:
                    content = bytes(draw.choice((0, 200_000_000)))
                elif kind < 0.2:
                    name = draw.choice(("../../evil", "/tmp/evil", "x" * 300, "data.pkl"))
                elif name.endswith(".json") and kind < 0.7:
                    content = to_json(mutate_tree(draw, json.loads(content)))
                elif name.endswith(".pkl") and kind < 0.35:
                    content = draw.choice(_GADGETS)
                else:
                    content = mutate(draw, content)
            other.writestr(name, content)
    return out.getvalue()
