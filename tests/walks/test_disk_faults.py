"""A disk that is full, read-only or failing is not a bug of ours: each command that writes says so and ends with 75."""

import builtins
import errno
import io
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mnv2_edge.__main__ as program
from support.command import COMMAND, environment, errors
from support.namespaces import with_mounts
from support.networks import MobileNetV2, state_dict
from support.torch_format import save_zip

FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's quota is used up",
    errno.EFBIG: "it would be larger than a file may be here",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk fails",
}
WRITERS = {
    "config init": "config init TARGET.yaml",
    "import-weights": "import-weights WEIGHTS -o TARGET.onnx",
    "doctor": "doctor --report TARGET.tar.gz",
    "models add": "models add WEIGHTS --name mine",
    "cameras test": "cameras test replay:demo --seconds 0.5 --save TARGET.png",
    "setup": "setup --yes --output TARGET.yaml",
    "run": "run --camera demo --max-frames 1 --format none --save TARGET",
}
READERS = {
    "inspect": "inspect TARGET",
    "run": "run --camera demo --max-frames 1 --model TARGET",
    "labels": "run --camera demo --max-frames 1 --labels TARGET",
    "config check": "config check TARGET",
    "import-weights": "import-weights TARGET -o net.onnx",
    "build-engine": "build-engine TARGET --calibration demo",
    "engines import": "engines import TARGET",
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Give the words of a command, in a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("MNV2_EDGE_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = save_zip(tmp_path / "w.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))

    def words(command: str) -> list[str]:
        target = str(tmp_path / "out" / "net")
        return [word.replace("WEIGHTS", str(weights)).replace("TARGET", target) for word in command.split()]

    (tmp_path / "out").mkdir()
    return words


@pytest.fixture
def broken(tmp_path, monkeypatch) -> Iterator[list[int]]:
    """Have every opening for writing below the folder fail with the number in the list, whichever way it is done."""
    number: list[int] = []
    opening, opening_file, making = os.open, io.open, os.mkdir

    def fail(path: object) -> None:
        if number and isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(str(tmp_path)):
            raise OSError(number[0], os.strerror(number[0]), os.fsdecode(path))

    def os_open(path, flags, *args, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            fail(path)
        return opening(path, flags, *args, **more)

    def io_open(path, mode="r", *args, **more):
        if set(mode) & set("wxa+"):
            fail(path)
        return opening_file(path, mode, *args, **more)

    def mkdir(path, *args, **more):
        fail(path)
        return making(path, *args, **more)

    monkeypatch.setattr(os, "open", os_open)
    monkeypatch.setattr(io, "open", io_open)
    monkeypatch.setattr(builtins, "open", io_open)
    monkeypatch.setattr(os, "mkdir", mkdir)
    yield number
    number.clear()


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_says_what_the_disk_has_against_it(writer, number, places, broken, capsys, tmp_path):
    arguments = places(WRITERS[writer])
    broken.append(number)
    assert program.main(arguments) == 75
    (line,) = errors(capsys.readouterr().err)
    assert os.strerror(number) in line
    assert FAULTS[number] in line
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_that_the_disk_fails(reader, places, monkeypatch, capsys, tmp_path):
    (tmp_path / "out" / "net").write_text("x" * 100)
    arguments = places(READERS[reader])
    reading, reading_into = os.read, os.readv

    def read(descriptor, size):
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(tmp_path / "out"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return (reading_into if isinstance(size, list) else reading)(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    monkeypatch.setattr(os, "readv", read)
    assert program.main(arguments) == 75
    (line,) = errors(capsys.readouterr().err)
    assert "(Input/output error): the disk fails" in line


def run_in(command: list[str], home: Path, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, env=environment(home), cwd=home, capture_output=True, text=True, timeout=100, check=False, **more
    )


@pytest.mark.parametrize("writer", ["config init", "import-weights", "doctor"])
def test_on_a_real_disk_that_is_full(writer, places, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [*COMMAND, *places(WRITERS[writer].replace("TARGET", "DISK"))]
    inner = shlex.join(word.replace("DISK", str(disk / "net")) for word in command)
    filled = f"head -c 1M /dev/zero >{shlex.quote(str(disk))}/filler 2>/dev/null; exec {inner}"
    done = run_in(with_mounts([f"-t tmpfs -o size=64k none {shlex.quote(str(disk))}"], ["sh", "-c", filled]), tmp_path)
    assert done.returncode == 75, done.stderr
    (line,) = errors(done.stderr)
    assert "(No space left on device): the disk is full" in line


@pytest.mark.parametrize("writer", ["config init", "import-weights", "doctor"])
def test_on_a_real_disk_that_is_read_only(writer, places, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [word.replace("DISK", str(disk / "net")) for word in places(WRITERS[writer].replace("TARGET", "DISK"))]
    mounts = [f"-t tmpfs -o ro,size=64k none {shlex.quote(str(disk))}"]
    done = run_in(with_mounts(mounts, [*COMMAND, *command]), tmp_path)
    assert done.returncode == 75, done.stderr
    (line,) = errors(done.stderr)
    assert "(Read-only file system): the disk is read-only" in line


@pytest.mark.parametrize("writer", ["config init", "import-weights", "doctor"])
def test_beyond_the_limit_of_a_file(writer, places, tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

    done = run_in([*COMMAND, *places(WRITERS[writer])], tmp_path, preexec_fn=limit)
    assert done.returncode == 75, done.stderr
    (line,) = errors(done.stderr)
    assert "(File too large): it would be larger than a file may be here" in line


def test_memory_that_does_not_suffice_is_no_bug(monkeypatch, capsys):
    def full(*_args, **_more):
        raise MemoryError

    monkeypatch.setattr("mnv2_edge.config.read.read_start", full)
    assert program.main(["config", "check", "x.yaml"]) == 75
    assert "there is not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize(("redirection", "status"), [("", 2), ("2>/dev/full", 2), ("2>&-", 2)])
def test_stderr_that_cannot_be_written_leaves_the_status_as_it_is(redirection, status):
    """Python itself ends with 120 when its last flush fails, unless every write is flushed at once."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    script = f'"$@" {redirection}'
    for command in (("rnu",), ("run", "--model", "nowhere.tflite", "--top-k", "0")):
        done = subprocess.run(
            ["sh", "-c", script, "sh", sys.executable, "-m", "mnv2_edge", *command],
            env=clean,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (status, b"")
