"""Start, kill and freeze a real RTSP server in a process of its own."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np

from support.gstreamer import SYSTEM_PYTHON, give_up

PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)


def need_rtsp_server() -> None:
    """Skip, or in CI fail, where the server's packages are missing."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        found = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        give_up("there is no RTSP server", PACKAGES)


class RtspServer:
    """Serve `/stream`; use it in a `with`."""

    def __init__(self, size: str = "640x480", *, codec: str = "h264", user: str = "", password: str = "") -> None:
        self.size = size
        self._codec = codec
        self._login = ["--user", user, "--password", password] if user else []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server_main.py")
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(script), str(self._port), "--size", self.size, "--codec", self._codec, *self._login],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "RtspServer":  # noqa: PYI034 - Self needs Python 3.11
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def age_ms(pixels: np.ndarray) -> int:
    """Return how long ago the server made a picture, from the squares in its top row."""
    square = pixels.shape[1] // 32
    row = pixels[square // 2, square // 2 : 32 * square : square].mean(axis=1)
    made = sum(1 << bit for bit in range(32) if row[bit] > 127)
    return (time.monotonic_ns() // 1_000_000 - made) & 0xFFFFFFFF
