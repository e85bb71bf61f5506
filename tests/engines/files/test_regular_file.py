"""Only regular files are opened, and no more of them is read than was expected."""

import errno
import os
import re
import socket
import zipfile
from pathlib import Path

import pytest

from mnv2_engines.errors import DiskError
from mnv2_engines.files import regular_file
from mnv2_engines.files.regular_file import (
    UnfitFileError,
    decode_regular,
    open_regular,
    read_regular,
    read_start,
    require_regular,
    require_replaceable,
)

FDS = Path("/proc/self/fd")
EVERYWHERE = [
    require_regular,
    require_replaceable,
    lambda path: read_regular(path, 100),
    lambda path: read_start(path, 100),
    lambda path: open_regular(path, 100).__enter__(),
]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("function", EVERYWHERE)
def test_what_is_no_regular_file_is_named(function, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, kind in (("pipe", "pipe"), ("link", "pipe"), ("socket", "socket"), ("/dev/zero", "device")):
            with pytest.raises(UnfitFileError) as caught:
                function(tmp_path / name)
            assert caught.value.strerror.startswith(f"it is a {kind}, expected a regular file")
    with pytest.raises(IsADirectoryError):
        function(tmp_path)


def test_a_pipe_of_the_shell_is_told_what_to_do_instead():
    reading, writing = os.pipe()
    try:
        with pytest.raises(UnfitFileError, match=re.escape("FILE instead of `<(COMMAND)`")):
            read_regular(Path(f"/dev/fd/{reading}"), 100)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_device_is_not_even_opened(monkeypatch):
    """Opening /dev/watchdog starts it."""
    monkeypatch.setattr(regular_file.os, "open", lambda *_args: pytest.fail("was opened"))
    with pytest.raises(UnfitFileError):
        read_start(Path("/dev/zero"), 1)


def test_what_comes_in_the_place_of_a_file_before_it_is_opened_is_looked_at_again(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch()
    opening = os.open

    def late(name, flags):
        path.unlink()
        os.mkfifo(path)
        return opening(name, flags)

    monkeypatch.setattr(regular_file.os, "open", late)
    before = set(FDS.iterdir())
    with pytest.raises(UnfitFileError, match="pipe"):
        read_regular(path, 100)
    assert set(FDS.iterdir()) == before


def test_links_and_files_of_proc_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 4) == b"text"
    assert decode_regular(tmp_path / "link", 4) == "text"
    assert Path("/proc/self/status").stat().st_size == 0
    assert b"Name:" in read_regular(Path("/proc/self/status"), 1 << 16)
    with pytest.raises(UnfitFileError, match="more than 10 bytes"):
        read_regular(Path("/proc/self/status"), 10)


@pytest.mark.parametrize("size", [5, 1 << 40])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(size, tmp_path, monkeypatch):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(size)
    monkeypatch.setattr(regular_file.os, "read", lambda *_args: pytest.fail("was read"))
    with pytest.raises(UnfitFileError, match="more than 4 bytes"):
        read_regular(path, 4)
    with pytest.raises(UnfitFileError, match="more than 4 bytes"), open_regular(path, 4):
        pass


def test_a_file_that_grows_is_read_up_to_the_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    for read in (lambda file: file.read(), lambda file: list(iter(lambda: file.read(2), b""))):
        path.write_bytes(b"1234")
        with open_regular(path, 5) as file:
            with path.open("ab") as more:
                more.write(b"5678")
            with pytest.raises(UnfitFileError, match="more than 5 bytes"):
                read(file)


def test_a_bounded_file_does_for_libraries_that_jump_about_in_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one", b"1" * 100_000)
    with open_regular(tmp_path / "a.zip", 1 << 20) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("one") == b"1" * 100_000
    assert file.closed


def test_the_start_of_a_file_of_any_size(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"start")
        file.truncate(1 << 40)
    assert read_start(path, 5) == b"start"
    assert read_start(path, 0) == b""


def test_a_file_that_gives_nothing_now_keeps_nobody_waiting(tmp_path, monkeypatch):
    """As /proc/kmsg, which is a regular file."""
    (tmp_path / "file").touch()

    def read(*_args):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(regular_file.os, "read", read)
    with pytest.raises(UnfitFileError, match="gives nothing to read now"):
        read_regular(tmp_path / "file", 100)


@pytest.mark.parametrize("call", ["open", "read"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_a_disk_that_fails_is_not_the_fault_of_the_file(call, number, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")

    def fail(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(regular_file.os, call, fail)
    with pytest.raises(DiskError, match=rf"file cannot be read \({os.strerror(number)}\): "):
        read_regular(tmp_path / "file", 100)


def test_errors_of_the_file_itself_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent", 1)
    with pytest.raises(UnfitFileError, match="no file can have this name"):
        read_regular(Path("a\0b"), 1)
    require_replaceable(tmp_path / "absent")


READERS = re.compile(
    r"\.read_bytes\(|\.read_text\(|\.open\(\s*\)|open\([^)]*\"r[bt+]*\"|Image\.open\((?!file|io\.BytesIO)|ZipFile\((?!file)|np\.load\((?!io)"
)
ALLOWED = {
    "files/durable.py": "opens what it has written itself, to sync it",
    "report/page.py": "reads the package's own templates",
    "weights/keras/hdf5.py": "reads what the kernel says of this process",
    "labels/__init__.py": "reads the package's own lists",
    "catalogue/entries.py": "reads the package's own catalogue",
}


def test_no_module_reads_files_in_another_way():
    root = Path(__file__).parents[3]
    found = {
        str(path.relative_to(package))
        for package in (root / "engines/mnv2_engines", root / "edge/mnv2_edge")
        for path in package.rglob("*.py")
        if any(READERS.search(line) for line in path.read_text().splitlines())
    }
    assert found == set(ALLOWED)
