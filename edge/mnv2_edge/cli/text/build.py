"""Text of a build's result: a few lines for people, one object for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mnv2_engines.building.diagnosis import worst_layers
from mnv2_engines.building.request import BuildResult
from mnv2_engines.engine.facts import AgreementFacts, OutputFacts, VerificationFacts
from mnv2_engines.engine.manifest import manifest_path

__all__ = ["describe_quality", "summarise", "to_json"]


def summarise(result: BuildResult, report: Path | None = None, *, run: str) -> str:
    """Return what was built, how good it is, and that it runs as `run`; of a rejected one the layers that lost most."""
    manifest, facts = result.manifest, result.verification.facts
    seconds = sum(result.seconds.values())
    lines = [
        f"{result.path}: {manifest.precision}, {manifest.engine.bytes / 1e6:.2f} MB, built in {seconds:.1f} s",
        *describe_quality(facts),
    ]
    if result.installed:
        lines += [f"doubt: {cause}" for cause in result.causes]
        lines += [f"accepted loss: {fault}" for fault in result.faults]
        lines.append(f"run it: mnv2-edge run --model {run}")
    elif facts.layers:
        lines.append("layers that lost most:")
        lines += [
            f"  {layer.sqnr_db:6.1f} dB  {layer.operator}  {layer.name}" for layer in worst_layers(facts.layers, 5)
        ]
    if report is not None:
        lines.append(f"report: {report}")
    return "\n".join(lines)


def to_json(result: BuildResult, warnings: Sequence[str]) -> dict[str, Any]:
    """Return the result as plain values; what `verification` holds is the manifest's section of that name."""
    manifest = result.manifest
    return {
        "engine": str(result.path),
        "manifest": str(manifest_path(result.path)),
        "installed": result.installed,
        "id": f"{manifest.name}@{manifest.engine.sha256[:12]}",
        "sha256": manifest.engine.sha256,
        "bytes": manifest.engine.bytes,
        "precision": manifest.precision,
        "task": manifest.task,
        "calibration": msgspec.to_builtins(manifest.calibration),
        "verification": msgspec.to_builtins(result.verification.facts),
        "confidence": result.verification.confidence,
        "faults": list(result.faults),
        "causes": list(result.causes),
        "warnings": list(warnings),
        "seconds": {phase: round(spent, 3) for phase, spent in result.seconds.items()},
    }


def describe_quality(facts: VerificationFacts) -> list[str]:
    """Return how well an engine follows the float network, and whether it is accelerated, in one or two lines."""
    where = "all on XNNPACK" if facts.accelerated else "not all of it on XNNPACK"
    if facts.runtime.startswith("TensorRT"):
        where = f"on {facts.runtime}"
    if not facts.images:
        return [f"{where}; a float engine is the reference itself"]
    levels = ", ".join(f"{output.name} {_level(output)}" for output in facts.outputs)
    pictures = f"{facts.images} picture{'s' * (facts.images != 1)}"
    lines = [f"verified on {pictures} ({facts.source}): {levels}; {where}"]
    if facts.agreement is not None:
        lines.append(_agreement(facts.agreement))
    return lines


def _level(output: OutputFacts) -> str:
    if output.holds == "classes":
        return "holds classes"
    if output.sqnr_db is None or output.mean_sqnr_db is None:
        return "equal"
    return f"{output.sqnr_db:.1f} dB over all, {output.mean_sqnr_db:.1f} dB in the mean"


def _agreement(found: AgreementFacts) -> str:
    bound = "" if found.lower_95 is None else f", at least {100 * found.lower_95:.1f} % with 95 % confidence"
    ties = f"; {found.near_ties} near ties left out" if found.near_ties else ""
    return (
        f"same top-1 as the float network on {found.same} of {found.judged} {found.unit} "
        f"({100 * found.share:.1f} %{bound}){ties}"
    )
