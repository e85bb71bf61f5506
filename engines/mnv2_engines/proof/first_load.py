"""The first load and run of one engine in its own process: `python -m mnv2_engines.proof.first_load ENGINE`.

A damaged flatbuffer may crash the runtime. Here no other process stops. Prints one JSON object (`FirstLoadResult`);
the parent reads it, see `mnv2_engines.proof.self_test`.
"""

import resource
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from mnv2_engines.errors import BackendUnavailableError, EngineError, EnginesError, StaleEngineError

__all__ = ["FirstLoadResult", "main"]

_NO_LIMIT: Final = sys.maxsize
_MEMORY_BYTES: Final = 4 << 30
"""Address space until the engine's format says otherwise; Python, numpy and a runtime map below 1 GiB."""
_CPU_S: Final = 300
"""The parent ends this process sooner, unless it has ended itself."""


_GIVEN_MEMORY: Final = resource.getrlimit(resource.RLIMIT_AS)


class FirstLoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the first load."""

    outcome: Literal["passed", "refused", "stale", "unavailable"]
    detail: str = ""
    mend: str = ""
    """What to do about it, where that is known."""


def main(argv: list[str]) -> int:
    """Print the verdict on the engine `argv[0]`; the status is 0 whatever the verdict is."""
    path = Path(argv[0])
    _be_frugal()
    sys.stdout.buffer.write(msgspec.json.encode(_try(path)) + b"\n")
    return 0


def _try(path: Path) -> FirstLoadResult:
    from mnv2_engines.engine.engine import read_engine
    from mnv2_engines.proof.golden import RawBackend, check_golden

    try:
        engine = read_engine(path)
        form = engine.format
        _limit_memory(form.first_load.memory_bytes or _NO_LIMIT)
        backend = form.open(path, form.options())
        golden = engine.manifest.golden if engine.manifest else None
        if golden is not None and isinstance(backend, RawBackend):
            check_golden(backend, golden, str(path), repeats_bits=form.repeats_bits)
        else:
            backend.infer(backend.allocate_input())
    except BackendUnavailableError as exc:
        return FirstLoadResult(outcome="unavailable", detail=str(exc))
    except StaleEngineError as exc:
        return FirstLoadResult(outcome="stale", detail=exc.what, mend=exc.mend)
    except EngineError as exc:
        return FirstLoadResult(outcome="refused", detail=exc.what, mend=exc.mend)
    except (EnginesError, MemoryError) as exc:
        return FirstLoadResult(outcome="refused", detail=str(exc) or type(exc).__name__)
    return FirstLoadResult(outcome="passed")


def _be_frugal() -> None:
    """Write no core dump to an SD card, limit memory and time, and be killed first when memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY or soft > _CPU_S:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, hard))
    _limit_memory(_MEMORY_BYTES)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:  # a container without /proc: the limits above still hold
        return


def _limit_memory(memory_bytes: int) -> None:
    """Limit the address space; a limit that somebody else has set is kept where it is lower."""
    given, hard = _GIVEN_MEMORY
    limits = [limit for limit in (memory_bytes, given, hard) if limit != resource.RLIM_INFINITY]
    lowest = min(limits)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY if lowest >= _NO_LIMIT else lowest, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
