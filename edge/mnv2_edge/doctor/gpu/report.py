"""The result of a GPU trial as text that can be pasted into a report."""

import platform
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from mnv2_edge import __version__
from mnv2_edge.doctor import Finding
from mnv2_edge.doctor.probe import Probe

if TYPE_CHECKING:
    from mnv2_edge.doctor.gpu.trial import GpuTrial

__all__ = ["TRIAL", "TRIAL_TIMEOUT_S", "assess_trial", "describe_trial", "read_trial"]

TRIAL: Final = """
import sys
from mnv2_edge.doctor.gpu.trial import main
sys.exit(main(sys.argv[1:]))
"""
TRIAL_TIMEOUT_S: Final = 1800.0
"""The first build on a small board, which has no timings to start from."""

_LEAST_DB: Final = 30.0
"""FP16 of the ImageNet network stays above 38 dB; below 30 something is wrong."""


def read_trial(probe: Probe) -> "GpuTrial | Finding":
    """Return the trial that a child process printed, or what went wrong instead."""
    import msgspec

    from mnv2_edge.doctor.gpu.trial import GpuTrial

    if probe.trouble:
        return Finding("fail", f"the demo network does not run on TensorRT: {probe.trouble}")
    return msgspec.json.decode(probe.json_line, type=GpuTrial)


def assess_trial(trial: "GpuTrial") -> Finding:
    """Return whether the GPU computes what the CPU computes."""
    close = trial.sqnr_db is None or trial.sqnr_db >= _LEAST_DB
    why = f"{trial.same} of {trial.pictures} pictures as LiteRT in float, {_decibels(trial)}"
    if trial.same < trial.pictures or not close:
        return Finding("fail", f"TensorRT and LiteRT differ: {why}: please report what is below")
    best = min(timing.median_ms for timing in trial.timings if timing.backend == "tensorrt")
    return Finding("ok", f"{why}; {best:.2f} ms a picture at best")


def describe_trial(trial: "GpuTrial", *, board: str, power: str) -> str:
    """Return the block, in Markdown; `power` is what the check of that name found."""
    facts = trial.facts
    rows = [
        ("board", f"{board}, {platform.machine()}"),
        ("GPU", f"{facts.gpu}, compute capability {facts.compute_capability}"),
        ("memory", "shared with the CPU" if trial.integrated else "its own"),
        ("TensorRT", facts.tensorrt),
        ("CUDA", f"{facts.cuda}, {trial.provider}"),
        ("L4T", facts.l4t or "unknown"),
        ("JetPack", facts.jetpack or "unknown"),
        ("power", power),
        ("Python", platform.python_version()),
        ("mnv2-edge", __version__),
        ("build", f"{trial.build_s:.1f} s, {trial.plan_bytes / 1e6:.1f} MB"),
        ("against LiteRT in float", f"{trial.same} of {trial.pictures} equal, {_decibels(trial)}"),
    ]
    if trial.graph_trouble:
        rows.append(("CUDA graphs", f"none: {trial.graph_trouble}"))
    lines = [f"TensorRT report, {datetime.now(timezone.utc):%Y-%m-%d}", "", "| what | found |", "|---|---|"]
    lines += [f"| {what} | {found} |" for what, found in rows]
    lines += ["", "| demo network | median ms | p99 ms |", "|---|---|---|"]
    for timing in trial.timings:
        graph = "CUDA graph" if timing.graph else "no graph"
        name = f"TensorRT FP16, {timing.memory}, {graph}" if timing.backend == "tensorrt" else "LiteRT int8, 1 thread"
        lines.append(f"| {name} | {timing.median_ms:.3f} | {timing.p99_ms:.3f} |")
    return "\n".join(lines)


def _decibels(trial: "GpuTrial") -> str:
    return "equal to the last bit" if trial.sqnr_db is None else f"{trial.sqnr_db:.1f} dB"
