"""The demo as a user sees it, and proof that its judge can say no."""

import signal
from pathlib import Path

import pytest

from mnv2_edge.cli.demo import run_demo
from mnv2_edge.scenes import SIGN_NAMES, true_class, true_label
from support.command import call, start


def test_it_passes_and_shows_labels_and_a_summary(tmp_path: Path) -> None:
    done = call("demo", "--frames", "60", "--fps", "60", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert true_label(1, 0) in done.stdout
    assert "60 frames in" in done.stdout
    assert "p99" in done.stdout
    assert "passed" in done.stdout


def test_a_shuffled_truth_makes_it_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def shuffled(index: int) -> str:
        return SIGN_NAMES[(true_class(1, index) + 1 + index % 3) % len(SIGN_NAMES)]

    assert run_demo(60, 1, 120.0, shuffled) == 1
    assert "failed" in capsys.readouterr().out


def test_ctrl_c_is_no_verdict(tmp_path: Path) -> None:
    process = start("demo", "--frames", "100000", home=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline()  # the first label
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "interrupted" in out
