"""Checks of the engines in the store: in a child process, because a damaged one may crash it."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mnv2_edge.doctor import Finding, Fix, Machine, combine
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.service.paths import USER, ServicePaths

__all__ = ["check_engines"]

_TIMEOUT_S: Final = 600.0
_REBUILDABLE: Final = frozenset({"unbuilt", "stale", "damaged"})
_NONE: Final = "none in {folder} yet; without one the demo network runs"
_REBUILD: Final = Fix("build them again", ("mnv2-edge", "engines", "rebuild", "--stale"), slow=True)
_REBUILD_SERVICE: Final = Fix(
    "build them again", ("systemctl", "restart", "mnv2-edge-engines.service"), root=True, slow=True
)
_AS_SERVICE: Final = ("runuser", "-u", USER, "--")
_VERIFY: Final = """
import json, sys
from pathlib import Path
from mnv2_engines.errors import EnginesError
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import verify_stored
try:
    store = Store(Path(sys.argv[1]))
    checks = [verify_stored(store, name) for name in store.names()]
    others = checks and store.folder.stat().st_mode & 0o077
    checks = [(c.name, c.state, c.why) for c in checks]
    print(json.dumps({"default": store.default(), "checks": checks, "open": bool(others)}))
except EnginesError as exc:
    sys.exit(str(exc))
"""


def check_engines(machine: Machine) -> Finding:
    """Hash what the store holds, repeat every self-test, and see that one engine is the default.

    Root looks at the service's store besides, as its user and with its software: an engine is a program, and what that
    user could have put there is nothing for root to run.
    """
    paths = ServicePaths(machine.root)
    python = paths.software / "current/venv/bin/python"
    if machine.uid or not python.exists():
        return _look(machine, machine.home)
    service = _look_as_service(machine, python, paths.state)
    return service if machine.home == paths.state else combine([_look(machine, machine.home), service])


def _look(machine: Machine, home: Path) -> Finding:
    if not (home / "engines").exists():  # which is what a child would find, after seconds on a small board
        return Finding("ok", _NONE.format(folder=home / "engines"))
    probe = machine.run_python(_VERIFY, str(home), timeout_s=_TIMEOUT_S)
    return _read(probe, home / "engines", _REBUILD)


def _look_as_service(machine: Machine, python: Path, home: Path) -> Finding:
    if not (home / "engines").exists():
        return Finding("ok", f"of the service: none in {home / 'engines'}")
    surroundings = ("env", "-i", f"HOME={home}", f"STATE_DIRECTORY={home}", "PATH=/usr/bin:/bin")
    ours = (*_AS_SERVICE, *surroundings, str(python), "-I")
    probe = machine.run_command(*ours, "-c", _VERIFY, str(home), timeout_s=_TIMEOUT_S)
    found = _read(probe, home / "engines", _REBUILD_SERVICE)
    if found.verdict == "warn":
        found = _done_by_service(found, (*ours, "-m", "mnv2_edge"))
    return replace(found, why=f"of the service: {found.why}")


def _done_by_service(found: Finding, program: tuple[str, ...]) -> Finding:
    """Let the service's user act in its own store, so that root does not follow a link that this user has put."""
    fixes = tuple(
        replace(
            fix,
            command=(*program, *fix.command[1:]) if fix.command[0] == "mnv2-edge" else (*_AS_SERVICE, *fix.command),
            root=True,
        )
        for fix in found.fixes
    )
    return replace(found, mend="", fixes=fixes)


def _read(probe: Probe, folder: Path, rebuild: Fix) -> Finding:
    if probe.trouble:
        return Finding("fail", probe.trouble)
    told = json.loads(probe.json_line)
    return _judge(told["default"], told["checks"], folder, rebuild, is_open=told["open"])


def _judge(
    default: str | None, checks: Sequence[Sequence[str]], folder: Path, rebuild: Fix, *, is_open: bool
) -> Finding:
    if not checks:
        return Finding("ok", _NONE.format(folder=folder))
    wrong = [(name, state, why) for name, state, why in checks if state != "ok"]
    if wrong:
        why = "; ".join(f"{name} is {state}: {reason}" for name, state, reason in wrong)
        if not any(state in _REBUILDABLE for _, state, _ in wrong):
            return Finding("fail", why)
        return Finding("fail", why, f"{'sudo ' if rebuild.root else ''}{shlex.join(rebuild.command)}", (rebuild,))
    if is_open:
        close = Fix(f"close {folder} to other users", ("chmod", "700", str(folder)))
        why = f"{folder} is open to other users: an engine is a program to what runs it"
        return Finding("warn", why, shlex.join(close.command), (close,))
    if default is None:
        return _without_default([name for name, _, _ in checks])
    names = ", ".join(f"{name} (default)" if name == default else name for name, _, _ in checks)
    return Finding("ok", f"{names}: whole, and pass their self-test here")


def _without_default(names: Sequence[str]) -> Finding:
    """Report a missing default engine; a single engine does not need one."""
    command = ("mnv2-edge", "engines", "default", names[0])
    fixes = (Fix(f"make {names[0]}, the only engine, the default", command),) if len(names) == 1 else ()
    return Finding("warn", "none is the default, so `mnv2-edge run` needs --model", shlex.join(command), fixes)
