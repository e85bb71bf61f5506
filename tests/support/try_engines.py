"""Do with engine files what `run` does before the first frame, in one process: python try_engines.py CACHE ENGINE...

Prints `PATH accepted` or `PATH ErrorName` a line. It must survive whatever the files are.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import EnginesError
from mnv2_engines.proof.self_test import ensure_tested, recheck_engine


def try_engine(path: Path, cache: Path) -> str:
    try:
        engine = read_engine(path)
        ensure_tested(engine, cache)
        with closing(LiteRtBackend(path)) as backend:
            recheck_engine(backend, engine)
    except EnginesError as exc:
        return type(exc).__name__
    return "accepted"


def main() -> None:
    cache, *engines = map(Path, sys.argv[1:])
    with ThreadPoolExecutor(2) as pool:  # the child processes run side by side
        for path, outcome in zip(engines, pool.map(lambda path: try_engine(path, cache), engines), strict=True):
            sys.stdout.write(f"{path} {outcome}\n")


if __name__ == "__main__":
    main()
