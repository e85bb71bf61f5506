"""Lines on a terminal, objects in a pipe; readers that are slow, gone or stopped."""

import contextlib
import errno
import io
import json
import os
import pty
import subprocess
import sys
import threading
import time

import pytest

from mnv2_edge.errors import ConfigError
from mnv2_edge.records import encode
from mnv2_edge.sinks import BACKLOG, SinkOptions
from mnv2_edge.sinks.stdout import NullSink, StdoutSink, open_stdout
from mnv2_edge.sinks.stdout_writer import DescriptorOutput, OutputGoneError, open_output
from mnv2_edge.sinks.text_lines import JsonLines, TextLines
from mnv2_edge.testing import check_sink, sample_records


@pytest.fixture
def pipe():
    """Return (read end, write end); whatever is still open is closed afterwards."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def jsonl(descriptor, **more):
    return StdoutSink(DescriptorOutput(descriptor), JsonLines(results_only=True), **more)


def options(cameras=("cam",), **own):
    return SinkOptions("stdout", "dev", "dev", "", tuple(cameras), options=own)


def until(condition, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def read_lines(descriptor, count):
    raw = b""
    while raw.count(b"\n") < count:
        raw += os.read(descriptor, 1 << 16)
    return raw.splitlines()


def test_each_record_arrives_when_it_is_published(pipe, make_result):
    reader, writer = pipe
    sink = jsonl(writer)
    for frame in range(3):
        sink.publish(make_result(frame=frame))
        (line,) = read_lines(reader, 1)  # would hang if records were kept for a full buffer
        assert json.loads(line)["frame"] == frame
    sink.close()
    assert (sink.broken, sink.dropped) == ("", 0)


def test_a_slow_reader_loses_nothing_when_the_publisher_waits(pipe, make_result):
    reader, writer = pipe
    sink = jsonl(writer)
    got = []

    def read_slowly():
        while raw := os.read(reader, 4096):
            got.append(raw)
            time.sleep(0.002)

    thread = threading.Thread(target=read_slowly)
    thread.start()
    for frame in range(800):  # 400 KB; a pipe holds 64 KB and the queue 256 records
        while not sink.wait_backlog(BACKLOG, 0.05):
            pass
        sink.publish(make_result(frame=frame))
    while not sink.wait_backlog(0, 0.05):
        pass
    sink.close()
    os.close(writer)
    thread.join()
    assert [json.loads(line)["frame"] for line in b"".join(got).splitlines()] == list(range(800))
    assert sink.dropped == 0


def test_a_stopped_reader_costs_the_publisher_nothing_and_the_newest_records_are_kept(pipe, make_result, caplog):
    reader, writer = pipe
    sink = jsonl(writer)
    slowest = 0.0
    for frame in range(2000):
        began = time.monotonic()
        sink.publish(make_result(frame=frame))
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0  # the machine may be busy; a write to the full pipe would last for ever
    assert not sink.wait_backlog(BACKLOG, 0.02)
    until(lambda: sink.dropped > 0)
    thread_done = threading.Event()
    frames = []

    def read_all():
        while raw := os.read(reader, 1 << 16):
            frames.extend([raw])
        thread_done.set()

    threading.Thread(target=read_all).start()
    until(lambda: sink.wait_backlog(0, 0.1))
    sink.close()
    os.close(writer)
    assert thread_done.wait(5)
    got = [json.loads(line)["frame"] for line in b"".join(frames).splitlines()]
    assert got == sorted(got)
    assert got[-100:] == list(range(1900, 2000))
    assert len(got) + sink.dropped == 2000
    assert [record.message for record in caplog.records] == [
        "the reader of stdout cannot keep up: its oldest records are dropped and counted"
    ]


def test_closing_does_not_wait_for_a_stopped_reader(pipe, make_result):
    _, writer = pipe
    sink = jsonl(writer)
    for frame in range(1000):
        sink.publish(make_result(frame=frame))
    began = time.monotonic()
    sink.close()
    sink.close()
    assert time.monotonic() - began < 1.0
    assert sink.dropped > 0


def test_closing_gives_a_reader_what_is_queued(pipe, make_result):
    reader, writer = pipe
    sink = jsonl(writer)
    for frame in range(50):
        sink.publish(make_result(frame=frame))
    sink.close()
    assert len(read_lines(reader, 50)) == 50
    assert sink.dropped == 0


def test_a_closed_pipe_breaks_the_sink(pipe, make_result, caplog):
    reader, writer = pipe
    sink = jsonl(writer)
    os.close(reader)
    sink.publish(make_result())
    until(lambda: sink.broken)
    assert "reader" in sink.broken
    assert sink.wait_backlog(0, 5.0)
    sink.publish(make_result())
    sink.close()
    assert sink.dropped == 2
    assert not caplog.records


def test_a_closed_pipe_is_noticed_also_when_there_is_nothing_to_write(pipe):
    reader, writer = pipe
    sink = jsonl(writer)
    os.close(reader)
    until(lambda: sink.broken)
    sink.close()


def test_a_full_disk_is_no_end(make_result, caplog):
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device
        sink = jsonl(full.fileno())
        sink.publish(make_result())
        sink.publish(make_result())
        until(lambda: sink.dropped == 2)
        assert not sink.broken
        sink.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text


def test_what_a_failed_write_tore_off_does_not_spoil_the_next_line(tmp_path, monkeypatch):
    path = tmp_path / "out"
    real_write = os.write
    room = [6]

    def write(descriptor, data):  # a disk that is full after six bytes, then has room again
        if room[0] == 0:
            room[0] = -1
            raise OSError(errno.ENOSPC, "No space left on device")
        if room[0] > 0:
            data, room[0] = data[: room[0]], 0
        return real_write(descriptor, data)

    with path.open("wb") as file:
        output = DescriptorOutput(file.fileno())
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space"):
            output.write(b"first line\n", lambda: False)
        assert output.write(b"second line\n", lambda: False)
        assert output.write(b"third line\n", lambda: False)
    assert path.read_bytes() == b"first \nsecond line\nthird line\n"


def test_a_record_larger_than_a_pipe_is_not_torn(pipe):
    reader, writer = pipe
    line = b"x" * 300_000 + b"\n"
    thread = threading.Thread(target=DescriptorOutput(writer).write, args=(line, lambda: False))
    thread.start()
    assert read_lines(reader, 1) == [line[:-1]]
    thread.join()


def test_an_invalid_descriptor_is_nobody_reading():
    end, other = os.pipe()
    os.close(end)
    os.close(other)
    with pytest.raises(OutputGoneError):
        DescriptorOutput(other).write(b"x\n", lambda: False)


def test_a_process_without_stdout_has_a_broken_sink(make_result, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    sink = open_stdout(options(format="jsonl"))
    sink.publish(make_result())
    assert sink.broken == "stdout is closed"
    assert sink.wait_backlog(0, 1.0)
    sink.close()


def test_a_stream_without_a_descriptor_is_written_to_as_well(make_result):
    stream = io.StringIO()
    sink = StdoutSink(open_output(stream), JsonLines(results_only=True))
    sink.publish(make_result(frame=5))
    assert sink.wait_backlog(0, 5.0)
    assert json.loads(stream.getvalue())["frame"] == 5
    stream.close()
    sink.publish(make_result())
    until(lambda: sink.broken)
    sink.close()


CHILD = """
import sys
from mnv2_edge.sinks import SinkOptions
from mnv2_edge.sinks.stdout import open_stdout
from mnv2_edge.testing import sample_records
sink = open_stdout(SinkOptions("stdout", "dev", "dev", "", ("cam",), options={"format": sys.argv[1]}))
for _ in range(20000):
    while not sink.wait_backlog(64, 0.1):
        pass
    if sink.broken:
        break
    for record in sample_records():
        sink.publish(record)
sink.close()
print("broken:", sink.broken, file=sys.stderr)
"""


def test_head_ends_a_process_without_traceback_or_broken_pipe():
    command = f"\"{sys.executable}\" -c '{CHILD}' auto | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "result"
    assert done.stderr.startswith("broken: stdout: ")
    assert len(done.stderr.splitlines()) == 1


def test_auto_is_text_on_a_terminal():
    leader, follower = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", CHILD, "auto"], stdout=follower, stderr=subprocess.PIPE)
    os.close(follower)
    assert os.read(leader, 1000) == b"stop  0.97  age 13 ms\r\n"
    child.communicate(timeout=60)
    os.close(leader)


def test_none_writes_nothing(capfd, make_result):
    sink = open_stdout(options(format="none"))
    assert isinstance(sink, NullSink)
    sink.publish(make_result())
    sink.close()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("own", [{"format": "xml"}, {"colour": True}, {"records": 3}])
def test_options_that_it_does_not_have(own):
    with pytest.raises(ConfigError, match=r"options of the sink 'stdout': .*it takes format, records"):
        open_stdout(options(**own))


def test_jsonl_is_one_object_a_frame_or_everything_on_demand():
    assert [line is not None for line in map(JsonLines(results_only=True).line, sample_records())] == [
        False,
        True,
        False,
    ]
    assert [JsonLines(results_only=False).line(record) for record in sample_records()] == [
        encode(record) + b"\n" for record in sample_records()
    ]


def test_text_is_a_line_when_the_label_changes(make_result, make_state):
    lines = TextLines(several_cameras=False)
    said = [
        lines.line(make_result(label, score=score))
        for label, score in (("cat", 0.5), ("cat", 0.9), ("dog", 0.6), (None, 0), (None, 0), ("cat", 0.7))
    ]
    assert said == [
        b"cat  0.50  age 20 ms\n",
        None,
        b"dog  0.60  age 20 ms\n",
        b"(nothing above the score threshold)  age 20 ms\n",
        None,
        b"cat  0.70  age 20 ms\n",
    ]
    assert lines.line(make_state()) is None


def test_text_names_the_camera_when_there_are_several_and_knows_each(make_result):
    lines = TextLines(several_cameras=True)
    assert lines.line(make_result(camera="a")) == b"a: cat  0.50  age 20 ms\n"
    assert lines.line(make_result(camera="b")) == b"b: cat  0.50  age 20 ms\n"
    assert lines.line(make_result(camera="a")) is None


def test_a_label_cannot_steer_the_terminal(make_result):
    assert b"\x1b" not in TextLines(several_cameras=False).line(make_result("\x1b[2Jcat\n"))
    assert TextLines(several_cameras=False, encoding="ascii").line(make_result("Tür")).startswith(b"T?r")


@pytest.mark.parametrize("own", [{"format": "jsonl"}, {"format": "text"}, {"format": "none"}])
def test_it_keeps_the_contract_of_a_sink(own, capfd):
    check_sink(lambda: open_stdout(options(**own)))
    capfd.readouterr()
