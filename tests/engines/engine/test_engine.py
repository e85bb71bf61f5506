import hashlib
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import CorruptEngineError, EngineError
from mnv2_engines.preprocessing.preprocess import Preprocess

FLATBUFFER = b"\x1c\x00\x00\x00TFL3" + bytes(range(64))


def test_an_engine_carries_what_its_manifest_states(install) -> None:
    engine = read_engine(install(FLATBUFFER))
    assert engine.kind == "litert"
    assert engine.name == "signs"
    assert engine.sha256 == hashlib.sha256(FLATBUFFER).hexdigest()
    assert engine.id == f"signs@{engine.sha256[:12]}"
    assert engine.preprocess == Preprocess()
    assert engine.task == "classify"
    assert engine.labels == ("go", "stop")


def test_one_changed_byte_is_refused_with_both_hashes_and_the_command(install) -> None:
    path = install(FLATBUFFER)
    verified = hashlib.sha256(FLATBUFFER).hexdigest()
    changed = FLATBUFFER[:-1] + b"\x00"
    path.write_bytes(changed)
    with pytest.raises(CorruptEngineError) as caught:
        read_engine(path)
    message = str(caught.value)
    assert verified[:12] in message
    assert hashlib.sha256(changed).hexdigest()[:12] in message
    assert f"mnv2-edge build-engine signs.onnx --output {path}" in message


def test_a_bare_tflite_is_read_with_its_hash_in_a_warning(tmp_path: Path, caplog) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(FLATBUFFER)
    with caplog.at_level(logging.WARNING):
        engine = read_engine(path)
    assert engine.manifest is None
    assert engine.preprocess is None
    assert engine.name == "other"
    assert hashlib.sha256(FLATBUFFER).hexdigest() in caplog.text


def test_labels_in_json_beside_a_bare_tflite_are_no_manifest(tmp_path: Path, caplog) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(FLATBUFFER)
    path.with_suffix(".json").write_text('{"0": "cat"}')
    assert read_engine(path).manifest is None
    assert "other.json is not a manifest" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.tflite", None, "is not there"),
        ("empty.tflite", b"", "not a TFLite file"),
        ("text.tflite", b"hello, this is not an engine", "not a TFLite file"),
        ("net.onnx", b"\x08\x07\x12\x07pytorch", "is a model"),
        ("net.engine", b"ftrt....", "has no manifest"),
    ],
)
def test_what_is_no_engine_is_refused_in_one_line(tmp_path: Path, name, content, says) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=says) as caught:
        read_engine(path)
    assert str(path) in str(caught.value)
    assert "build-engine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_engine(tmp_path)


def test_reading_imports_nothing_heavy(install) -> None:
    program = (
        "import sys; from pathlib import Path; from mnv2_engines.engine.engine import read_engine; "
        "read_engine(Path(sys.argv[1])); "
        "print(sorted({'cv2', 'onnx', 'ai_edge_litert', 'flatbuffers', 'yaml', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(install(FLATBUFFER))], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
