"""The golden test, on a backend that computes: it sums colours with a rounding that can be changed."""

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from mnv2_engines.backends import BackendReport
from mnv2_engines.engine.facts import DeviceFacts
from mnv2_engines.errors import CorruptEngineError, StaleEngineError
from mnv2_engines.proof.golden import check_golden, golden_input, record_golden, shrink_picture
from mnv2_engines.tensors import Quantization, TensorSpec

HERE = DeviceFacts(machine="aarch64", board="b", cpu="c", fingerprint="1" * 16)
NEWER_CPU = msgspec.structs.replace(HERE, fingerprint="2" * 16)
RNG = np.random.default_rng(7)
PICTURE = RNG.integers(-128, 128, (8, 8, 3), np.int8)


@dataclass
class Rows:
    """Give the mean of each row of pixels, plus `noise`, as one output per channel."""

    dtype: str = "int8"
    noise: float = 0.0
    runtime: str = "litert 1"
    size: int = 20
    float_tail: bool = False

    @property
    def input_spec(self) -> TensorSpec:
        return TensorSpec("in", (1, self.size, self.size, 3), self.dtype, "NHWC", Quantization(1 / 127.5, -1))

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name, (1, self.size), self.dtype) for name in "rgb")

    def infer_raw(self, buffer: np.ndarray) -> list[np.ndarray]:
        rows = buffer[0].astype(np.float64).mean(axis=1)
        wrong = rows + self.noise * np.random.default_rng(1).standard_normal(rows.shape)
        if self.dtype == "int8":
            wrong = np.clip(np.rint(wrong), -128, 127)
        if self.float_tail:
            wrong = wrong / 7.0
        dtype = "float32" if self.float_tail else self.dtype
        return [wrong[np.newaxis, :, channel].astype(dtype) for channel in range(3)]

    def report(self) -> BackendReport:
        return BackendReport("rows", self.runtime, "CPU", accelerated=True)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_same_arithmetic_must_repeat_every_bit(dtype: str) -> None:
    golden = record_golden(Rows(dtype), PICTURE, HERE)
    check_golden(Rows(dtype), golden, "net", HERE)
    with pytest.raises(CorruptEngineError, match="'r' differs on litert 1"):
        check_golden(Rows(dtype, noise=1.0), golden, "net", HERE)


def test_another_runtime_may_round_differently(caplog) -> None:
    golden = record_golden(Rows(), PICTURE, HERE)
    with caplog.at_level("INFO"):
        check_golden(Rows(noise=1.0, runtime="litert 2"), golden, "net", HERE)
    assert "close, not equal" in caplog.text


def test_another_runtime_may_not_make_something_else_of_it() -> None:
    golden = record_golden(Rows(), PICTURE, HERE)
    with pytest.raises(StaleEngineError, match="litert 1 on aarch64; litert 2"):
        check_golden(Rows(noise=60.0, runtime="litert 2"), golden, "net", HERE)


def test_floats_may_differ_on_another_cpu_and_integers_may_not() -> None:
    check_golden(Rows("float32", noise=1e-4), record_golden(Rows("float32"), PICTURE, HERE), "net", NEWER_CPU)
    with pytest.raises(CorruptEngineError):
        check_golden(Rows(noise=1.0), record_golden(Rows(), PICTURE, HERE), "net", NEWER_CPU)


def test_a_float_tail_behind_int8_layers_depends_on_the_cpu_and_on_the_steps_before_it() -> None:
    golden = record_golden(Rows(float_tail=True), PICTURE, HERE)
    check_golden(Rows(float_tail=True, noise=3.0), golden, "net", NEWER_CPU)
    check_golden(Rows(float_tail=True, noise=3.0, runtime="litert 2"), golden, "net", HERE)
    with pytest.raises(CorruptEngineError):
        check_golden(Rows(float_tail=True, noise=3.0), golden, "net", HERE)
    with pytest.raises(StaleEngineError):
        check_golden(Rows(float_tail=True, noise=60.0), golden, "net", NEWER_CPU)


@dataclass
class Argmax(Rows):
    """Give class numbers: the brightest channel of each row."""

    moved: int = 0

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec("map", (1, self.size), "int64"),)

    def infer_raw(self, buffer: np.ndarray) -> list[np.ndarray]:
        classes = buffer[0].astype(np.int64).sum(axis=1).argmax(axis=1)
        classes[: self.moved] += 15
        return [classes[np.newaxis]]


def test_class_numbers_are_compared_by_how_many_differ() -> None:
    golden = record_golden(Argmax(size=40), PICTURE, HERE)
    check_golden(Argmax(size=40, moved=4, runtime="litert 2"), golden, "net", HERE)
    with pytest.raises(StaleEngineError):
        check_golden(Argmax(size=40, moved=5, runtime="litert 2"), golden, "net", HERE)


def test_a_huge_output_is_kept_in_part_and_compared_whole() -> None:
    golden = record_golden(Rows(size=5000), PICTURE, HERE)
    kept = golden.outputs[0]
    assert (kept.count, kept.stride) == (5000, 2)
    assert len(kept.values) == 2500
    whole = Rows(size=5000).infer_raw(golden_input(golden, Rows(size=5000).input_spec))[0]
    assert kept.sha256 == hashlib.sha256(whole.tobytes()).hexdigest()


def test_the_picture_is_enlarged_by_repetition() -> None:
    golden = record_golden(Rows(size=24), PICTURE, HERE)
    large = golden_input(golden, Rows(size=24).input_spec)
    assert large.shape == (1, 24, 24, 3)
    assert (large[0, ::3, ::3] == PICTURE).all()
    assert (large[0, 2::3, 2::3] == PICTURE).all()


def test_a_picture_for_another_input_is_refused() -> None:
    golden = record_golden(Rows("float32"), PICTURE, HERE)
    with pytest.raises(CorruptEngineError, match="does not fit its golden test"):
        check_golden(Rows("int8"), golden, "net", HERE)


def test_a_lost_output_is_refused() -> None:
    golden = record_golden(Rows(), PICTURE, HERE)
    fewer = msgspec.structs.replace(golden, outputs=golden.outputs[:2])
    with pytest.raises(CorruptEngineError, match="has 3 outputs"):
        check_golden(Rows(), fewer, "net", HERE)


@pytest.mark.parametrize(
    ("size", "thumbnail"), [((224, 224), (32, 32)), ((300, 300), (30, 30)), ((20, 24), (20, 24)), ((513, 100), (30, 5))]
)
def test_thumbnails_stay_small(size, thumbnail) -> None:
    picture = RNG.integers(0, 256, (*size, 3), np.uint8)
    small = shrink_picture(picture)
    assert small.shape == (*thumbnail, 3)
    step = -(-max(size) // 32)
    assert small[0, 0, 0] == pytest.approx(picture[:step, :step, 0].mean(), abs=0.51)
