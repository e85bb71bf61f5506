"""Boot a tree with its own systemd as PID 1, and run commands in it."""

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.roots.bootable import BootableRoot
from support.roots.cache import RootUnavailableError

BOOT_S = 60
_NUMBER = itertools.count(1)

# In a mount namespace of its own, so that nothing has to be unmounted: what is written goes to a folder of the test,
# /run is on a memory disk as systemd-nspawn wants it, and so is /tmp inside, as small as on a Raspberry Pi Zero.
# In control groups of its own as well, or two systems would end each other's services. systemd-nspawn mounts a memory
# controller of version 1 read-only: made writable before systemd looks, so that it enforces the limits of units.
# The last word is for systemd 256 and newer, which else refuse the control groups of an older host.
_BOOT = """
root=$1 folder=$2 triplet=$3
shift 3
mount -t tmpfs tmpfs /run
mkdir -p "$folder/upper/etc" "$folder/work" "$folder/root"
echo "127.0.0.1 localhost" > "$folder/upper/etc/hosts"  # an installer writes it, debootstrap does not
mount -t overlay overlay -o "lowerdir=$root/tree,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" || exit 125
for group; do
    mkdir "$group" && echo $$ > "$group/cgroup.procs" || exit 125
done
export LD_LIBRARY_PATH="$root/tools/usr/lib/$triplet/systemd"  # libsystemd-shared
exec "$root/tools/usr/bin/systemd-nspawn" --quiet --register=no --keep-unit --private-network --console=pipe \
    --tmpfs=/tmp:size=64M --machine=mnv2-edge-test --directory="$folder/root" --bind-ro="$folder/shared:/shared" \
    --kill-signal=SIGRTMIN+3 /bin/sh -c "
        [ ! -d /sys/fs/cgroup/memory ] || mount -o remount,bind,rw /sys/fs/cgroup/memory
        exec /lib/systemd/systemd SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
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
        self._groups = _own_groups(f"mnv2-edge-test-{os.getpid()}-{next(_NUMBER)}")
        self._process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _BOOT, "boot", root.path, folder, triplet, *self._groups],
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

    @contextmanager
    def in_place_of(self, program: str, script: str, *, kept: str) -> Iterator[None]:
        """Let a script stand in for a program of the system, which lies at `kept` meanwhile."""
        self.run("install", "-D", program, kept)
        self.write("/run/stand-in", script, mode="755")
        self.run("mount", "--bind", "/run/stand-in", program)
        try:
            yield
        finally:
            self.run("umount", program)

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
        for group in self._groups:
            for place, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):  # the kernel has not let go of its last process yet
                    Path(place).rmdir()

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


def _own_groups(name: str) -> list[Path]:
    """Return a group below ours, not made yet, for each hierarchy that counts; none for version 2 alone."""
    groups = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, ours = line.split(":", 2)
        hierarchy = Path("/sys/fs/cgroup", controllers.removeprefix("name=") or "unified")
        if controllers in ("name=systemd", "memory", "") and hierarchy.is_dir():
            groups.append(hierarchy / ours.lstrip("/") / name)
    return groups


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
