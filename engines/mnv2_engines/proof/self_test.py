"""The first load of an engine in a child process, where a crash does no harm, and the record that it passed."""

import logging
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from mnv2_engines.child_python import module_command
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import BackendUnavailableError, CorruptEngineError, StaleEngineError, UntestedEngineError
from mnv2_engines.files.checked_json import UNREADABLE
from mnv2_engines.proof.first_load import FirstLoadResult
from mnv2_engines.proof.golden import RawBackend, check_golden

__all__ = ["ensure_tested", "is_tested", "load_in_child", "recheck_engine", "remember_tested"]

_log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 120.0
"""A Pi Zero takes seconds for the largest networks; a damaged file may loop without end."""
_ENDED_FROM_OUTSIDE: Final = frozenset({signal.SIGTERM, signal.SIGKILL})
"""The latter is the kernel's when memory runs out, to this child first; a damaged engine meets its own limit before."""
_RUNTIMES: Final = ("ai-edge-litert", "tflite-runtime")


def ensure_tested(engine: Engine, cache_dir: Path | None, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Load `engine` in a child process and run its golden test there, unless this machine has done so before.

    Once per file hash and runtime version, remembered in `cache_dir`; a folder that cannot be written, or None, means
    every time. It costs a start of Python, about 0.5 s. A process that goes on to load the engine calls
    `recheck_engine` as well. Raises CorruptEngineError when the child crashed, hung
    or refused the engine, StaleEngineError when this runtime makes something else of the golden picture,
    BackendUnavailableError when there is no runtime.
    """
    if engine.kind != "litert" or is_tested(engine, cache_dir):
        return
    load_in_child(engine.path, timeout_s=timeout_s)
    remember_tested(engine, cache_dir)


def is_tested(engine: Engine, cache_dir: Path | None) -> bool:
    """Return whether this very file has passed with this very runtime on this machine, as far as this user may know."""
    try:
        return cache_dir is not None and _marker(engine, cache_dir).is_file()
    except PermissionError:  # a cache folder that another user has made
        return False


def remember_tested(engine: Engine, cache_dir: Path | None) -> None:
    """Note that a LiteRT engine passed; a folder that cannot be written is logged."""
    if cache_dir is None or engine.kind != "litert":
        return
    marker = _marker(engine, cache_dir)
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as exc:
        _log.info("%s cannot be written (%s): %s is tested again next time", marker, exc.strerror, engine.path.name)


def recheck_engine(backend: object, engine: Engine) -> None:
    """Run the golden test of an engine that has one, on the backend that will serve it: one inference, at every load.

    A backend that does not give raw outputs is not tested. Raises as `golden.check_golden` does.
    """
    golden = engine.manifest.golden if engine.manifest else None
    if golden is not None and isinstance(backend, RawBackend):
        check_golden(backend, golden, str(engine.path))


def load_in_child(path: Path, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Load and run an engine file in a child process.

    Raises as `ensure_tested` does, and KeyboardInterrupt when the child was interrupted: Ctrl-C reaches every process
    of a terminal, so it says nothing about the engine.
    """
    command = module_command("mnv2_engines.proof.first_load", str(path))
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=_acts_for_another(),
        )
    except subprocess.TimeoutExpired as exc:
        raise CorruptEngineError(f"{path} did not load within {timeout_s:g} s: {how_to_rebuild(path)}") from exc
    except OSError as exc:
        raise UntestedEngineError(f"{path} cannot be tested: {sys.executable} does not start ({exc.strerror})") from exc
    verdict = _read_verdict(done.stdout)
    if verdict is None and done.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if verdict is None and -done.returncode in _ENDED_FROM_OUTSIDE:
        raise UntestedEngineError(
            f"{path} was not tested: its first load was ended ({_ending(done.returncode)}), by a service manager or "
            "for want of memory; start again"
        )
    if verdict is None:
        _log.debug("first load of %s: %s", path, done.stderr.decode(errors="replace"))
        raise CorruptEngineError(f"{path} crashed the runtime ({_ending(done.returncode)}): {how_to_rebuild(path)}")
    if verdict.outcome == "unavailable":
        raise BackendUnavailableError(verdict.detail)
    if verdict.outcome == "stale":
        raise StaleEngineError(verdict.detail)
    if verdict.outcome == "refused":
        raise CorruptEngineError(verdict.detail)


def _acts_for_another() -> bool:
    """Say whether this is root who has become another user for a while, to whom root's terminal is not to be left.

    A process of that user could type into it (TIOCSTI) what root would run.
    """
    _, effective, saved = os.getresuid()
    return effective != saved


def _read_verdict(stdout: bytes) -> FirstLoadResult | None:
    try:
        return msgspec.json.decode(stdout.strip().rpartition(b"\n")[2], type=FirstLoadResult)
    except UNREADABLE:
        return None


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _marker(engine: Engine, cache_dir: Path) -> Path:
    versions = "-".join(f"{name}-{version}" for name in _RUNTIMES if (version := _version(name)))
    key = f"{engine.sha256[:32]}-{versions or 'none'}-{describe_device().fingerprint}"
    return cache_dir / "tested" / key


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
