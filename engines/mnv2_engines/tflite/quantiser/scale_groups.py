"""ScaleGroups of activations that must have one scale (union-find), and scales that are fixed from outside."""

from collections.abc import Iterable, Mapping

from mnv2_engines.tflite.graph import Scales, Tensor

__all__ = ["ScaleGroups"]


class ScaleGroups:
    """ScaleGroups of activations; each group has at most one fixed scale."""

    def __init__(self, pinned: Mapping[Tensor, Scales]) -> None:
        self._pins = dict(pinned)
        self._parents: dict[Tensor, Tensor] = {}

    def root(self, tensor: Tensor) -> Tensor:
        """Return the tensor that stands for the group."""
        while tensor in self._parents:
            tensor = self._parents[tensor]
        return tensor

    def pin(self, tensor: Tensor, scales: Scales) -> None:
        """Fix a group's scales unless they are fixed already."""
        self._pins.setdefault(self.root(tensor), scales)

    def pinned(self, tensor: Tensor) -> Scales | None:
        """Return a group's fixed scales."""
        return self._pins.get(self.root(tensor))

    def join(self, left: Tensor, right: Tensor) -> None:
        """Make two groups one, unless both are fixed and differ."""
        a, b = self.root(left), self.root(right)
        pin_a, pin_b = self._pins.get(a), self._pins.get(b)
        if a is b or (pin_a is not None and pin_b is not None and not pin_a.matches(pin_b)):
            return
        self._parents[b] = a
        if pin_b is not None:
            self._pins[a] = pin_b

    def members(self, tensors: Iterable[Tensor]) -> dict[Tensor, list[Tensor]]:
        """Sort tensors into their groups, by root."""
        found: dict[Tensor, list[Tensor]] = {}
        for tensor in tensors:
            found.setdefault(self.root(tensor), []).append(tensor)
        return found
