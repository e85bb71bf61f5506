"""What a disk has against it is said with its own words, whatever was to be read or written."""

import errno
import os

import pytest

from mnv2_engines.files.disk_errors import disk_error

STATES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "this user's quota is used up; ",
    errno.EFBIG: "it would be larger than a file may be here; ",
    errno.EROFS: "the disk is read-only; ",
    errno.EIO: "the disk fails; ",
    errno.ENOMEM: "memory is short; ",
}


@pytest.mark.parametrize("number", STATES, ids=errno.errorcode.get)
def test_each_has_its_words(number):
    error = OSError(number, os.strerror(number))
    said = str(disk_error(error, "net.tflite cannot be written"))
    assert said.startswith(f"net.tflite cannot be written ({os.strerror(number)}): {STATES[number]}")
    assert str(disk_error(error, "x", "pray")).endswith("; pray")


def test_other_errors_are_not_the_disks():
    assert disk_error(PermissionError(errno.EACCES, "no"), "x") is None
    assert disk_error(OSError("without a number"), "x") is None
    assert disk_error(ValueError(), "x") is None
    assert disk_error(None, "x") is None
