"""The request for a build, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mnv2_engines.building.verification import AccuracyLimits, Verification
from mnv2_engines.engine.facts import EngineKind, Precision
from mnv2_engines.engine.manifest import Manifest
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import BuildError, VerificationError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensorrt.builder import OPTIMIZATION_LEVEL, WORKSPACE_MIB
from mnv2_engines.tensors import UInt8Array

__all__ = ["BuildRequest", "BuildResult", "Pictures", "hold_out"]

_HOLD_BACK_EVERY: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures for calibration or verification, and where they come from.

    Each is uint8 [height, width, 3] of the network's size, channels in the order of the preprocess' colour, as
    `frame_path.fit_picture` makes them.
    """

    source: str
    """Goes into the manifest: no secrets."""
    items: Sequence[UInt8Array]


@dataclass(frozen=True, slots=True, eq=False)
class BuildRequest:
    """What to build, from what, and how good it must be."""

    model: Path
    output: Path
    preprocess: Preprocess
    """What the model was trained with."""
    calibration: Pictures
    validation: Pictures
    """Verification judges by these, and the golden test is made of the first one (of a test card when there is none).

    LiteRT's float engine is the reference itself: it is not judged by pictures."""
    name: str
    target: EngineKind = "litert"
    precision: Precision = "int8"
    """LiteRT engines are int8 or fp32, TensorRT's fp16 or fp32."""
    task: str | None = None
    labels: tuple[str, ...] | None = None
    detection: DetectionFacts | None = None
    """How a detector's outputs are to be read; goes into the manifest. So does the next."""
    segmentation: SegmentationFacts | None = None
    limits: AccuracyLimits = field(default_factory=AccuracyLimits)
    accept_loss: bool = False
    private: bool = False
    """Whether no picture may stay: the golden test is made of a test card, and a store keeps none of the above."""
    threads: int = 1
    cache_dir: Path | None = None
    """Where it is remembered that the engine has passed its first load (see `selftest`), and what TensorRT timed."""
    workspace_mib: int = WORKSPACE_MIB
    """TensorRT alone: what a layer may use for itself while it runs."""
    optimization_level: int = OPTIMIZATION_LEVEL
    """TensorRT alone, 0 to 5: how long it looks for faster kernels."""

    def golden_picture(self) -> UInt8Array | None:
        """Return the picture that the golden test is made of; None for a test card."""
        return None if self.private or not self.validation.items else self.validation.items[0]


@dataclass(frozen=True, slots=True, eq=False)
class BuildResult:
    """Result of a build: an installed engine, or a candidate that was put aside."""

    path: Path
    """The engine, or the candidate: `FILE.rejected.tflite` or `.plan`."""
    installed: bool
    manifest: Manifest
    verification: Verification
    faults: tuple[str, ...]
    """Why it failed verification; with `accept_loss` it is installed all the same."""
    causes: tuple[str, ...]
    """The likeliest causes of the faults; without faults, doubts about the pictures or the contract."""
    seconds: dict[str, float]
    """How long each phase took."""

    def require_installed(self) -> Path:
        """Return the engine's path. Raises VerificationError that says what was lost and why, one fact a line."""
        if self.installed:
            return self.path
        lines = [*self.faults, *(f"likely cause: {cause}" for cause in self.causes)]
        lines.append(f"the candidate is kept as {self.path}; `--accept-loss` installs it all the same")
        raise VerificationError("\n".join(lines))


def hold_out(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Split pictures into those for calibration and those for verification: every fifth, at least the last one.

    Raises BuildError for fewer than two.
    """
    count = len(pictures.items)
    if count < 2:
        raise BuildError(
            f"{pictures.source} gave {count} picture{'s' * (count != 1)}: at least 2 are needed, one to calibrate on "
            "and one to verify with; 50 to 100 make a good engine"
        )
    held = set(range(_HOLD_BACK_EVERY - 1, count, _HOLD_BACK_EVERY)) or {count - 1}
    kept = [item for index, item in enumerate(pictures.items) if index not in held]
    back = [item for index, item in enumerate(pictures.items) if index in held]
    return Pictures(pictures.source, kept), Pictures(f"{pictures.source} (every 5th, held back)", back)
