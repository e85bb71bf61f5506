"""The operators of a TFLite graph that a delegate took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Delegation", "InterpreterNode", "read_delegation"]

_DELEGATE = "DELEGATE"
_HEAVY = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"})
"""Operators that are the network itself: behind the last delegate they are a loss, not post-processing."""
_TRANSPARENT = frozenset({"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE"})
"""Operators that change an output's form and not its meaning."""


@dataclass(frozen=True, slots=True)
class InterpreterNode:
    """One node as the interpreter lists it; a delegate is listed after the nodes that it replaces."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Delegation:
    """What runs where. The interpreter still lists the nodes that a delegate replaces, but never runs them."""

    delegates: int
    fallback: tuple[str, ...]
    """Operators that run outside of the delegate and before the last one, or that belong inside."""
    postprocess: tuple[str, ...]
    """Operators behind the last delegate."""
    final: tuple[str, ...]
    """Per output the operator that gives it its meaning."""

    @property
    def accelerated(self) -> bool:
        """Return True when exactly one delegate runs everything but post-processing."""
        return self.delegates == 1 and not self.fallback


def read_delegation(operators: Sequence[InterpreterNode], outputs: Sequence[int]) -> Delegation:
    """Follow the operators that really run back from the graph's outputs: one delegate makes a tensor alone."""
    original = {tensor: op for op in operators if op.name != _DELEGATE for tensor in op.outputs}
    makers = original | {tensor: op for op in operators if op.name == _DELEGATE for tensor in op.outputs}
    running = _reachable(makers, outputs)
    before_a_delegate = _reachable(makers, [tensor for op in running if op.name == _DELEGATE for tensor in op.inputs])
    plain = [op for op in running if op.name != _DELEGATE]
    fallback = [op for op in plain if op in before_a_delegate or op.name in _HEAVY]
    return Delegation(
        delegates=sum(op.name == _DELEGATE for op in running),
        fallback=tuple(dict.fromkeys(op.name for op in fallback)),
        postprocess=tuple(dict.fromkeys(op.name for op in plain if op not in fallback)),
        final=tuple(_meaning(original, tensor) for tensor in outputs),
    )


def _reachable(makers: Mapping[int, InterpreterNode], tensors: Sequence[int]) -> list[InterpreterNode]:
    found: dict[InterpreterNode, None] = {}
    waiting = list(tensors)
    while waiting:
        op = makers.get(waiting.pop())
        if op is not None and op not in found:
            found[op] = None
            waiting.extend(op.inputs)
    return list(found)


def _meaning(original: Mapping[int, InterpreterNode], tensor: int) -> str:
    op = original.get(tensor)
    while op is not None and op.name in _TRANSPARENT and op.inputs:
        behind = original.get(op.inputs[0])
        if behind is None:
            break
        op = behind
    return "" if op is None else op.name
