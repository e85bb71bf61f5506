"""The interface that every builder of engines implements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol, TypeAlias

from mnv2_engines.backends import Backend
from mnv2_engines.building.request import BuildRequest
from mnv2_engines.building.verification import Verification
from mnv2_engines.engine.facts import GoldenTest
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import TensorSpec

__all__ = ["BuildProgress", "Candidate", "EngineBuilder", "FloatNetwork", "versions_of"]

BuildProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (read, calibrate, quantise, write, build, layers, verify, explain, install), done, in all."""


class FloatNetwork(Protocol):
    """The network as its ONNX file defines it; `mnv2_engines.tflite.compile_model` gives one for any."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Describe the outputs, in ONNX's order, names and layout."""
        ...

    @property
    def float_preprocess(self) -> Preprocess:
        """Return what the network was trained with."""
        ...

    def open_float(self, threads: int = 1) -> Backend:
        """Open it in float32; the caller closes it. Raises BackendUnavailableError, EngineError."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An engine that was made and measured, and is not installed yet."""

    engine: bytes
    preprocess: Preprocess
    """What the engine needs."""
    reference: FloatNetwork
    """What it was compared with."""
    verification: Verification
    golden: GoldenTest
    runtimes: Mapping[str, str]
    """Versions of the libraries that took part."""
    doubts: tuple[str, ...] = ()
    """What may be to blame should it lose too much, in one sentence each."""
    bound_to: Mapping[str, str] = field(default_factory=dict)
    """See `Manifest.bound_to`; empty for a portable engine."""
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
