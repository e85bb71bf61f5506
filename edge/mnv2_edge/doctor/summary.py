"""The summary of a check: faults last, where a reader looks, with a command for each."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from mnv2_edge.doctor import Finding

__all__ = ["as_plain", "by_severity", "describe", "describe_commands", "offer_fixes", "summarise"]

_ORDER: Final = {"ok": 0, "warn": 1, "fail": 2}


def as_plain(findings: Sequence[tuple[str, Finding]]) -> dict[str, object]:
    """Return findings as JSON has them, in the order of the checks; what is here stays as it is, more may come."""
    counts = Counter(finding.verdict for _, finding in findings)
    return {
        "healthy": not counts["fail"],
        "failures": counts["fail"],
        "warnings": counts["warn"],
        "checks": [
            {"name": name, "verdict": finding.verdict, "why": finding.why, "mend": finding.mend}
            for name, finding in findings
        ],
    }


def by_severity(findings: Sequence[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """Put what is well first, warnings below, failures last; each in the order of the checks."""
    return sorted(findings, key=lambda found: _ORDER[found[1].verdict])


def describe(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return everything as plain text."""
    lines = [f"{finding.verdict:<4}  {name:<14}  {finding.why}" for name, finding in by_severity(findings)]
    mends = describe_commands(findings)
    return "\n".join([*lines, "", *([mends, ""] if mends else []), summarise(findings), ""])


def describe_commands(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return each command in a line of its own, below the check that it is for; empty when there is none."""
    lines = []
    for name, finding in by_severity(findings):
        if finding.mend:
            lines += [f"  {name}", *(f"    {command}" for command in finding.mend.splitlines())]
    return "\n".join(["To mend it:", *lines]) if lines else ""


def summarise(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return one line: `2 failures, 1 warning, 15 checks well`."""
    counts = Counter(finding.verdict for _, finding in findings)
    if counts["ok"] == len(findings):
        return f"all {len(findings)} checks are well"
    parts = (_count(counts["fail"], "failure"), _count(counts["warn"], "warning"), _count(counts["ok"], "check"))
    return ", ".join(part for part in parts if part) + (" well" if counts["ok"] else "")


def offer_fixes(findings: Sequence[tuple[str, Finding]], uid: int) -> tuple[str, ...]:
    """Return in a line what `--fix` could do, and in another what it could as root."""
    fixes = [fix for _, finding in findings for fix in finding.fixes]
    by_root = [fix.does for fix in fixes if fix.root and uid]
    by_us = [fix.does for fix in fixes if not (fix.root and uid)]
    offers = (("mnv2-edge doctor --fix", by_us), ("sudo mnv2-edge doctor --fix", by_root))
    return tuple(f"`{command}` can {' and '.join(dict.fromkeys(what))}" for command, what in offers if what)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""
