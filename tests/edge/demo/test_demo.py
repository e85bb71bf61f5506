"""The demo as a user sees it, and proof that its judge can say no."""

import signal
from pathlib import Path

import pytest

from mnv2_edge.cli.demo import make_scorer, run_demo
from mnv2_edge.demo import SIGN_NAMES, true_class, true_label
from mnv2_edge.demo.scoring import LabelScorer
from mnv2_engines.demo import DemoTask
from support.command import call, start


def test_it_passes_and_shows_labels_and_a_summary(tmp_path: Path) -> None:
    done = call("demo", "--frames", "60", "--fps", "60", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert true_label(1, 0) in done.stdout
    assert "60 frames in" in done.stdout
    assert "p99" in done.stdout
    assert "passed" in done.stdout


@pytest.mark.parametrize(("task", "words"), [("detect", "signs found"), ("segment", "mean IoU")])
def test_signs_are_found_and_outlined(tmp_path: Path, task: str, words: str) -> None:
    done = call("demo", "--task", task, "--frames", "60", "--fps", "60", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert "passed" in done.stdout


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_the_truth_of_another_film_makes_it_fail(
    task: DemoTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run_demo(task, 60, 1, 120.0, make_scorer(task, 2)) == 1
    assert "failed" in capsys.readouterr().out


def test_a_shuffled_truth_makes_it_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def shuffled(index: int) -> str:
        return SIGN_NAMES[(true_class(1, index) + 1 + index % 3) % len(SIGN_NAMES)]

    assert run_demo("classify", 60, 1, 120.0, LabelScorer(shuffled)) == 1
    assert "failed" in capsys.readouterr().out


def test_ctrl_c_is_no_verdict(tmp_path: Path) -> None:
    process = start("demo", "--frames", "100000", home=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline()  # the first label
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "interrupted" in out
