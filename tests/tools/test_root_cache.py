"""What the roots of `make test-arm64` and `make test-picamera2` are kept by."""

import os
import time

import pytest

from support.roots.cache import UNUSED_S, cached


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mnv2-edge-tests"


def test_the_same_ingredients_are_built_once():
    built = []

    def build(folder):
        built.append(folder)
        (folder / "file").write_text("x")

    first, second = cached("a", ["1", "2"], build), cached("a", ["1", "2"], build)
    assert first == second
    assert (first / "file").read_text() == "x"
    assert len(built) == 1
    assert cached("a", ["1", "3"], build) != first
    assert len(built) == 2


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(base):
    def fail(folder):
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("a", ["1"], fail)
    assert [path.name for path in base.iterdir()] == ["a.lock"]
    assert list(cached("a", ["1"], lambda folder: (folder / "whole").touch()).iterdir())


def test_what_a_killed_build_left_is_no_root_and_is_removed(base):
    killed = base / "a-1234.partial"
    killed.mkdir(parents=True)
    cached("a", ["1"], lambda folder: None)
    assert not killed.exists()


def test_a_root_that_nobody_used_for_a_month_is_removed():
    old, recent = cached("a", ["1"], lambda folder: None), cached("a", ["2"], lambda folder: None)
    long_ago = time.time() - UNUSED_S - 60
    os.utime(old, (long_ago, long_ago))
    cached("a", ["3"], lambda folder: None)
    assert not old.exists()
    assert recent.exists()
