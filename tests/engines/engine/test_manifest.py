import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.engine.facts import GoldenOutput, GoldenTest, PreprocessFacts
from mnv2_engines.engine.manifest import Manifest, decode_manifest, encode_manifest, manifest_path
from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.store.recipe import decode_recipe

PATH = Path("signs.json")


def test_a_manifest_survives_the_round_trip(describe_engine) -> None:
    golden = GoldenTest(
        dtype="int8",
        height=1,
        width=1,
        picture=b"\x00\x80\xff",
        outputs=(GoldenOutput(name="scores", dtype="int8", count=2, stride=1, values=b"\x01\x02", sha256="a" * 64),),
        runtime="ai-edge-litert 2.3.0",
        machine="aarch64",
        fingerprint="f" * 16,
    )
    manifest = describe_engine(b"bytes", golden=golden)
    read = decode_manifest(encode_manifest(manifest), PATH)
    assert read is not None
    assert msgspec.structs.replace(read, checksum="") == manifest


def test_preprocess_survives_with_a_crop_fraction_that_no_short_decimal_is() -> None:
    preprocess = Preprocess("BGR", (0.1, 0.2, 0.3), (1 / 3, 2 / 3, 1.0), ResizePolicy("center-crop", 6 / 7))
    raw = msgspec.json.encode(PreprocessFacts.of(preprocess))
    assert msgspec.json.decode(raw, type=PreprocessFacts).value() == preprocess


def test_the_manifest_lies_beside_the_engine() -> None:
    assert manifest_path(Path("/engines/a.b.tflite")) == Path("/engines/a.b.json")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda m: m | {"version": 2}, "version 2"),
        (lambda m: m | {"surprise": 1}, "surprise"),
        (lambda m: m | {"precision": "int7"}, "int7"),
        (lambda m: m | {"engine": m["engine"] | {"sha256": "zz"}}, "sha256"),
        (lambda m: {key: value for key, value in m.items() if key != "engine"}, "engine"),
        (lambda m: m | {"preprocess_engine": m["preprocess_engine"] | {"mean": [127.5, 127.5, 63.75]}}, "changed"),
        (lambda m: m | {"labels": ["stop", "go"]}, "changed"),
    ],
)
def test_a_damaged_manifest_names_what_is_wrong_and_the_next_command(describe_engine, change, names) -> None:
    damaged = change(json.loads(encode_manifest(describe_engine(b"bytes"))))
    with pytest.raises(CorruptEngineError, match=names) as caught:
        decode_manifest(json.dumps(damaged).encode(), PATH)
    assert "mnv2-edge build-engine" in str(caught.value)


def test_every_truncation_is_refused(describe_engine) -> None:
    raw = encode_manifest(describe_engine(b"bytes")).rstrip()
    for length in range(0, len(raw), 7):
        with pytest.raises(CorruptEngineError):
            decode_manifest(raw[:length], PATH)


def test_every_flipped_bit_is_refused_or_changes_nothing(describe_engine) -> None:
    manifest = describe_engine(b"bytes")
    raw = encode_manifest(manifest)
    for index in range(len(raw)):
        flipped = bytearray(raw)
        flipped[index] ^= 1 << (index % 8)
        try:
            read = decode_manifest(bytes(flipped), PATH)
        except CorruptEngineError:
            continue
        # White space may change; one flipped key may not turn the manifest into an unknown file.
        assert isinstance(read, Manifest)
        assert msgspec.structs.replace(read, checksum="") == manifest


@pytest.mark.parametrize("raw", [b'{"name": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b"\0"])
def test_what_no_json_reader_takes_is_damaged(raw: bytes) -> None:
    for decode in (decode_manifest, decode_recipe):
        with pytest.raises(CorruptEngineError, match="is not a readable"):
            decode(raw, PATH)


@pytest.mark.parametrize("raw", [b"[1, 2]", b'{"0": "cat", "1": "dog"}', b'{"name": "x", "labels": ["a"]}', b"3"])
def test_json_that_was_never_a_manifest_is_told_apart(raw: bytes) -> None:
    assert decode_manifest(raw, PATH) is None


def test_anybody_can_seal_a_manifest_and_older_ones_lack_newer_fields(describe_engine) -> None:
    """The checksum is over sorted keys without white space, so it does not depend on this program's fields."""
    tree = json.loads(encode_manifest(describe_engine(b"bytes", task=None, labels=("caf\u00e9", "0.1"))))
    del tree["task"], tree["golden"]
    plain = json.dumps({**tree, "checksum": ""}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    tree["checksum"] = hashlib.sha256(plain.encode()).hexdigest()
    read = decode_manifest(json.dumps(tree).encode(), PATH)
    assert read is not None
    assert (read.task, read.labels) == (None, ("caf\u00e9", "0.1"))
