"""mnv2-edge on a wall clock that jumps by up to ten years: `python -m campaign.jumping SEED ARGUMENTS`."""

import random
import sys
import time
from collections.abc import Callable

_TEN_YEARS_S = 3.2e8


def jumping(real: Callable[[], float], steady: Callable[[], float], seed: str) -> Callable[[], float]:
    """Return a wall clock that is off by another amount every tenth of a second, and never before 1970."""

    def now() -> float:
        draw = random.Random(f"{seed}/{int(steady() * 10)}")
        return max(0.0, real() + draw.choice((0.0, draw.uniform(-_TEN_YEARS_S, _TEN_YEARS_S), -real())))

    return now


def main() -> int:
    """Change the clock, then be the command."""
    time.time = jumping(time.time, time.monotonic, sys.argv.pop(1))
    real = time.time
    time.time_ns = lambda: int(real() * 1e9)
    from mnv2_edge.__main__ import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
