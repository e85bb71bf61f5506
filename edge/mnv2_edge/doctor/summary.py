"""Say in a few lines what was found: trouble last, where a reader's eyes are, with a command for each."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from mnv2_edge.doctor import Finding

__all__ = ["as_plain", "by_severity", "describe", "describe_mends", "summarise"]

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
    mends = describe_mends(findings)
    return "\n".join([*lines, "", *([mends, ""] if mends else []), summarise(findings), ""])


def describe_mends(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return each command in a line of its own, below the check that it is for; empty when there is none."""
    mends = [(name, finding.mend) for name, finding in by_severity(findings) if finding.mend]
    if not mends:
        return ""
    return "\n".join(["To mend it:", *(f"  {name}\n    {mend}" for name, mend in mends)])


def summarise(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return one line: `2 failures, 1 warning, 15 checks are well`."""
    counts = Counter(finding.verdict for _, finding in findings)
    parts = [_count(counts["fail"], "failure"), _count(counts["warn"], "warning")]
    well = counts["ok"]
    parts.append(f"all {well} checks are well" if well == len(findings) else f"{_count(well, 'check')} well")
    fixable = sum(1 for _, finding in findings if finding.fixes)
    hint = f"; `mnv2-edge doctor --fix` can mend {fixable} of them" if fixable else ""
    return ", ".join(part for part in parts if part) + hint


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""
