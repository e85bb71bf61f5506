"""Comparison of an engine with the float network that it was made of, on pictures that calibration never saw."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.engine.facts import AgreementFacts, LayerFacts, OutputFacts, Precision, VerificationFacts
from mnv2_engines.parity import Noise, TopClasses, clopper_pearson, compare_classes
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import FloatArray, TensorSpec, UInt8Array

if TYPE_CHECKING:  # the compiler: who opens an engine asks this module for its classes, and compiles nothing
    from mnv2_engines.tflite import CompiledModel

__all__ = [
    "AccuracyLimits",
    "ClassAxis",
    "PictureNetwork",
    "PictureVerdict",
    "Verification",
    "class_axis",
    "class_count",
    "compare_networks",
    "find_faults",
    "probabilities",
    "verify",
]

_WHOLE: Final = frozenset({"int32", "int64"})
AS_IT_IS: Final = ResizePolicy("stretch")
"""Pictures have the network's size already: a crop would be a second one."""


@dataclass(frozen=True, slots=True)
class AccuracyLimits:
    """What an engine must reach to be installed.

    The defaults lie between what sound builds keep (three networks on pictures foreign to them, 16 to 50 for
    calibration: 18 dB and 91 % at worst) and what broken ones do (calibrated on one grey picture: at most 11.6 dB and
    39 %; on four, the ImageNet network: 2 dB and 44 %). docs/build-engine.md has the table.
    """

    sqnr_db: float = 15.0
    """Of every output that holds reals, over all pictures (`OutputFacts.sqnr_db`)."""
    agreement: float = 0.85
    """Share of the pictures (a segmenter: of the pixels) with the float network's top-1 class."""

    @classmethod
    def of(cls, precision: Precision) -> "AccuracyLimits":
        """Return the defaults for a precision: FP16 loses far less than int8, and float32 next to nothing.

        Five networks in FP16 kept 39 dB on the worst of their pictures (docs/decisions/0040).
        """
        if precision == "int8":
            return cls()
        return cls(sqnr_db=30.0, agreement=0.95) if precision == "fp16" else cls(sqnr_db=60.0, agreement=0.99)


@dataclass(frozen=True, slots=True)
class ClassAxis:
    """Where an output has its classes."""

    output: int
    axis: int | None
    """None: the output holds class numbers already (ArgMax)."""
    unit: Literal["pictures", "pixels"]


@dataclass(frozen=True, slots=True)
class PictureVerdict:
    """Comparison of both networks on one picture; class and score are a classifier's, None for a segmenter."""

    index: int
    """Of the picture among those that were given."""
    share: float
    """Of the judged positions with the same class: 0 or 1 for a classifier."""
    near_tie: bool
    float_class: int | None = None
    float_score: float | None = None
    engine_class: int | None = None
    engine_score: float | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was measured, and on which pictures the networks disagree."""

    facts: VerificationFacts
    pictures: tuple[PictureVerdict, ...]
    """Empty when the outputs are not classes."""
    confidence: float | None
    """Mean top-1 probability of the float network; None for anything but a classifier."""
    fallback_operators: tuple[str, ...]
    """What XNNPACK left to the plain kernels."""


_Progress: TypeAlias = Callable[[int, int], None]


def verify(
    compiled: "CompiledModel",
    pictures: Sequence[UInt8Array],
    *,
    source: str,
    task: str | None,
    layers: Sequence[LayerFacts] = (),
    threads: int = 1,
    progress: _Progress = lambda _done, _total: None,
) -> Verification:
    """Run both networks over pictures of the network's size, in the order of its colours.

    See `compare_networks`. Raises EngineError or InferenceError when LiteRT refuses either network.
    """
    with (
        contextlib.closing(LiteRtBackend(compiled.float_tflite, threads=threads)) as reference,
        contextlib.closing(LiteRtBackend(compiled.tflite, threads=threads)) as engine,
    ):
        return compare_networks(
            PictureNetwork(reference, compiled.float_preprocess),
            PictureNetwork(engine, compiled.preprocess),
            pictures,
            outputs=compiled.outputs,
            source=source,
            task=task,
            layers=layers,
            progress=progress,
        )


class PictureNetwork:
    """A network that takes pictures of its own size. The caller closes the backend."""

    def __init__(self, backend: Backend, preprocess: Preprocess) -> None:
        self.backend = backend
        self._color = preprocess.color
        self._preparer = FramePreparer(backend.input_spec, dataclasses.replace(preprocess, resize=AS_IT_IS))
        self._buffer = backend.allocate_input()

    def infer(self, picture: UInt8Array) -> Sequence[FloatArray]:
        """Return the outputs, which the next call overwrites; channels are in the order of the preprocess' colour."""
        self._preparer.prepare(picture, self._color, self._buffer)
        return self.backend.infer(self._buffer)


def compare_networks(
    reference: PictureNetwork,
    engine: PictureNetwork,
    pictures: Sequence[UInt8Array],
    *,
    outputs: Sequence[TensorSpec],
    source: str,
    task: str | None,
    layers: Sequence[LayerFacts] = (),
    progress: _Progress = lambda _done, _total: None,
) -> Verification:
    """Run both networks over pictures; `outputs` describes those of the reference, in its order.

    The engine's are matched by name where it has the same names. One picture's outputs are in memory at a time. `task`
    None guesses from the outputs whether they are classes. `layers` goes into the facts as it is. Raises
    InferenceError.
    """
    where = class_axis(outputs, task)
    noises = [Noise() for _ in outputs]
    judged: list[tuple[PictureVerdict, TopClasses]] = []
    confidences: list[float] = []
    order = _match([spec.name for spec in outputs], [spec.name for spec in engine.backend.output_specs])
    for index, picture in enumerate(pictures):
        progress(index, len(pictures))
        expected, found = reference.infer(picture), engine.infer(picture)
        got = [found[place] for place in order]
        for noise, wanted, made in zip(noises, expected, got, strict=True):
            noise.add(wanted, made)
        if where is not None:
            judged.append(_judge(index, expected[where.output], got[where.output], where, outputs))
            if where.unit == "pictures":
                confidences.append(float(probabilities(expected[where.output]).max()))
    progress(len(pictures), len(pictures))
    report = engine.backend.report()
    facts = VerificationFacts(
        source=source,
        images=len(pictures),
        outputs=tuple(
            OutputFacts(name=spec.name, sqnr_db=None, holds="classes")
            if spec.dtype in _WHOLE
            else OutputFacts(name=spec.name, sqnr_db=noise.sqnr_db, mean_sqnr_db=noise.mean_sqnr_db)
            for spec, noise in zip(outputs, noises, strict=True)
        ),
        layers=tuple(layers),
        agreement=_agreement([top for _, top in judged], where.unit) if where and judged else None,
        accelerated=report.accelerated,
        runtime=report.runtime,
    )
    return Verification(
        facts,
        tuple(verdict for verdict, _ in judged),
        float(np.mean(confidences)) if confidences else None,
        report.fallback_operators,
    )


def find_faults(found: Verification, limits: AccuracyLimits) -> tuple[str, ...]:
    """Return one sentence for each reason not to install an engine; empty when there is none."""
    facts = found.facts
    faults = [
        f"output {output.name!r} follows the float network to {output.sqnr_db:.1f} dB, {limits.sqnr_db:g} dB are needed"
        for output in facts.outputs
        if output.sqnr_db is not None and output.sqnr_db < limits.sqnr_db
    ]
    agreement = facts.agreement
    if agreement is not None and agreement.share < limits.agreement:
        faults.append(
            f"{agreement.same} of {agreement.judged} {agreement.unit} have the float network's class "
            f"({100 * agreement.share:.1f} %), {100 * limits.agreement:g} % are needed"
        )
    if not facts.accelerated:
        left = ", ".join(found.fallback_operators) or "all of it"
        faults.append(f"XNNPACK does not take the whole network on {facts.runtime}: plain kernels run {left}")
    return tuple(faults)


def class_axis(outputs: Sequence[TensorSpec], task: str | None) -> ClassAxis | None:
    """Find the classes in the outputs; None when the network gives something else (boxes, say)."""
    if task not in {None, "classify", "segment"} or len(outputs) != 1:
        return None
    spec = outputs[0]
    sides = [size for size in spec.shape[1:] if size > 1]
    if spec.dtype in _WHOLE:
        return ClassAxis(0, None, "pixels" if len(sides) > 1 else "pictures")
    if len(sides) == 1 and task != "segment":
        return ClassAxis(0, spec.shape.index(sides[0], 1), "pictures")
    if len(spec.shape) == 4 and task != "classify":
        return ClassAxis(0, 3 if spec.layout == "NHWC" else 1, "pixels")
    return None


def class_count(outputs: Sequence[TensorSpec], task: str | None) -> int | None:
    """Return how many classes the outputs tell apart; None when their shapes do not say."""
    where = class_axis(outputs, task)
    return None if where is None or where.axis is None else outputs[where.output].shape[where.axis]


def probabilities(scores: FloatArray) -> FloatArray:
    """Return one classifier's output as probabilities, by softmax where it is not one already."""
    flat = scores.reshape(-1).astype(np.float64)
    if flat.min() < 0.0 or abs(flat.sum() - 1.0) > 0.05:
        flat = np.exp(flat - flat.max())
        flat /= flat.sum()
    return flat.astype(np.float32)


def _match(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """Return where each wanted output is among the given ones; their own order when the names are others."""
    if sorted(wanted) == sorted(given):
        return [given.index(name) for name in wanted]
    return list(range(len(given)))


def _judge(
    index: int, expected: FloatArray, got: FloatArray, where: ClassAxis, outputs: Sequence[TensorSpec]
) -> tuple[PictureVerdict, TopClasses]:
    if where.axis is None:
        wanted, made = expected.reshape(-1).astype(np.intp), got.reshape(-1).astype(np.intp)
        top = TopClasses(wanted, made, np.zeros(wanted.shape, np.bool_))
    else:
        quantization = outputs[where.output].quantization
        top = compare_classes(expected, got, where.axis, quantization.scale if quantization else 0.0)
    share = top.same / top.judged if top.judged else 1.0
    if where.unit == "pixels" or where.axis is None:
        return PictureVerdict(index, share, near_tie=top.judged == 0), top
    reference_class, engine_class = int(top.expected[0]), int(top.got[0])
    return PictureVerdict(
        index,
        float(reference_class == engine_class),
        near_tie=bool(top.near_tie[0]),
        float_class=reference_class,
        float_score=float(probabilities(expected)[reference_class]),
        engine_class=engine_class,
        engine_score=float(probabilities(got)[engine_class]),
    ), top


def _agreement(tops: Sequence[TopClasses], unit: Literal["pictures", "pixels"]) -> AgreementFacts:
    same, judged = sum(top.same for top in tops), sum(top.judged for top in tops)
    return AgreementFacts(
        unit=unit,
        same=same,
        judged=judged,
        near_ties=sum(top.near_tie.size for top in tops) - judged,
        lower_95=clopper_pearson(same, judged)[0] if unit == "pictures" else None,
    )
