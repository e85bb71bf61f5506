import logging
import os
import subprocess
import sys

import pytest

from mnv2_engines.tflite.litert.native_log import native_log

log = logging.getLogger("test.native")


def test_lines_of_native_code_are_logged_and_others_passed_on(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "test.native")
    with native_log(log):
        os.write(2, b"INFO: Created delegate\nI0000 00:00:1 cpu.cc:3 hello\nthe user's own line\n")
    assert [record.message for record in caplog.records] == ["INFO: Created delegate", "I0000 00:00:1 cpu.cc:3 hello"]
    assert capfd.readouterr().err == "the user's own line\n"


def test_a_message_behind_a_progress_bar_is_cut_out(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "test.native")
    with native_log(log):
        os.write(2, b"\r\x1b[2KCalibrating  3/50INFO: Created delegate\n\r\x1b[2KCalibrating  4/50")
    assert [record.message for record in caplog.records] == ["INFO: Created delegate"]
    assert capfd.readouterr().err == "\r\x1b[2KCalibrating  3/50\r\x1b[2KCalibrating  4/50"


def test_stderr_is_itself_again_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), native_log(log):
        raise ZeroDivisionError
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"


def test_a_process_without_stderr_is_no_trouble() -> None:
    code = (
        "import logging; from mnv2_engines.tflite.litert.native_log import native_log\n"
        "with native_log(logging.getLogger()): print(1)"
    )
    done = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "$0" 2>&-', code], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout == b"1\n"
