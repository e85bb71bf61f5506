"""The interface that every backend implements; a backend runs an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mnv2_engines.tensors import FloatArray, TensorArray, TensorSpec

__all__ = ["Backend", "BackendReport"]


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What really runs the network."""

    backend: str
    """For example `litert`."""
    runtime: str
    """Library and version, for example `ai-edge-litert 2.3.0`."""
    device: str
    """Where it runs, for example `CPU, 4 threads`."""
    accelerated: bool
    """True when the accelerator took every operator but the post-processing ones."""
    fallback_operators: tuple[str, ...] = ()
    """Operators before or between accelerated ones that the plain kernels run: the reason when not `accelerated`."""
    postprocess_operators: tuple[str, ...] = ()
    """Operators behind the last accelerated one: named, no reason to warn."""
    hint: str = ""
    """What to do about it when not `accelerated`."""
    final_operators: tuple[str, ...] = field(default=())
    """Per output the operator that makes it (`SOFTMAX`, `FULLY_CONNECTED`, ...), so that a task need not guess."""


class Backend(Protocol):
    """Runner of one engine. Not thread-safe: one thread calls `infer`; any thread may fill a buffer that it holds."""

    @property
    def input_spec(self) -> TensorSpec:
        """Describe the one picture that the network takes."""
        ...

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Describe the outputs, in the model's order, as `infer` returns them (dequantised)."""
        ...

    def allocate_input(self) -> TensorArray:
        """Return a new buffer of `input_spec`'s shape and dtype that `infer` takes without a copy of its own making.

        The caller may write to it from any thread while it is not in `infer`. It lives until `close`.
        """
        ...

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        """Run the network on a buffer from `allocate_input`; return its outputs in `output_specs`' order.

        They are float32, dequantised.
        The returned arrays are overwritten by the next call. Raises InferenceError.
        """
        ...

    def report(self) -> BackendReport:
        """Return what runs the network and whether it is accelerated."""
        ...

    def close(self) -> None:
        """Free the engine; every buffer becomes invalid. Safe to call twice."""
        ...
