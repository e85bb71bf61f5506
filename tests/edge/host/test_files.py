import os
from pathlib import Path

from mnv2_edge.host.files import list_files, read_number, read_text


def test_a_driver_that_says_try_again_says_nothing(tmp_path):
    """A sensor that is not powered: a FIFO with a writer that is silent gives the same EAGAIN as its driver."""
    path = tmp_path / "temp"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    try:
        assert read_text(path) == ""
        assert read_number(path) is None
    finally:
        os.close(writer)


def test_more_than_one_read_takes_is_read(tmp_path):
    (tmp_path / "mounts").write_text("x" * 200_000 + "\n")
    assert len(read_text(tmp_path / "mounts")) == 200_000


def test_what_is_not_there_or_is_a_folder_says_nothing(tmp_path):
    assert read_text(tmp_path / "missing") == ""
    assert read_text(tmp_path) == ""


def test_a_folder_that_goes_while_it_is_looked_at_holds_nothing(tmp_path, monkeypatch):
    def going(_folder, _pattern):
        raise FileNotFoundError(2, "No such file or directory")

    (tmp_path / "temp1").touch()
    (tmp_path / "temp0").touch()
    assert [path.name for path in list_files(tmp_path, "temp*")] == ["temp0", "temp1"]
    assert list_files(tmp_path / "missing", "temp*") == []
    monkeypatch.setattr(Path, "glob", going)
    assert list_files(tmp_path, "temp*") == []
