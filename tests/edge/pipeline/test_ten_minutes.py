"""Ten minutes of real time: an IP camera that is cut sixty times beside one that is absent all the while."""

import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from mnv2_edge.sources.system_libraries import import_av
from support.command import COMMAND, environment, json_lines
from support.mjpeg_server import MjpegServer
from support.rtsp_server import RtspServer, need_rtsp_server

CUTS = 60
PERIOD_S = 10.0
BACK_WITHIN_S = 3.0
RSS_SLACK_KIB = 8192


def measure(pid: int) -> tuple[int, int, int]:
    """Return open files, threads and resident memory in KiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    fds = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return fds, int(status["Threads"]), int(status["VmRSS"].split()[0])


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_sixty_cuts_leak_nothing_and_an_absent_camera_is_waited_for(tmp_path: Path) -> None:
    need_rtsp_server()
    import_av()
    absent = MjpegServer(fps=20)
    absent.size = (320, 240)
    absent.kill()
    server = RtspServer("320x240")
    config = tmp_path / "config.yaml"
    config.write_text(
        "version: 1\n"
        "cameras:\n"
        f"  - {{id: cut, uri: '{server.url}?library=pyav', required: false}}\n"
        f"  - {{id: absent, uri: '{absent.url}', required: false, black_s: 0}}\n"
        "sinks: [{stdout: {format: jsonl, records: all}}]\n"
    )
    out, err = (tmp_path / "out").open("w+"), (tmp_path / "err").open("w+")
    server.start()
    process = subprocess.Popen(
        [*COMMAND, "run", "--config", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=environment(tmp_path),
    )
    try:
        began = time.monotonic()
        early = (0, 0, 0)
        away_s = 0.0
        for cut in range(CUTS):
            time.sleep(max(0.0, began + PERIOD_S * (cut + 1) - 2 - time.monotonic()))
            if cut == 5:
                early = measure(process.pid)
            server.kill()
            killed = time.monotonic()
            time.sleep(2)
            server.start()
            away_s = max(away_s, time.monotonic() - killed)
        time.sleep(5)
        late = measure(process.pid)
        absent.start()
        came_back = time.time()
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        server.kill()
        absent.kill()
    assert late[0] <= early[0] + 2
    assert late[1] <= early[1]
    assert late[2] - early[2] <= RSS_SLACK_KIB
    out.seek(0)
    err.seek(0)
    records, log = json_lines(out.read()), err.read()
    out.close()
    err.close()
    states = [(one["camera"], one["state"], one["since"]) for one in records if one["type"] == "state"]
    assert [state for camera, state, _ in states if camera == "absent"] == [
        "starting", "reconnecting", "streaming", "ended"
    ]  # fmt: skip
    back = next(since for camera, state, since in states if (camera, state) == ("absent", "streaming"))
    assert _seconds(back["time"]) - came_back < BACK_WITHIN_S
    outages = [one["details"] for one in records if one["type"] == "event" and one["camera"] == "cut"]
    assert len(outages) == CUTS
    assert all(outage["recovered"] and outage["seconds"] < away_s + BACK_WITHIN_S for outage in outages)
    assert len(log.splitlines()) < 5 * CUTS


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
