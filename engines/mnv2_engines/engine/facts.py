"""The facts that a manifest is made of: immutable, strictly decoded, one class a subject."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from mnv2_engines.preprocessing.preprocess import ColorOrder, Preprocess, ResizeKind, ResizePolicy
from mnv2_engines.tensors import DTypeName

__all__ = [
    "AcceptedLoss",
    "AgreementFacts",
    "CalibrationFacts",
    "DeviceFacts",
    "EngineKind",
    "FileFacts",
    "GoldenOutput",
    "GoldenTest",
    "LayerFacts",
    "OutputFacts",
    "Precision",
    "PreprocessFacts",
    "TensorRtFacts",
    "VerificationFacts",
]

EngineKind: TypeAlias = Literal["litert", "tensorrt"]
Precision: TypeAlias = Literal["int8", "fp16", "fp32"]
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Identity of one file by its bytes; `file` is its name, without folder."""

    file: str
    sha256: Sha256
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Identity of the machine that built the engine."""

    machine: str
    board: str
    cpu: str
    fingerprint: str


class TensorRtFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a TensorRT plan is bound to; an unknown value is an empty string."""

    tensorrt: str
    """`tensorrt.__version__`, for example `10.3.0`."""
    cuda: str
    """What the driver serves, for example `12.6`: the same whichever Python package asks."""
    l4t: str
    """For example `36.4.0`."""
    jetpack: str
    """For example `6.1`. Told, not compared: the package may come and go, and what matters of it is in the others."""
    gpu: str
    """For example `Orin`."""
    compute_capability: str
    """For example `8.7`."""


class PreprocessFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values of a Preprocess; mean and std are on the scale of pixels, 0 to 255."""

    color: ColorOrder
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: ResizeKind
    crop_fraction: float = 1.0

    @classmethod
    def of(cls, preprocess: Preprocess) -> "PreprocessFacts":
        """Hold `preprocess`."""
        return cls(
            color=preprocess.color,
            mean=preprocess.mean,
            std=preprocess.std,
            resize=preprocess.resize.kind,
            crop_fraction=preprocess.resize.fraction,
        )

    def value(self) -> Preprocess:
        """Return the Preprocess. Raises ContractError when the figures make no sense."""
        return Preprocess(self.color, self.mean, self.std, ResizePolicy(self.resize, self.crop_fraction))


class CalibrationFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures that set the quantisation ranges; `source` is the URI as given, without secrets."""

    source: str
    images: int


class OutputFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well one output follows the float network."""

    name: str
    sqnr_db: float | None
    """10 log10(signal / error), both summed over all pictures: those that the network is sure of weigh most.

    None when it is equal to the last bit, or holds class numbers."""
    mean_sqnr_db: float | None = None
    """Mean over the pictures that differ of each one's own ratio in dB: all weigh alike."""
    holds: Literal["reals", "classes"] = "reals"
    """Class numbers (ArgMax) have no noise: they are judged by their agreement."""


class LayerFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well one layer follows the float network; None means equal to the last bit."""

    name: str
    operator: str
    sqnr_db: float | None


class AgreementFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts of answers with the float network's top-1 class; near ties of the float network are left out."""

    unit: Literal["pictures", "pixels"]
    same: int
    judged: int
    near_ties: int
    lower_95: float | None
    """Lower end of the two-sided 95 % Clopper-Pearson interval of same / judged; None for pixels: neighbours are not
    independent."""

    @property
    def share(self) -> float:
        """Return same / judged, 1 when nothing was judged."""
        return self.same / self.judged if self.judged else 1.0


class VerificationFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured on pictures that calibration never saw."""

    source: str
    images: int
    outputs: tuple[OutputFacts, ...]
    layers: tuple[LayerFacts, ...]
    agreement: AgreementFacts | None
    accelerated: bool
    runtime: str


class GoldenOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One output of the golden test as the raw numbers of its tensor."""

    name: str
    dtype: DTypeName
    count: int
    stride: int
    """Every stride-th number is in `values`; 1 unless the output is huge."""
    values: bytes
    """Little-endian, base64 in JSON."""
    sha256: Sha256
    """Over all numbers of the output, little-endian, those that `values` leaves out included."""


class GoldenTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input and the outputs that the engine computed from it.

    `picture` is a small tensor, [height, width, 3] in the dtype of the engine's input; it is enlarged to the network's
    size by repeating rows and columns.
    """

    dtype: DTypeName
    height: int
    width: int
    picture: bytes
    outputs: tuple[GoldenOutput, ...]
    runtime: str
    """Library and version that made the outputs."""
    machine: str
    fingerprint: str


class AcceptedLoss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Record that an engine was installed although verification failed, and why it had failed."""

    reasons: tuple[str, ...]
    min_sqnr_db: float
    min_agreement: float
