"""Inference of single pictures, on the way that a camera's frames go: read, fit, infer, decode."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from mnv2_edge.errors import SourceError
from mnv2_edge.inference.network import Network
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.files.pictures import read_picture
from mnv2_engines.evaluation.result import EvaluatedEngine, UnreadablePicture
from mnv2_engines.predictions import Findings
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.printable import printable
from mnv2_engines.tensors import UInt8Array

__all__ = ["Labelled", "PictureInference", "PictureReader", "Progress", "describe_network"]

Progress: TypeAlias = Callable[[int, int], None]
_Truth = TypeVar("_Truth")
Labelled: TypeAlias = tuple[Path, _Truth]
"""A picture file and what is true of it."""


class PictureInference:
    """Inference of one network on single pictures, as `run` does it on frames."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._preparer = network.make_preparer()
        self._buffer = network.backend.allocate_input()

    def look(self, pixels: UInt8Array) -> tuple[Findings, View]:
        """Return what the network says of a BGR picture, and which part of it it sees."""
        view = self._preparer.prepare(pixels, "BGR", self._buffer)
        return self._network.task.decode(self._network.backend.infer(self._buffer), view), view


class PictureReader:
    """Reader of pictures, one by one, with a count of those that cannot be read."""

    def __init__(self, root: Path, progress: Progress, limits: PictureLimits = DEFAULT_LIMITS) -> None:
        self._root = root
        self._limits = limits
        self._progress = progress
        self.unreadable: list[UnreadablePicture] = []

    def read(self, pictures: Sequence[Labelled[_Truth]]) -> Iterator[tuple[str, UInt8Array, _Truth]]:
        """Yield the name below the data's folder, upright BGR pixels, and the truth.

        Raises SourceError at the end when there were pictures and none could be read.
        """
        for done, (path, truth) in enumerate(pictures):
            self._progress(done, len(pictures))
            name = self.name(path)
            try:
                pixels = read_picture(path, self._limits)
            except SourceError as exc:
                self.unreadable.append(UnreadablePicture(name, printable(str(exc))))
                continue
            yield name, pixels, truth
        self._progress(len(pictures), len(pictures))
        if len(self.unreadable) == len(pictures):
            first = self.unreadable[0].reason if self.unreadable else "there is none"
            raise SourceError(f"none of {len(pictures)} pictures can be read; the first: {first}")

    def name(self, path: Path) -> str:
        """Return a picture's path below the data's folder, fit for a terminal: file names may hold any bytes."""
        below = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        return printable(str(below).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def describe_network(network: Network) -> EvaluatedEngine:
    """Return what a result says about the network."""
    return EvaluatedEngine(network.engine_id, network.backend.report().runtime, network.preprocess)
