"""TensorRT's timings, kept: a second build on the same GPU takes seconds instead of minutes."""

import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.errors import DiskError
from mnv2_engines.files.regular_file import ENGINE_LIMIT, read_regular

__all__ = ["TimingCache"]

_log = logging.getLogger(__name__)


class TimingCache:
    """One file of timings for one GPU, as one TensorRT on one CUDA has timed it.

    So two GPUs in one machine, or boards that share a home, keep theirs apart. What differs behind one name, as the
    boards do that all are an `Orin`, TensorRT itself refuses. The file can be made again: whatever is wrong with it or
    its folder costs time, never the build. Two builds at once lose nothing: the second adds to what the first wrote.
    """

    def __init__(self, facts: TensorRtFacts, folder: Path) -> None:
        parts = (facts.tensorrt, f"cuda{facts.cuda}", facts.gpu, facts.compute_capability)
        name = "-".join(re.sub(r"[^\w.]", "_", part) for part in parts)
        self.path = folder / "tensorrt" / f"timings-{name}.bin"

    def load(self, config: Any) -> None:  # noqa: ANN401 - TensorRT has no types
        """Give the file's timings to an `IBuilderConfig`, or an empty cache that it fills."""
        timings = self._read()
        if timings and not _give(config, timings):
            _log.warning("%s does not fit this TensorRT or GPU, or is damaged: it is made anew", self.path)
            timings = b""
        if not timings:
            _give(config, b"")

    def save(self, config: Any) -> None:  # noqa: ANN401 - TensorRT has no types
        """Add the timings of an `IBuilderConfig` to the file; a folder that cannot be written is logged."""
        cache = config.get_timing_cache()
        if cache is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_suffix(".lock")):
                others = self._read()
                if others:
                    newer = config.create_timing_cache(others)
                    if newer is not None:
                        cache.combine(newer, False)  # noqa: FBT003 - pybind11 takes it by place
                serialized = cache.serialize()
                if serialized is not None:
                    _replace(self.path, bytes(serialized))
        except OSError as exc:
            _log.warning("%s cannot be written (%s): the next build times everything again", self.path, exc.strerror)

    def _read(self) -> bytes:
        try:
            return read_regular(self.path, ENGINE_LIMIT)
        except (OSError, DiskError):  # none yet, or another user's
            return b""


def _give(config: Any, timings: bytes) -> bool:  # noqa: ANN401 - TensorRT has no types
    cache = config.create_timing_cache(timings)
    return cache is not None and bool(config.set_timing_cache(cache, False))  # noqa: FBT003 - ignore no mismatch


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
