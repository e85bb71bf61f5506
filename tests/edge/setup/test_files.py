"""Files are written whole or not at all, secrets for their owner alone."""

import errno
import os
import stat

import pytest

from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.errors import AccessError, UsageError
from mnv2_edge.redaction import read_secret
from mnv2_edge.setup import files as writing
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.files import PendingFile, name_passwords, require_writable, write_files
from mnv2_engines.errors import DiskError
from support.users import closed_to_us


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_modes_do_not_hang_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_files(
            [PendingFile(tmp_path / "secret", "horse\n", secret=True), PendingFile(tmp_path / "c.yaml", "version: 1\n")]
        )
    finally:
        os.umask(before)
    assert (mode(tmp_path / "secret"), mode(tmp_path / "c.yaml")) == (0o600, 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml", "secret"]
    assert read_secret(str(tmp_path / "secret"), "") == "horse"


def test_a_file_that_is_there_keeps_its_mode_but_a_secret(tmp_path):
    for name in ("c.yaml", "secret"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o664)
    write_files([PendingFile(tmp_path / "secret", "s", secret=True), PendingFile(tmp_path / "c.yaml", "new")])
    assert (mode(tmp_path / "secret"), mode(tmp_path / "c.yaml")) == (0o600, 0o664)


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_changes_nothing(tmp_path, monkeypatch, at):
    """Whichever file it is full at."""
    (tmp_path / "c.yaml").write_text("old")
    calls = 0

    def sync(_descriptor):
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing.os, "fsync", sync)
    with pytest.raises(
        DiskError, match=r"c\.yaml cannot be written \(No space left on device\): the disk is full; free some space"
    ):
        write_files([PendingFile(tmp_path / "secret", "s", secret=True), PendingFile(tmp_path / "c.yaml", "new")])
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]
    assert (tmp_path / "c.yaml").read_text() == "old"


class TestPlace:
    def test_a_good_one_is_left_as_it_was(self, tmp_path):
        require_writable(tmp_path / "c.yaml")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(UsageError, match=f"mkdir -p '{tmp_path}/a b'"):
            require_writable(tmp_path / "a b" / "c.yaml")

    def test_a_folder_in_its_place(self, tmp_path):
        with pytest.raises(UsageError, match="is a folder"):
            require_writable(tmp_path)

    def test_a_folder_that_this_user_may_not_write(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        with closed_to_us(folder), pytest.raises(AccessError, match=r"cannot be written .*--output FILE"):
            require_writable(folder / "c.yaml")


class TestPasswords:
    def test_each_gets_a_file_beside_the_configuration(self, tmp_path):
        draft = ConfigDraft(
            Config(
                version=1,
                cameras=(CameraConfig(uri="rtsp://a@one/"), CameraConfig(uri="rtsp://a@two/")),
                sinks=({"mqtt": {"uri": "mqtt://ann@h"}},),
            ),
            is_new=True,
            camera_passwords={1: "of the second"},
            mqtt_password="of the broker",
        )
        named, files = name_passwords(draft, tmp_path / "door.yaml")
        assert {file.path.name: file.text for file in files} == {
            "door.camera1-password": "of the second\n",
            "door.mqtt-password": "of the broker\n",
        }
        assert [camera.password_file for camera in named.config.cameras] == [
            None,
            str(tmp_path / "door.camera1-password"),
        ]
        assert named.broker.password_file == str(tmp_path / "door.mqtt-password")
        assert all(file.secret and "of the" not in repr(file) for file in files)

    def test_none_was_typed(self, tmp_path):
        draft = ConfigDraft(Config(version=1), is_new=True)
        assert name_passwords(draft, tmp_path / "door.yaml") == (draft, ())
