"""Look at the engines in the store: in a child process, because a damaged one may crash it."""

import json
from typing import Final

from mnv2_edge.doctor import Finding, Machine

__all__ = ["check_engines"]

_TIMEOUT_S: Final = 600.0
_REBUILDABLE: Final = frozenset({"unbuilt", "stale", "damaged"})
_VERIFY: Final = """
import json, sys
from pathlib import Path
from mnv2_engines.errors import EnginesError
from mnv2_engines.store import Store
from mnv2_engines.store.checking import verify_stored
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
    """Hash what the store holds, repeat every self-test, and see that one engine is the default."""
    probe = machine.run_python(_VERIFY, str(machine.home), timeout_s=_TIMEOUT_S)
    if probe.trouble:
        return Finding("fail", probe.trouble)
    told = json.loads(probe.output.splitlines()[-1])
    default, checks = told["default"], told["checks"]
    if not checks:
        return Finding("ok", f"none in {machine.home / 'engines'} yet; without one the demo network runs")
    wrong = [(name, state, why) for name, state, why in checks if state != "ok"]
    if wrong:
        mend = "mnv2-edge engines rebuild --stale" if any(state in _REBUILDABLE for _, state, _ in wrong) else ""
        return Finding("fail", "; ".join(f"{name} is {state}: {why}" for name, state, why in wrong), mend)
    folder = machine.home / "engines"
    if told["open"]:
        return Finding(
            "warn", f"{folder} is open to other users: an engine is a program to what runs it", f"chmod 700 {folder}"
        )
    if default is None:
        return Finding(
            "warn",
            "none is the default, so `mnv2-edge run` needs --model",
            f"mnv2-edge engines default {checks[0][0]}",
        )
    names = ", ".join(f"{name} (default)" if name == default else name for name, _, _ in checks)
    return Finding("ok", f"{names}: whole, and pass their self-test here")
