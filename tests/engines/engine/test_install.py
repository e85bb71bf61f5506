"""Install an engine over another one, and be cut off at every step."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.install import install_engine
from mnv2_engines.engine.manifest import encode_manifest, manifest_path, pending_manifest_path
from mnv2_engines.errors import BuildError, CorruptEngineError

OLD = b"\x1c\x00\x00\x00TFL3" + b"old" * 1000
NEW = b"\x1c\x00\x00\x00TFL3" + b"new" * 1000

# Be killed at the n-th of all calls that change the disk: no finally, no flush, as in a power cut. One n a folder.
DIE = """
import os, sys, pathlib
from mnv2_engines.engine.install import install_engine
engine, manifest, *outputs = sys.argv[1:]
engine, manifest = pathlib.Path(engine).read_bytes(), pathlib.Path(manifest).read_bytes()
calls = 0
def dying(call, deadline):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == deadline:
            os._exit(9)
        return call(*args, **kwargs)
    return wrapped
for deadline, output in enumerate(outputs, 1):
    if os.fork() == 0:
        os.mkdir, os.fsync, os.open = [dying(call, deadline) for call in (os.mkdir, os.fsync, os.open)]
        pathlib.Path.replace = dying(pathlib.Path.replace, deadline)
        install_engine(pathlib.Path(output), engine, manifest)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_pair_is_written_and_nothing_else(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    install_engine(output, NEW, encode_manifest(describe_engine(NEW)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.tflite"]
    assert read_engine(output).manifest is not None
    assert output.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_pair_replaces_another(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    for content in (OLD, NEW):
        install_engine(output, content, encode_manifest(describe_engine(content)))
    assert output.read_bytes() == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.tflite"]
    read_engine(output)


@pytest.mark.parametrize("existing", [True, False])
def test_cut_off_at_every_step_one_whole_pair_is_left(tmp_path: Path, describe_engine, existing: bool) -> None:
    new, described = tmp_path / "new", tmp_path / "described"
    new.write_bytes(NEW)
    described.write_bytes(encode_manifest(describe_engine(NEW)))
    outputs = [tmp_path / str(deadline) / "net.tflite" for deadline in range(1, 25)]
    for output in outputs:
        output.parent.mkdir()
        if existing:
            install_engine(output, OLD, encode_manifest(describe_engine(OLD)))
    command = [sys.executable, "-c", DIE, str(new), str(described), *map(str, outputs)]
    statuses = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    cuts = statuses.index("0")
    assert statuses == ["9"] * cuts + ["0"] * (len(outputs) - cuts)
    seen = []
    for output in outputs[: cuts + 1]:
        if not existing and not output.exists():
            seen.append("none")
        else:
            assert read_engine(output).manifest is not None
            seen.append("new" if output.read_bytes() == NEW else "old")
        install_engine(output, NEW, encode_manifest(describe_engine(NEW)))  # what was left is not in its way
        assert read_engine(output).manifest is not None
    assert len(seen) >= 10
    before = "old" if existing else "none"
    assert seen == [before] * seen.count(before) + ["new"] * seen.count("new")
    assert seen.count("new") >= 4  # after the engine's rename: three more calls, and the whole run


def test_a_pending_manifest_counts_only_for_its_own_engine(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    install_engine(output, OLD, encode_manifest(describe_engine(OLD)))
    pending_manifest_path(output).write_bytes(encode_manifest(describe_engine(NEW)))
    assert read_engine(output).manifest is not None
    output.write_bytes(OLD[:-1])
    with pytest.raises(CorruptEngineError):
        read_engine(output)


def test_a_check_that_fails_changes_nothing(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    install_engine(output, OLD, encode_manifest(describe_engine(OLD)))

    def refuse(staged: Path) -> None:
        assert read_engine(staged).manifest is not None
        raise CorruptEngineError("no")

    with pytest.raises(CorruptEngineError, match="no"):
        install_engine(output, NEW, encode_manifest(describe_engine(NEW)), refuse)
    assert output.read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.tflite"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, describe_engine, monkeypatch) -> None:
    output = tmp_path / "net.tflite"
    install_engine(output, OLD, encode_manifest(describe_engine(OLD)))

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("mnv2_engines.files.durable.os.fsync", full)
    with pytest.raises(BuildError, match="No space left on device"):
        install_engine(output, NEW, encode_manifest(describe_engine(NEW)))
    monkeypatch.undo()
    assert read_engine(output).sha256
    assert output.read_bytes() == OLD
    assert manifest_path(output).exists()


def test_readers_never_see_half_of_an_installation(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    pairs = [(content, encode_manifest(describe_engine(content))) for content in (OLD, NEW)]
    install_engine(output, *pairs[0])
    done = threading.Event()
    seen: list[BaseException] = []

    def read() -> None:
        while not done.is_set():
            try:
                read_engine(output)
            except CorruptEngineError as exc:
                seen.append(exc)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(100):
        install_engine(output, *pairs[turn % 2])
    done.set()
    reader.join()
    assert seen == []


def test_of_two_builders_one_comes_after_the_other(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    failures: list[BaseException] = []

    def build(content: bytes) -> None:
        manifest = encode_manifest(describe_engine(content))
        try:
            for _ in range(40):
                install_engine(output, content, manifest)
        except BuildError as exc:
            failures.append(exc)

    builders = [threading.Thread(target=build, args=(content,)) for content in (OLD, NEW)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert failures == []
    assert read_engine(output).manifest is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.tflite"]


def test_somebody_elses_json_is_not_overwritten(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    manifest_path(output).write_text('{"0": "cat"}')
    with pytest.raises(BuildError, match=r"net\.json is not a manifest"):
        install_engine(output, NEW, encode_manifest(describe_engine(NEW)))
    assert manifest_path(output).read_text() == '{"0": "cat"}'
    assert not output.exists()


def test_a_damaged_manifest_is_replaced(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    manifest_path(output).write_bytes(encode_manifest(describe_engine(NEW))[:500])
    install_engine(output, NEW, encode_manifest(describe_engine(NEW)))
    assert read_engine(output).manifest is not None


def test_what_a_killed_build_left_is_swept_up_later(tmp_path: Path, describe_engine) -> None:
    output = tmp_path / "net.tflite"
    old, young = tmp_path / ".net.tflite.staging-old", tmp_path / ".net.tflite.staging-young"
    for left in (old, young):
        left.mkdir()
        (left / "net.tflite").write_bytes(OLD)
    os.utime(old, (1, 1))
    install_engine(output, NEW, encode_manifest(describe_engine(NEW)))
    assert not old.exists()
    assert young.exists()


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask
