import logging
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.manifest import manifest_path
from mnv2_engines.errors import BackendUnavailableError, CorruptEngineError, EngineError, UntestedEngineError
from mnv2_engines.proof.golden import record_golden
from mnv2_engines.proof.self_test import ensure_tested, is_tested, load_in_child
from support.fake_jetson import write_plan


@pytest.fixture
def bare(root: Path, tmp_path: Path) -> Path:
    """Copy the demo engine without its manifest."""
    return Path(shutil.copy(root / "engines" / "mnv2_engines" / "demo" / "demo.tflite", tmp_path / "bare.tflite"))


def child(monkeypatch, tmp_path: Path, script: str) -> None:
    """Let the child be this shell script."""
    program = tmp_path / "child"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("mnv2_engines.proof.self_test.sys.executable", str(program))


def test_an_engine_is_tested_once_and_remembered(bare: Path, tmp_path: Path, monkeypatch) -> None:
    engine = read_engine(bare)
    cache = tmp_path / "cache"
    assert not is_tested(engine, cache)
    ensure_tested(engine, cache)
    assert is_tested(engine, cache)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    ensure_tested(engine, cache)
    with pytest.raises(EngineError, match="does not start"):
        ensure_tested(engine, tmp_path / "other cache")


def test_another_runtime_version_tests_again(bare: Path, tmp_path: Path, monkeypatch) -> None:
    engine = read_engine(bare)
    ensure_tested(engine, tmp_path)
    monkeypatch.setattr("mnv2_engines.proof.self_test.metadata.version", lambda name: "99.0")
    assert not is_tested(engine, tmp_path)


def test_a_cache_that_cannot_be_written_is_a_log_line(bare: Path, tmp_path: Path, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.INFO):
        ensure_tested(read_engine(bare), blocked)
    assert "is tested again next time" in caplog.text


def test_a_cache_of_another_user_is_no_cache(bare: Path, tmp_path: Path, monkeypatch, caplog) -> None:
    def refuse(path: Path, *_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    engine = read_engine(bare)
    for name in ("stat", "is_file", "mkdir", "touch"):  # is_file asks stat before Python 3.14
        monkeypatch.setattr(f"pathlib.Path.{name}", refuse)
    monkeypatch.setattr("mnv2_engines.proof.self_test.load_in_child", lambda path, *, timeout_s: None)
    with caplog.at_level(logging.INFO):
        ensure_tested(engine, tmp_path)
    assert "cannot be written (Permission denied)" in caplog.text


def test_a_file_that_litert_refuses_is_corrupt(bare: Path, tmp_path: Path) -> None:
    bare.write_bytes(bare.read_bytes()[:100_000])
    engine = read_engine(bare)
    with pytest.raises(CorruptEngineError, match=r"bare\.tflite"):
        ensure_tested(engine, tmp_path)
    assert not is_tested(engine, tmp_path)


def test_the_child_runs_the_golden_test(install, bare: Path) -> None:
    raw = bare.read_bytes()
    backend = LiteRtBackend(raw)
    picture = backend.allocate_input()[0, :32, :32]
    golden = record_golden(backend, picture, describe_device())
    load_in_child(install(raw, golden=golden))
    other = record_golden(backend, picture + 99, describe_device())
    wrong = msgspec.structs.replace(golden, outputs=other.outputs)
    path = install(raw, golden=wrong)
    with pytest.raises(CorruptEngineError, match="fails its golden test"):
        load_in_child(path)
    assert manifest_path(path).exists()


@pytest.mark.parametrize(
    ("script", "says"),
    [("kill -SEGV $$", "SIGSEGV"), ("echo rubbish; exit 3", "exit status 3"), ("exit 0", "exit status 0")],
)
def test_a_crash_of_the_child_is_a_corrupt_engine(monkeypatch, tmp_path: Path, script: str, says: str) -> None:
    child(monkeypatch, tmp_path, script)
    with pytest.raises(CorruptEngineError, match=f"crashed the runtime .*{says}.*build it again"):
        load_in_child(tmp_path / "net.tflite")


def test_ctrl_c_at_the_first_load_blames_no_engine(monkeypatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, "kill -INT $$; exec sleep 10")
    with pytest.raises(KeyboardInterrupt):
        load_in_child(tmp_path / "engine.tflite")


@pytest.mark.parametrize("number", ["TERM", "KILL"])
def test_a_first_load_that_is_ended_from_outside_blames_no_engine(monkeypatch, tmp_path: Path, number: str) -> None:
    """A service is stopped, or the kernel has no memory left: then another start may go well."""
    child(monkeypatch, tmp_path, f"kill -{number} $$; exec sleep 10")
    with pytest.raises(UntestedEngineError, match=f"SIG{number}.*start again"):
        load_in_child(tmp_path / "some.tflite")


def test_a_child_that_hangs_is_a_corrupt_engine(monkeypatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(CorruptEngineError, match=r"did not load within 0\.2 s"):
        load_in_child(tmp_path / "net.tflite", timeout_s=0.2)


def test_a_child_without_a_runtime_says_so(monkeypatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, """echo '{"outcome": "unavailable", "detail": "LiteRT is not importable"}'""")
    with pytest.raises(BackendUnavailableError, match="not importable"):
        load_in_child(tmp_path / "net.tflite")


def test_a_plan_is_loaded_by_tensorrt(tmp_path: Path, describe_engine) -> None:
    """Here there is none, which the child finds out only when it has not given the plan to LiteRT."""
    plan = write_plan(tmp_path / "signs.engine", b"onnx", describe_engine)
    with pytest.raises(BackendUnavailableError, match="TensorRT"):
        load_in_child(plan)
