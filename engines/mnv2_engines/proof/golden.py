"""The golden test: one input of an engine with its outputs, compared when the engine runs again."""

import hashlib
import logging
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np

from mnv2_engines.backends import BackendReport
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.facts import DeviceFacts, GoldenOutput, GoldenTest
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import CorruptEngineError, StaleEngineError
from mnv2_engines.tensors import DTYPES, DTypeName, TensorArray, TensorSpec, UInt8Array

__all__ = [
    "RawBackend",
    "check_golden",
    "golden_input",
    "record_golden",
    "shrink_picture",
    "test_card",
]

_log = logging.getLogger(__name__)

_SIDE_PX: Final = 32
"""The kept picture's longer side: 3 kB as int8, and still a picture."""
_WHOLE: Final = frozenset({"int8", "uint8", "int32", "int64", "bool"})
_CLASSES: Final = frozenset({"int32", "int64"})
_OTHER_CLASSES: Final = 0.1
"""Share of an ArgMax' class numbers that other kernels may change: a segmenter's edges move by a pixel."""
_KEPT: Final = 4096
"""How many numbers of an output are kept at most; the hash covers all of them."""
_INT_DB: Final = 8.0
"""What two sets of int8 kernels must have in common: XNNPACK and the built-in kernels were 12.5 dB apart at worst (60
pictures, a network of 1001 classes); a network with one layer destroyed is below 3 dB."""
_FLOAT_DB: Final = 40.0
"""The same for float kernels, which differ by rounding alone (100 dB and more)."""
_QUIET_STEPS: Final = 2
"""Integers that far apart are close whatever the ratio says: an output may be next to silent."""


@runtime_checkable
class RawBackend(Protocol):
    """What the golden test needs of a backend."""

    @property
    def input_spec(self) -> TensorSpec:
        """Describe the one picture that the network takes."""
        ...

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Describe the outputs."""
        ...

    def infer_raw(self, buffer: TensorArray) -> list[TensorArray]:
        """Run the network and return the outputs as its file has them."""
        ...

    def report(self) -> BackendReport:
        """Return what runs the network."""
        ...


def shrink_picture(picture: UInt8Array) -> UInt8Array:
    """Return a thumbnail of a picture (height x width x 3) by averaging blocks, at most 32 pixels a side."""
    step = max(1, -(-max(picture.shape[:2]) // _SIDE_PX))
    height, width = (max(1, size // step) for size in picture.shape[:2])
    rows, columns = min(step, picture.shape[0]), min(step, picture.shape[1])
    blocks = picture[: height * rows, : width * columns].reshape(height, rows, width, columns, 3)
    thumbnail: UInt8Array = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return thumbnail


def test_card(height: int, width: int) -> UInt8Array:
    """Return a picture of color ramps, for the golden test of an engine that is built without pictures."""
    down, right = np.mgrid[0:height, 0:width]
    ramps = (255 * down // max(1, height - 1), 255 * right // max(1, width - 1), (down + right) * 8 % 256)
    return np.stack(ramps, axis=-1).astype(np.uint8)


def record_golden(backend: RawBackend, picture: TensorArray, device: DeviceFacts) -> GoldenTest:
    """Run the engine on a small picture and keep both.

    `picture` is [height, width, 3], already in the numbers and the dtype of the engine's input.
    """
    spec = backend.input_spec
    small = np.ascontiguousarray(picture, DTYPES[spec.dtype])
    outputs = backend.infer_raw(_enlarge(small, spec))
    return GoldenTest(
        dtype=spec.dtype,
        height=small.shape[0],
        width=small.shape[1],
        picture=_bytes(small),
        outputs=tuple(_keep(out.name, raw) for out, raw in zip(backend.output_specs, outputs, strict=True)),
        runtime=backend.report().runtime,
        machine=device.machine,
        fingerprint=device.fingerprint,
    )


def check_golden(backend: RawBackend, golden: GoldenTest, name: str, device: DeviceFacts | None = None) -> None:
    """Run the golden test; `name` is the engine's in messages, `device` this machine.

    The same runtime on the same kind of machine must repeat every bit (floats: on the same CPU). Elsewhere the
    kernels may round differently, and the outputs must be close; that is logged. Raises CorruptEngineError when bits
    differ that must not, StaleEngineError when another runtime makes something else of the picture.
    """
    here = device or describe_device()
    report = backend.report()
    runtime = report.runtime
    mend = how_to_rebuild(Path(name))
    try:
        outputs = backend.infer_raw(golden_input(golden, backend.input_spec))
    except ValueError as exc:
        raise CorruptEngineError(f"{name} does not fit its golden test ({exc}): {mend}") from exc
    if len(outputs) != len(golden.outputs):
        raise CorruptEngineError(
            f"{name} has {len(outputs)} outputs, its golden test was recorded with {len(golden.outputs)}: {mend}"
        )
    wrong = [kept.name for kept, raw in zip(golden.outputs, outputs, strict=True) if not _equal(kept, raw)]
    if not wrong:
        return
    if report.backend != "tensorrt" and _same_arithmetic(golden, runtime, here):  # a GPU need not repeat every bit
        raise CorruptEngineError(f"{name} fails its golden test: output {wrong[0]!r} differs on {runtime}: {mend}")
    least_db = _INT_DB if golden.dtype in _WHOLE else _FLOAT_DB
    far = [kept.name for kept, raw in zip(golden.outputs, outputs, strict=True) if not _close(kept, raw, least_db)]
    built = f"{golden.runtime} on {golden.machine}"
    if far:
        raise StaleEngineError(
            f"{name} was verified with {built}; {runtime} on {here.machine} makes something else of output {far[0]!r}: "
            f"{mend}"
        )
    _log.info("%s was verified with %s; on this machine its golden test is close, not equal", name, built)


def golden_input(golden: GoldenTest, spec: TensorSpec) -> TensorArray:
    """Return the golden picture enlarged to the engine's input. Raises ValueError when it does not fit it."""
    dtype = np.dtype(DTYPES[golden.dtype]).newbyteorder("<")
    if golden.dtype != spec.dtype or spec.layout == "flat":
        raise ValueError(f"the input is {spec.dtype} {spec.layout}, the picture {golden.dtype}")
    small = np.frombuffer(golden.picture, dtype).reshape(golden.height, golden.width, 3)
    return _enlarge(small.astype(DTYPES[spec.dtype]), spec)


def _enlarge(small: TensorArray, spec: TensorSpec) -> TensorArray:
    height, width = spec.size_hw
    rows = np.arange(height) * small.shape[0] // height
    columns = np.arange(width) * small.shape[1] // width
    large = small[rows][:, columns]
    if spec.layout == "NCHW":
        large = large.transpose(2, 0, 1)
    return np.ascontiguousarray(large[np.newaxis])


def _keep(name: str, raw: TensorArray) -> GoldenOutput:
    flat = raw.reshape(-1)
    stride = max(1, -(-flat.size // _KEPT))
    return GoldenOutput(
        name=name,
        dtype=_dtype_name(flat),
        count=flat.size,
        stride=stride,
        values=_bytes(flat[::stride]),
        sha256=hashlib.sha256(_bytes(flat)).hexdigest(),
    )


def _dtype_name(array: TensorArray) -> DTypeName:
    return next(name for name, dtype in DTYPES.items() if array.dtype == dtype)


def _bytes(array: TensorArray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _same_arithmetic(golden: GoldenTest, runtime: str, here: DeviceFacts) -> bool:
    """Return whether every bit must be the same: floats, a softmax behind int8 layers among them, depend on the CPU."""
    if golden.runtime != runtime or golden.machine != here.machine:
        return False
    whole_numbers = golden.dtype in _WHOLE and all(kept.dtype in _WHOLE for kept in golden.outputs)
    return whole_numbers or golden.fingerprint == here.fingerprint


def _equal(kept: GoldenOutput, raw: TensorArray) -> bool:
    return hashlib.sha256(_bytes(raw.reshape(-1))).hexdigest() == kept.sha256


def _close(kept: GoldenOutput, raw: TensorArray, least_db: float) -> bool:
    if raw.size != kept.count or _dtype_name(raw) != kept.dtype:
        return False
    expected = np.frombuffer(kept.values, np.dtype(DTYPES[kept.dtype]).newbyteorder("<")).astype(np.float64)
    got = raw.reshape(-1)[:: kept.stride].astype(np.float64)
    error = got - expected
    if kept.dtype in _CLASSES:
        return float((error != 0.0).mean()) <= _OTHER_CLASSES
    integers = kept.dtype in _WHOLE
    if integers and float(np.abs(error).max()) <= _QUIET_STEPS:
        return True
    spread = expected - np.median(expected) if integers else expected  # whatever the zero point is
    signal, noise = float(np.square(spread).sum()), float(np.square(error).sum())
    if noise == 0.0:
        return True
    return signal > 0.0 and 10.0 * np.log10(signal / noise) >= least_db
