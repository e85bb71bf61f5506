"""It makes no connection that nobody configured: every socket is seen by strace, whichever library opens it."""

import re
import subprocess

import pytest

from support.command import COMMAND, environment
from support.system import need_command


@pytest.fixture
def sockets(tmp_path):
    """Return what runs a command and gives every socket(2) of it and its children that could reach a network."""
    strace = need_command("strace", "strace")

    def run(*args: str, status: int = 0) -> list[str]:
        log = tmp_path / "strace.log"
        command = [strace, "-f", "-qq", "--trace=socket,connect", f"--output={log}", *COMMAND, *args]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment(tmp_path), timeout=100
        )
        if "ptrace" in done.stderr and "not permitted" in done.stderr:
            pytest.skip("strace may not trace here")
        assert done.returncode == status, done.stderr
        return re.findall(r"\bsocket\(AF_(?!UNIX|LOCAL|NETLINK)\w+", log.read_text())

    return run


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--camera", "demo", "--pace", "max", "--max-frames", "30", "--format", "jsonl"],
        ["demo", "--frames", "30", "--fps", "200"],
    ],
    ids=["run", "demo"],
)
def test_a_run_with_a_local_camera_opens_no_network_socket(sockets, args):
    assert sockets(*args) == []


def test_a_broker_that_was_configured_is_seen(sockets):
    """Else the test above would see nothing whatever there was. Nobody answers there, so records are lost (75)."""
    args = ["--camera", "demo", "--max-frames", "30", "--format", "none", "--mqtt", "mqtt://127.0.0.1:9"]
    assert sockets("run", *args, status=75) != []
