"""One camera sends what takes devices down; the run stays small, and the other camera never notices."""

import itertools
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from support import hostile_pictures as hostile
from support.command import json_lines, start
from support.mjpeg_server import MjpegServer, picture
from support.running import Running

_UNIT_KIB = 400 * 1024
"""MemoryMax of the service's unit."""
_LIMIT = 4 << 30
"""Address space: enough for any machine's thread pools, and the end of a run that decodes what it should refuse."""

REFUSED = [
    hostile.jpeg_saying(30_000, 30_000, b"\0"),
    hostile.progressive_saying(9990, 9990),
    hostile.progressive_saying(5000, 5000),
    hostile.progressive_saying(4000, 4000, scans=1000),
    hostile.jpeg_saying(65_500, 65_500),
]


def upright(whole: bytes) -> bytes:
    """Have a decoder turn the picture, which takes a second one for a moment."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    return whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + whole[2:]


@pytest.fixture(scope="module")
def admitted() -> list[bytes]:
    """Return the largest that is let in: plain, turned, progressive."""
    return [
        hostile.jpeg(5000, 5000),
        upright(hostile.jpeg(5000, 5000)),
        hostile.jpeg(5776, 4320, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    ]


@pytest.fixture
def serve() -> Iterator[Callable[[Sequence[bytes], float], MjpegServer]]:
    servers: list[MjpegServer] = []

    def serve(pictures: Sequence[bytes], fps: float) -> MjpegServer:
        servers.append(MjpegServer(fps=fps))
        servers[-1].pictures = itertools.cycle(pictures)
        return servers[-1]

    yield serve
    for server in servers:
        server.kill()


def run(folder: Path, *cameras: str) -> Running:
    entries = "".join(
        f"  - {{uri: '{uri}', id: {name}, black_s: 0, frozen_s: 0, required: false}}\n"
        for uri, name in zip(cameras, ("good", "bad"), strict=False)
    )
    (folder / "config.yaml").write_text(
        f"version: 1\ncameras:\n{entries}sinks: [{{stdout: {{format: jsonl, records: all}}}}]\n"
        "slowdown: {free_memory_mib: 0, heat_c: 0}\n"
    )
    process = start("run", "--config", folder / "config.yaml", home=folder)
    resource.prlimit(process.pid, resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    return Running(process)


def results(running: Running, camera: str) -> int:
    return sum('"type":"result"' in line.replace(" ", "") and f'"{camera}"' in line for line in tuple(running.out))


def peak_kib(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_the_other_camera_goes_on(tmp_path: Path, serve) -> None:
    good = serve([picture(number) for number in range(0, 250, 10)], 20)
    bad = serve(REFUSED, 20)
    with closing(run(tmp_path, good.url, bad.url)) as running:
        running.wait(lambda: results(running, "good") >= 5)
        running.wait(lambda: "bad: reconnecting" in running.err, 60)
        before = results(running, "good")
        running.wait(lambda: results(running, "good") >= before + 40)
        assert peak_kib(running) < 250 * 1024
        assert results(running, "bad") == 0
        assert "gives no picture that can be decoded: the last is a JPEG" in running.err
        assert len(bad.requests) > 0
        assert running.end() == 0
    assert "Traceback" not in running.err


def test_what_is_bad_is_counted_and_said_once_and_the_stream_goes_on(tmp_path: Path, serve) -> None:
    mixed = serve([picture(10), REFUSED[0], picture(90), REFUSED[1]], 20)
    with closing(run(tmp_path, mixed.url)) as running:
        running.wait(lambda: results(running, "good") >= 10)
        assert running.err.count("passed over (further ones are only counted)") == 1
        assert running.end() == 0
        records = json_lines("".join(running.out))
    ended = [record for record in records if record["type"] == "state"][-1]
    assert ended["state"] == "ended"
    assert ended["skipped"] >= 5


def test_the_largest_that_is_let_in_fits_into_the_unit(tmp_path: Path, serve, admitted: list[bytes]) -> None:
    good = serve([picture(number) for number in range(0, 250, 10)], 20)
    bad = serve([*admitted, *REFUSED], 20)
    with closing(run(tmp_path, good.url, bad.url)) as running:
        running.wait(lambda: results(running, "bad") >= 12, 90)
        assert peak_kib(running) < _UNIT_KIB
        assert results(running, "good") > 0
        assert running.end() == 0
