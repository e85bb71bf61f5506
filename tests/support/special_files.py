"""Make what is not the file that somebody expects, and try commands on it one after the other in one process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.system import need_command

KINDS = ("pipe", "socket", "device", "folder", "proc", "empty", "closed", "absent")
LIMIT_S = 60
"""For one command, on a machine that is busy with others."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    err: str
    peak_mib: float
    """The most memory that the process had until then."""


@contextlib.contextmanager
def special_files(ending: str = "") -> Iterator[Mapping[str, Path]]:
    """Give a path of every kind, each with the ending that the command wants to see."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listening:
        folder = Path(name)
        places = {kind: folder / f"{kind}{ending}" for kind in KINDS}
        os.mkfifo(places["pipe"])
        listening.bind(str(places["socket"]))
        places["device"].symlink_to("/dev/zero")
        places["folder"].mkdir()
        places["proc"].symlink_to("/proc/cpuinfo")  # regular, states a size of 0, and holds some KiB of text
        places["empty"].touch()
        places["closed"].write_text("x")
        places["closed"].chmod(0)
        yield places


def try_commands(commands: Sequence[Sequence[str]], home: Path) -> list[Outcome]:
    """Run commands one after the other in one process; one that hangs ends all with an error."""
    done = subprocess.run(
        [*_without_rights(), sys.executable, "-m", "support.special_files", json.dumps(commands)],
        env={**os.environ, "MNV2_EDGE_HOME": str(home), "XDG_CACHE_HOME": str(home), "PYTHONPATH": _tests()},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith('{"status"')]
    hung = commands[len(outcomes)] if len(outcomes) < len(commands) else None
    assert hung is None, f"{hung} ended the process ({done.returncode}): {done.stderr}"
    return outcomes


def _without_rights() -> Sequence[str]:
    """Return a command before the command that takes from root the right to read what is closed."""
    if os.geteuid() != 0:
        return ()
    return need_command("setpriv", "util-linux"), "--bounding-set=-dac_override,-dac_read_search", "--"


def _tests() -> str:
    return str(Path(__file__).parents[1])


def _main() -> None:
    from mnv2_edge.__main__ import main

    for command in json.loads(sys.argv[1]):
        with tempfile.TemporaryFile() as captured:
            before = os.dup(2)
            os.dup2(captured.fileno(), 2)
            signal.alarm(LIMIT_S)
            status = main(command)
            signal.alarm(0)
            sys.stdout.flush()
            os.dup2(before, 2)
            os.close(before)
            captured.seek(0)
            err = captured.read().decode(errors="replace")
        peak = _peak_mib()
        sys.stdout.write("\n" + json.dumps({"status": int(status), "err": err, "peak_mib": peak}) + "\n")
        sys.stdout.flush()


def _peak_mib() -> float:
    """Return the most memory that this process has held; `ru_maxrss` would begin with that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    _main()
