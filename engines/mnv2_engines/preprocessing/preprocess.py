"""What a network expects of its picture: colour order, mean, std, and how a frame is fitted to its size."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mnv2_engines.errors import ContractError

__all__ = ["ColorOrder", "Preprocess", "ResizeKind", "ResizePolicy", "ResizeQuality"]

ColorOrder: TypeAlias = Literal["RGB", "BGR"]
ResizeKind: TypeAlias = Literal["stretch", "center-crop", "letterbox"]
ResizeQuality: TypeAlias = Literal["antialias", "fast"]

_KINDS: dict[str, ResizeKind] = {"stretch": "stretch", "center-crop": "center-crop", "letterbox": "letterbox"}


@dataclass(frozen=True, slots=True)
class ResizePolicy:
    """Which part of a frame the network sees, and whether its proportions are kept."""

    kind: ResizeKind = "center-crop"
    fraction: float = 1.0
    """Share of the largest centred crop that is kept, 0 < fraction <= 1; only `center-crop` uses it.

    Training recipes that resize to 256 and crop 224 see 0.875 of the square.
    """

    def __post_init__(self) -> None:
        if not 0.0 < self.fraction <= 1.0:
            raise ContractError(f"crop fraction {self.fraction} is out of range: expected 0 < FRACTION <= 1")
        if self.kind != "center-crop" and self.fraction != 1.0:
            raise ContractError(f"{self.kind}:{self.fraction} has no meaning: only center-crop takes a fraction")

    @classmethod
    def parse(cls, text: str) -> "ResizePolicy":
        """Read ``stretch``, ``center-crop``, ``center-crop:FRACTION`` or ``letterbox``.

        Raises ContractError for anything else.
        """
        kind, colon, number = text.partition(":")
        if kind not in _KINDS:
            raise ContractError(f"resize {text!r} is unknown: expected stretch, center-crop[:FRACTION] or letterbox")
        try:
            fraction = float(number) if colon else 1.0
        except ValueError as exc:
            raise ContractError(f"crop fraction {number!r} is not a number: expected e.g. center-crop:0.875") from exc
        return cls(_KINDS[kind], fraction)

    def __str__(self) -> str:
        return self.kind if self.fraction == 1.0 else f"{self.kind}:{self.fraction:g}"


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How pixels become the network's input: ``real = (pixel - mean) / std`` per channel.

    Pixels run from 0 to 255, so mean and std are on that scale, not on 0 to 1 (ImageNet's torchvision mean is
    123.675, 116.28, 103.53). Channels are in the order of `color`.
    """

    color: ColorOrder = "RGB"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    resize: ResizePolicy = ResizePolicy()

    def __post_init__(self) -> None:
        if not all(math.isfinite(mean) for mean in self.mean):
            raise ContractError(f"mean {self.mean} is out of range: every channel must be a finite number")
        if not all(math.isfinite(std) and std > 0.0 for std in self.std):
            raise ContractError(f"std {self.std} is out of range: every channel must be above 0")
