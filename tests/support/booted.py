"""Boot a tree with its own systemd as PID 1, and run commands in it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.roots.bootable import BootableRoot
from support.roots.cache import RootUnavailableError

BOOT_S = 60

# The last word is for systemd 256 and newer, which else refuse the control groups of an older host.
# In a mount namespace of its own, so that nothing has to be unmounted: what is written goes to a folder of the test,
# /run is on a memory disk as systemd-nspawn wants it, and so is /tmp inside, as small as on a Raspberry Pi Zero.
_BOOT = """
mount -t tmpfs tmpfs /run
mkdir -p "$2/upper/etc" "$2/work" "$2/root"
echo "127.0.0.1 localhost" > "$2/upper/etc/hosts"  # an installer writes it, debootstrap does not
mount -t overlay overlay -o "lowerdir=$1/tree,upperdir=$2/upper,workdir=$2/work" "$2/root" || exit 125
export LD_LIBRARY_PATH="$1/tools/usr/lib/$3/systemd"  # libsystemd-shared
exec "$1/tools/usr/bin/systemd-nspawn" --quiet --register=no --keep-unit --private-network --console=pipe \
    --tmpfs=/tmp:size=64M --machine=mnv2-edge-test --directory="$2/root" --bind-ro="$2/shared:/shared" \
    --boot SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
"""


class Booted:
    """A running system without a network; whoever boots it closes it.

    Files that the test puts into `shared` are at /shared inside.
    """

    def __init__(self, root: BootableRoot, folder: Path) -> None:
        self.python = root.python
        self.shared = folder / "shared"
        self.shared.mkdir(parents=True)
        triplet = next((root.tools / "usr/lib").glob("*-linux-gnu")).name
        self._process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _BOOT, "boot", str(root.path), str(folder), triplet],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._folder = folder
        try:
            self.init = self._wait_for_init()
            self.wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running")
        except BaseException:
            self.close()
            raise

    def run(self, *command: str, check: bool = True, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, as root, to its end."""
        done = subprocess.run(
            ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
        )
        if check:
            assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit."""
        out = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout
        return dict(line.split("=", 1) for line in out.splitlines())

    def wait_for(self, met: Callable[[], bool], timeout_s: float = BOOT_S, *, period_s: float = 0.1) -> float:
        """Wait for a condition; return the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if met():
                return time.monotonic() - began
            time.sleep(period_s)
        raise TimeoutError(f"not within {timeout_s} s")

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        """Write a file inside."""
        handed = self.shared / "handed"
        handed.write_text(text, encoding="utf-8")
        self.run("install", "-D", f"--mode={mode}", "/shared/handed", path)

    def close(self) -> None:
        """Switch it off."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # systemd-nspawn asks for an orderly shutdown
            try:
                self._process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
        shutil.rmtree(self._folder / "upper", ignore_errors=True)

    def _wait_for_init(self) -> int:
        """Return the process id, outside, of the systemd inside."""
        nspawn = self._process.pid
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                out, _ = self._process.communicate()
                raise RootUnavailableError(f"systemd-nspawn cannot boot here: {out.decode(errors='replace').strip()}")
            for child in _children(nspawn):
                with suppress(OSError):  # it has ended meanwhile
                    if Path(f"/proc/{child}/exe").readlink().name == "systemd":
                        return child
            time.sleep(0.05)
        raise RootUnavailableError("systemd-nspawn did not boot")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
