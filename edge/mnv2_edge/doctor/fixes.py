"""The fixes of findings, as `--fix` runs them."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mnv2_edge.doctor import Finding, Fix, Machine
from mnv2_engines.child_python import module_command

__all__ = ["FixAttempt", "Outcome", "fix_all"]

Outcome: TypeAlias = Literal["done", "failed", "left"]

_TIMEOUT_S: Final = 300.0
_SLOW_TIMEOUT_S: Final = 7200.0
_OURSELVES: Final = "mnv2-edge"


@dataclass(frozen=True, slots=True)
class FixAttempt:
    """Result of one fix."""

    check: str
    does: str
    command: str
    """As somebody would type it; with sudo where only root may and this is not root."""
    outcome: Outcome
    why: str = ""
    """Why it was not done, or what went wrong."""


def fix_all(
    machine: Machine,
    findings: Sequence[tuple[str, Finding]],
    *,
    dry_run: bool,
    confirm: Callable[[Fix], bool],
) -> tuple[FixAttempt, ...]:
    """Try every fix of the findings, in their order. `confirm` is asked before one that takes minutes."""
    return tuple(
        _attempt(machine, name, fix, dry_run=dry_run, confirm=confirm)
        for name, finding in findings
        for fix in finding.fixes
    )


def _attempt(machine: Machine, check: str, fix: Fix, *, dry_run: bool, confirm: Callable[[Fix], bool]) -> FixAttempt:
    needs_root = fix.root and machine.uid != 0
    command = f"{'sudo ' if needs_root else ''}{shlex.join(fix.command)}"
    if needs_root:
        return FixAttempt(check, fix.does, command, "left", "only root may")
    if dry_run:
        return FixAttempt(check, fix.does, command, "left", "--dry-run")
    if fix.slow and not confirm(fix):
        return FixAttempt(check, fix.does, command, "left", "it may take minutes, and was not confirmed")
    ours = fix.command[0] == _OURSELVES
    run = module_command("mnv2_edge", *fix.command[1:]) if ours else fix.command
    timeout_s = _SLOW_TIMEOUT_S if fix.slow else _TIMEOUT_S
    trouble = machine.run_command(*run, timeout_s=timeout_s).trouble
    return FixAttempt(check, fix.does, command, "failed" if trouble else "done", trouble)
