"""The interface that the builder of every kind of engine implements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol, TypeAlias

from mnv2_engines.building.request import BuildRequest
from mnv2_engines.building.verification import Verification
from mnv2_engines.engine.facts import GoldenTest, TensorRtFacts
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import CompiledModel

__all__ = ["BuildProgress", "Candidate", "EngineBuilder", "versions_of"]

BuildProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (read, calibrate, quantise, write, build, layers, verify, explain, install), done, in all."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An engine that was made and measured, and is not installed yet."""

    engine: bytes
    preprocess: Preprocess
    """What the engine needs."""
    reference: CompiledModel
    """Holds the float network that it was compared with."""
    verification: Verification
    golden: GoldenTest
    runtimes: Mapping[str, str]
    """Versions of the libraries that took part."""
    doubts: tuple[str, ...] = ()
    """What may be to blame should it lose too much, in one sentence each."""
    tensorrt: TensorRtFacts | None = None
    final_operators: Mapping[str, str] = field(default_factory=dict)
    """Per output, where the engine file itself does not tell."""


class EngineBuilder(Protocol):
    """Builder of one kind of engine."""

    def build(self, request: BuildRequest, progress: BuildProgress) -> Candidate:
        """Make the engine and compare it with the float network, on the pictures for verification.

        Raises ModelError for a model that cannot be built, BuildError, BackendUnavailableError.
        """
        ...

    def check_first_load(self, path: Path) -> None:
        """Load an engine as a run will, its manifest beside it, and run its golden test. Raises EngineError."""
        ...


def versions_of(*distributions: str) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    return {name: version for name in distributions if (version := _version(name))}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
