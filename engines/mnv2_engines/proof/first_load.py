"""The first load and run of one engine in its own process: `python -m mnv2_engines.proof.first_load ENGINE`.

A damaged flatbuffer may crash the runtime. Here no other process stops. Prints one JSON object (`FirstLoadResult`);
the parent reads it, see `mnv2_engines.proof.self_test`.
"""

import resource
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from mnv2_engines.engine.rebuild_hint import PLAN_SUFFIXES
from mnv2_engines.errors import BackendUnavailableError, EnginesError, StaleEngineError

__all__ = ["FirstLoadResult", "main"]

_NO_LIMIT: Final = sys.maxsize
_MEMORY_BYTES: Final = 4 << 30
"""Address space; Python, numpy and LiteRT map below 1 GiB. A damaged shape can ask for any amount."""
_CPU_S: Final = 300
"""The parent ends this process sooner, unless it has ended itself."""


class FirstLoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the first load."""

    outcome: Literal["passed", "refused", "stale", "unavailable"]
    detail: str = ""


def main(argv: list[str]) -> int:
    """Print the verdict on the engine `argv[0]`; the status is 0 whatever the verdict is."""
    path = Path(argv[0])
    # CUDA reserves more addresses than any device has memory, so a plan gets no limit of them.
    _be_frugal(_NO_LIMIT if path.suffix in PLAN_SUFFIXES else _MEMORY_BYTES)
    sys.stdout.buffer.write(msgspec.json.encode(_try(path)) + b"\n")
    return 0


def _try(path: Path) -> FirstLoadResult:
    from mnv2_engines.backends.litert import LiteRtBackend
    from mnv2_engines.backends.tensorrt import open_tensorrt
    from mnv2_engines.engine.engine import read_engine
    from mnv2_engines.proof.golden import check_golden

    try:
        engine = read_engine(path)
        backend = open_tensorrt(path) if engine.kind == "tensorrt" else LiteRtBackend(path)
        golden = engine.manifest.golden if engine.manifest else None
        if golden is not None:
            check_golden(backend, golden, str(path))
        else:
            backend.infer_raw(backend.allocate_input())
    except BackendUnavailableError as exc:
        return FirstLoadResult(outcome="unavailable", detail=str(exc))
    except StaleEngineError as exc:
        return FirstLoadResult(outcome="stale", detail=str(exc))
    except (EnginesError, MemoryError) as exc:
        return FirstLoadResult(outcome="refused", detail=str(exc) or type(exc).__name__)
    return FirstLoadResult(outcome="passed")


def _be_frugal(memory_bytes: int) -> None:
    """Write no core dump to an SD card, limit memory and time, and be killed first when memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY or soft > _CPU_S:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    if sys.maxsize > memory_bytes and (soft == resource.RLIM_INFINITY or soft > limit):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:  # a container without /proc: the limits above still hold
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
