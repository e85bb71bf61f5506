"""Run one command a fork: a process imports everything once, and each case is a copy of it that runs the real `main`.

`python -m campaign.forks` reads one JSON object a line (`Order`), and answers each with one (`Outcome`).
"""

import contextlib
import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_MAPPED_BYTES = 12 << 30
"""Address space of a case: it keeps the machine, the promise is about what is resident."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGING = frozenset(
    {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod", "os.chown"}
)
_HARMLESS = ("/dev/null", "/dev/tty", "/proc/", "/dev/shm/", "/sys/")
_MOST_WAIT_S = 120.0
_REAL_CHILD_EVERY = 20
"""One case in so many starts what the command starts as processes of their own, as users do; the others fork."""


@dataclass(frozen=True)
class Order:
    """What to try."""

    format: str
    number: int
    seed: int
    samples: str
    box: str
    """A folder that is made, used and removed."""
    timeout_s: float


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    number: int
    argv: list[str]
    status: int
    """Negative: the signal that ended it."""
    seconds: float
    rss_mib: float
    hung: bool
    outside: list[str] = field(default_factory=list)
    said: str = ""
    """The end of what it wrote to stderr."""


def serve(orders: Iterator[str]) -> None:
    """Answer orders until there are no more."""
    from campaign.formats import FORMATS

    warmed: set[str] = set()
    for line in orders:
        order = Order(**json.loads(line))
        case = FORMATS[order.format].case
        if order.format not in warmed:
            for module in _modules_of(order, case):
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
            warmed.add(order.format)
        print(json.dumps(asdict(run(order, case))), flush=True)


Case = Callable[[random.Random, Path, Path], list[str]]


def run(order: Order, case: Case) -> Outcome:
    """Try one case in a fork, look at what it left, and remove that."""
    box = Path(order.box)
    work = box / "a" / "b" / "work"
    work.mkdir(parents=True)
    (box / "told").mkdir()
    try:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _be(order, case, box, work)
        status, usage, hung = _wait(pid, order.timeout_s)
        seconds = time.monotonic() - began
        told = box / "told"
        argv = json.loads(_text(told / "argv") or "[]")
        outside = [*filter(None, _text(told / "outside").splitlines()), *_strangers(box)]
        said = _text(told / "err")[-3000:]
        return Outcome(order.number, argv, status, seconds, usage.ru_maxrss / 1024, hung, outside, said)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(box)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(box, ignore_errors=True)


def _modules_of(order: Order, case: Case) -> list[str]:
    """Ask a first case what it has imported."""
    box = Path(order.box + "-warm")
    work = box / "a" / "b" / "work"
    work.mkdir(parents=True)
    (box / "told").mkdir()
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reads)
        _be(order, case, box, work, lambda: os.write(writes, "\n".join(sys.modules).encode()))
    os.close(writes)
    names = b""
    while select.select([reads], [], [], order.timeout_s)[0] and (piece := os.read(reads, 65536)):
        names += piece
    os.close(reads)
    _wait(pid, 1)
    shutil.rmtree(box, ignore_errors=True)
    return [name for name in names.decode().split("\n") if name and name != "__main__"]


def _wait(pid: int, timeout_s: float) -> "tuple[int, resource.struct_rusage, bool]":
    """Return the status, the usage, and whether it had to be killed."""
    handle = os.pidfd_open(pid)
    try:
        began = time.monotonic()
        left_s = timeout_s
        while not (ended := bool(select.select([handle], [], [], left_s)[0])) and left_s > 0:
            left_s = began + timeout_s + min(_MOST_WAIT_S, waited_for_processor_s(pid)) - time.monotonic()
            left_s = max(0.0, left_s)
        hung = not ended
    finally:
        os.close(handle)
    if hung:
        os.kill(pid, signal.SIGABRT)  # faulthandler then says where it was
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # also whom it has left behind
    _, how, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(how), usage, hung


def waited_for_processor_s(pid: int) -> float:
    """Return how long a process was ready to run while others ran: on a loaded machine that is not its own hang."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return max((int((task / "schedstat").read_text().split()[1]) / 1e9 for task in tasks), default=0.0)
    except (OSError, IndexError, ValueError):
        return 0.0


def _be(order: Order, case: Case, box: Path, work: Path, at_end: Callable[[], object] = int) -> None:
    """Be the case; never return."""
    status = 99
    try:
        os.setpgid(0, 0)
        os.chdir(work)
        status = _try(order, case, box, work, at_end)
    except BaseException:  # noqa: BLE001 - nothing above this may run in the fork
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _try(order: Order, case: Case, box: Path, work: Path, at_end: Callable[[], object]) -> int:
    told = box / "told"
    home, temporary = box / "home", box / "tmp"
    home.mkdir()
    temporary.mkdir()
    cache = Path(order.samples) / "cache"
    if cache.is_dir():
        shutil.copytree(cache, box / "cache")
    os.environ.update(
        HOME=str(home), MNV2_EDGE_HOME=str(home), XDG_CACHE_HOME=str(box / "cache"), TMPDIR=str(temporary),
        PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
    )  # fmt: skip
    argv = case(random.Random(f"{order.seed}/{order.format}/{order.number}"), Path(order.samples), work)
    (told / "argv").write_text(json.dumps(argv), encoding="utf-8")
    for number, file in ((0, os.devnull), (1, told / "out"), (2, told / "err")):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MAPPED_BYTES, _MAPPED_BYTES))
    if order.number % _REAL_CHILD_EVERY:
        subprocess.run = _forked(subprocess.run)  # type: ignore[assignment]
    outside = os.open(told / "outside", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.addaudithook(_watch([str(work), str(home), str(temporary), str(box / "cache")], outside))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak of before
    main = importlib.import_module("mnv2_edge.__main__").main
    sys.argv = ["mnv2-edge", *argv]
    try:
        status = int(main(argv))
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 1
    _end_as_python_does()
    at_end()
    return status


def _end_as_python_does() -> None:
    import atexit
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _watch(allowed: list[str], outside: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that notes every file that is written or changed elsewhere."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return
            paths = [path]
        elif event in _CHANGING:
            paths = [one for one in arguments[:2] if isinstance(one, str | bytes | os.PathLike)]
            if event in {"os.symlink", "os.link"}:
                paths = paths[1:]  # the first is what it points to
        else:
            return
        for path in paths:
            if isinstance(path, int):
                continue
            name = os.fsdecode(path)
            real = os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))  # noqa: PTH118, PTH120, PTH119
            if not real.startswith((*_HARMLESS, *(f"{folder}/" for folder in allowed))) and real not in allowed:
                os.write(outside, f"{event} {real!r}\n".encode())

    return look


def _strangers(box: Path) -> list[str]:
    """Return what lies in the box beside the folders that a case may use: `..` from the working folder leads here."""
    expected = {box: {"a", "told", "home", "tmp", "cache"}, box / "a": {"b"}, box / "a" / "b": {"work"}}
    return [str(found) for folder, names in expected.items() for found in folder.iterdir() if found.name not in names]


def _forked(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return what forks for `python -c ... MODULE ARGUMENTS` of `child_python.module_command`, and else is `real`."""
    from mnv2_engines.child_python import module_command

    def run(command: list[str], **options: Any) -> Any:
        if command[:3] != module_command("x")[:3]:
            return real(command, **options)
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                os.dup2(writes, 1)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                sys.argv = ["child", *command[4:]]
                status = int(importlib.import_module(command[3]).main(command[4:]))
                sys.stdout.flush()
            finally:
                os._exit(status)
        os.close(writes)
        out = b""
        while piece := os.read(reads, 65536):
            out += piece
        os.close(reads)
        _, ended = os.waitpid(pid, 0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(ended), out, b"")

    return run


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    serve(iter(sys.stdin.readline, ""))
