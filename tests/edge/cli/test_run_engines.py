"""Change the engine of a real process: real files, real signals."""

import itertools
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnv2_engines.demo import demo_engine_path
from mnv2_engines.store import Store
from support.command import COMMAND, environment, json_lines, start
from support.engines import write_engine, write_small_engine

FILM = "demo?seed=3&fps=100"


class Run:
    """A process that runs, and what it has said so far."""

    def __init__(self, *args: str | Path, home: Path) -> None:
        config = home / "config.yaml"
        config.write_text("version: 1\nsinks: [{stdout: {format: jsonl, records: all}}]\n")
        self.process = start("run", "--config", config, *args, home=home)
        self.out: list[str] = []
        self.err: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = [
            threading.Thread(target=lines.extend, args=(stream,))
            for lines, stream in ((self.out, self.process.stdout), (self.err, self.process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not reached():
            assert time.monotonic() < deadline, "".join(self.err)
            assert self.process.poll() is None, "".join(self.err)
            time.sleep(0.02)

    def wait_for_results(self, engine: str, count: int = 5) -> None:
        wanted = f'"engine":"{engine}"'
        self.until(lambda: sum(wanted in line for line in tuple(self.out)) >= count)

    def said(self, words: str) -> list[str]:
        return [line for line in tuple(self.err) if words in line]

    def end(self) -> list[dict[str, Any]]:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(10) == 0, "".join(self.err)
        return self.records()

    def records(self) -> list[dict[str, Any]]:
        """Return what a process that has ended printed."""
        for thread in self._threads:
            thread.join(10)
        assert "Traceback" not in "".join(self.err)
        return json_lines("".join(self.out))

    def close(self) -> None:
        self.process.kill()
        for thread in self._threads:
            thread.join(10)
        self.process.communicate()


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return tmp_path / "signs.tflite"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(*args: str | Path) -> Run:
        runs.append(Run(*args, home=tmp_path))
        return runs[-1]

    yield begin
    for one in runs:
        one.close()


def voices(records: list[dict[str, Any]]) -> list[str]:
    """Check that no frame is missing, and return the engines in their order, as results and as events tell them."""
    results = [record for record in records if record["type"] == "result"]
    frames = [result["frame"] for result in results]
    assert frames == sorted(set(frames))
    assert len(frames) + results[-1]["dropped"] == frames[-1] + 1
    spoke = [
        (name, next(group)["frame"]) for name, group in itertools.groupby(results, lambda result: result["engine"])
    ]
    told = [record["details"] for record in records if record["type"] == "event" and record["event"] == "engine"]
    assert told == [
        {"from": before, "to": after, "frame": frame} for (before, _), (after, frame) in itertools.pairwise(spoke)
    ]
    return [name for name, _ in spoke]


def test_sighup_changes_the_engine_and_says_when_there_is_no_other(engine: Path, run: Callable[..., Run]) -> None:
    first = write_engine(engine, "first")
    running = run("--camera", FILM, "--model", engine)
    running.wait_for_results(first)
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda: bool(running.said("nothing changes")))
    second = write_engine(engine, "second")
    time.sleep(1.5)
    assert voices(json_lines("".join(running.out))) == [first]  # nobody has asked yet
    running.process.send_signal(signal.SIGHUP)
    running.wait_for_results(second)
    assert voices(running.end()) == [first, second]
    assert len(running.said("nothing changes")) == 1


def test_a_watched_file_is_followed_to_another_size_and_not_to_a_broken_one(
    engine: Path, run: Callable[..., Run]
) -> None:
    first = write_engine(engine, "first", labels=None)
    running = run("--camera", FILM, "--model", engine, "--watch-engines")
    running.wait_for_results(first)
    engine.write_bytes(engine.read_bytes()[:1000])  # written over, as cp and scp do
    running.until(lambda: bool(running.said("is not changed")))
    engine.unlink()
    running.until(lambda: len(running.said("is not changed")) == 2)
    small = write_small_engine(engine)
    running.wait_for_results(small)
    last = write_engine(engine, "last")
    running.wait_for_results(last)
    assert voices(running.end()) == [first, small, last]
    assert len([line for line in running.err if line.startswith("WARNING") and "not changed" in line]) == 2


def test_the_configuration_may_ask_to_watch(engine: Path, tmp_path: Path) -> None:
    first = write_engine(engine, "first")
    config = tmp_path / "watching.yaml"
    config.write_text(f"version: 1\ncameras: [{{uri: 'demo?fps=100'}}]\nengine: {{model: {engine}, watch: true}}\n")
    process = start("run", "--config", config, home=tmp_path)
    assert process.stdout is not None
    try:
        second = None
        for line in process.stdout:
            if second is None:
                assert f'"engine":"{first}"' in line
                second = write_engine(engine, "second")
            elif f'"engine":"{second}"' in line:
                break
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_film_of_300_frames_loses_none(engine: Path, tmp_path: Path) -> None:
    """Its reader pauses, and so does the film, until the other engine is at work."""
    config = tmp_path / "config.yaml"
    config.write_text("version: 1\nsinks: [{stdout: {format: jsonl, records: all}}]\n")
    first = write_engine(engine, "first")
    film = ("--camera", "demo?seed=3&frames=300", "--pace", "max", "--model", engine)
    process = start("run", "--config", config, *film, home=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        out = "".join(itertools.islice(process.stdout, 10))
        second = write_engine(engine, "second")
        process.send_signal(signal.SIGHUP)
        assert any(f"the engine is {second} from now on" in line for line in process.stderr)
        out += process.stdout.read()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    records = json_lines(out)
    assert [record["frame"] for record in records if record["type"] == "result"] == list(range(300))
    assert voices(records) == [first, second]


def test_names_in_the_store_are_followed_by_name_and_as_the_default(tmp_path: Path, run: Callable[..., Run]) -> None:
    store = Store(tmp_path)  # where the processes look too

    def publish(name: str, version: bytes) -> str:
        with store.staging(name) as staging:
            content = demo_engine_path().read_bytes() + version
            engine = write_engine(staging.folder / f"{name}.tflite", name, content)
            staging.publish()
        return engine

    first = publish("signs", b"first")
    by_name, by_default = run("--camera", FILM, "--model", "signs", "--watch-engines"), run("--camera", FILM)
    for running in (by_name, by_default):
        running.wait_for_results(first)
    second = publish("signs", b"second")
    by_name.wait_for_results(second)
    other = publish("other", b"")
    store.set_default("other")
    by_default.process.send_signal(signal.SIGHUP)
    by_default.wait_for_results(other)
    assert voices(by_name.end()) == [first, second]
    assert voices(by_default.end()) == [first, other]


def test_a_hangup_while_everything_is_opened_ends_nothing(engine: Path, run: Callable[..., Run]) -> None:
    first = write_engine(engine, "first")
    running = run("--camera", FILM, "--model", engine)
    running.until(lambda: _handles_hangup(running.process.pid))
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda: bool(running.said("nothing changes")))
    running.wait_for_results(first)
    running.end()


def _handles_hangup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1)


ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.parametrize("how", ["nohup", "plain"])
def test_a_run_ends_with_its_terminal_unless_it_was_started_with_nohup(tmp_path: Path, how: str) -> None:
    """A terminal that goes sends SIGHUP too: nobody wants another engine then."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL, how, *COMMAND[1:], "run", "--camera", FILM, "--format", "jsonl"]
    with (tmp_path / "out.jsonl").open("w+b") as output:
        process = subprocess.Popen(
            command, stdin=theirs, stdout=output, stderr=output, start_new_session=True, env=environment(tmp_path)
        )
        os.close(theirs)
        try:
            deadline = time.monotonic() + 30
            while b'"result"' not in Path(output.name).read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGHUP)
            while b"nothing changes" not in Path(output.name).read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.close(ours)
            if how == "plain":
                assert process.wait(10) == 0
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(1.5)
        finally:
            process.kill()
            process.wait()
