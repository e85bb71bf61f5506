"""Use ribbon cameras as the runtime does: `camera.py look|contract|unplug|run ...`; prints one JSON object.

It runs inside the root, where there is no pytest. `virtual_pi` has to come before picamera2.
"""

import gc
import itertools
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import virtual_pi

from mnv2_edge.errors import EdgeError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.ribbon.picamera import PicameraSource, open_picamera
from mnv2_edge.testing import check_source

sensor = virtual_pi.prepare()


def look(uri: str, query: str, frames: str, cycles: str) -> dict[str, object]:
    """Open the camera so many times and take so many frames each time; tell about the last ones."""
    said = _Said()
    logging.getLogger("mnv2_edge").addHandler(said)
    logging.getLogger("mnv2_edge").setLevel(logging.INFO)
    files = []
    stamps = _record_sensor_timestamps()
    for _ in range(int(cycles)):
        source = _open(uri, query)
        taken = [(frame, time.monotonic_ns()) for frame in itertools.islice(source, int(frames))]
        granted = source._device.camera_configuration()
        controls = source._device.camera_controls
        source.close()
        del source
        gc.collect()
        files.append(len(list(Path("/proc/self/fd").iterdir())))
    last = taken[-1][0]
    rgb = last.pixels if last.color == "RGB" else last.pixels[..., ::-1]
    height, width = rgb.shape[:2]
    corners = [rgb[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return {
        "granted": {
            name: [*granted[name]["size"], granted[name]["format"]] for name in ("main", "lores") if granted[name]
        },
        "controls": sorted(controls),
        "colour space": str(granted["colour_space"]),
        "log": said.lines,
        "shape": rgb.shape,
        "indices": [frame.index for frame, _ in taken],
        "sensor_ns": stamps,
        "captured_ns": [frame.captured_ns for frame, _ in taken],
        "age_ms": [(now - frame.captured_ns) / 1e6 for frame, now in taken],
        "corners": np.array(corners).tolist(),
        "files": files,
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


def contract(uri: str) -> dict[str, object]:
    """Hold the source to what every source promises; raises when it does not keep it."""
    check_source(lambda: _open(uri, ""))
    return {"kept": True}


def unplug(uri: str) -> dict[str, object]:
    """Let frames cease in the middle of a read, close from another thread, plug it in and open it again."""
    source = _open(uri, "")
    iterator = iter(source)
    first = next(iterator)
    sensor.plugged.clear()
    ended = []
    reader = threading.Thread(target=lambda: ended.append([frame.index for frame in iterator]))
    reader.start()
    time.sleep(1)
    before = reader.is_alive()
    start = time.monotonic()
    source.close()
    reader.join(timeout=10)
    waited = time.monotonic() - start
    sensor.plugged.set()
    again = _open(uri, "")
    second = next(iter(again))
    again.close()
    return {
        "read hung": before,
        "read ended": not reader.is_alive(),
        "seconds to close": waited,
        "read after": len(ended[0]) if ended else None,
        "frames": [first.index, second.index],
    }


def refused(uri: str, query: str) -> dict[str, object]:
    """Tell what is said of a camera that cannot be opened; one that is open already is held meanwhile."""
    held = _open("picamera:0", "")
    try:
        _open(uri, query).close()
    except EdgeError as exc:
        return {"error": type(exc).__name__, "message": str(exc)}
    finally:
        held.close()
    return {"error": None}


def run(*arguments: str) -> None:
    """Run `mnv2-edge` with these cameras."""
    from mnv2_edge.__main__ import main

    sys.argv = ["mnv2-edge", *arguments]
    os.environ["VIRTUAL_PI"] = "1"  # for the processes that it starts
    sys.exit(main())


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _record_sensor_timestamps() -> list[int]:
    from picamera2.request import CompletedRequest

    stamps, get_metadata = [], CompletedRequest.get_metadata

    def recorded(request: CompletedRequest) -> dict[str, object]:
        metadata = get_metadata(request)
        stamps.append(metadata["SensorTimestamp"])
        return metadata

    CompletedRequest.get_metadata = recorded
    return stamps


def _open(uri: str, query: str) -> PicameraSource:
    pairs = dict(pair.split("=") for pair in query.split("&") if pair)
    return open_picamera(SourceOptions(uri, "camera0", None, pairs))


if __name__ == "__main__":
    actions = {"look": look, "contract": contract, "unplug": unplug, "refused": refused, "run": run}
    sys.stdout.write(json.dumps(actions[sys.argv[1]](*sys.argv[2:])) + "\n")
