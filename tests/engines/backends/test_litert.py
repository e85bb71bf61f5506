import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mnv2_engines.backends.litert import LiteRtBackend, default_threads, open_litert
from mnv2_engines.errors import EngineError, InferenceError
from mnv2_engines.tensors import Quantization


@pytest.fixture(scope="module")
def coral(shared: Path) -> Path:
    return shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"


def test_specs_hold_names_shapes_and_quantisation(coral: Path) -> None:
    backend = open_litert(coral, threads=1)
    assert backend.input_spec.shape == (1, 224, 224, 3)
    assert (backend.input_spec.dtype, backend.input_spec.layout) == ("uint8", "NHWC")
    assert backend.input_spec.quantization == Quantization(0.0078125, 128)
    assert [spec.shape for spec in backend.output_specs] == [(1, 1001)]
    assert backend.output_specs[0].quantization == Quantization(0.00390625, 0)
    backend.close()


def test_outputs_are_dequantised(coral: Path) -> None:
    backend = open_litert(coral, threads=1)
    buffer = backend.allocate_input()
    buffer[:] = np.random.default_rng(0).integers(0, 256, buffer.shape)
    (scores,) = backend.infer(buffer)
    (raw,) = backend.infer_raw(buffer)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, raw.astype(np.float32) / 256.0, atol=1e-7)
    assert 0.5 < scores.sum() < 1.1  # noise: many scores are below half a step


def test_the_report_names_what_xnnpack_left(coral: Path) -> None:
    report = open_litert(coral, threads=2).report()
    assert report.device == "CPU, 2 threads"
    assert not report.accelerated
    assert report.fallback_operators == ("AVERAGE_POOL_2D",)  # XNNPACK has no uint8 average pooling
    assert report.postprocess_operators == ("SOFTMAX",)
    assert report.final_operators == ("SOFTMAX",)
    assert "build-engine" in report.hint


def test_bytes_are_taken_as_well_as_a_path(coral: Path) -> None:
    backend = LiteRtBackend(coral.read_bytes())
    assert backend.input_spec.size_hw == (224, 224)


def test_a_name_need_not_be_utf_8(coral: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.tflite")
    shutil.copy(coral, path)
    with closing(LiteRtBackend(path)) as backend:
        assert backend.input_spec.dtype == "uint8"


@pytest.mark.parametrize("content", [b"", b"no flatbuffer at all", b"\x18\0\0\0TFL3" + bytes(64)])
def test_what_is_no_flatbuffer_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"broken\.tflite is not an engine") as caught:
        open_litert(path, threads=1)
    assert "\n" not in str(caught.value)


def test_a_wrong_buffer_and_a_closed_engine_are_inference_errors(coral: Path) -> None:
    backend = open_litert(coral, threads=1)
    with pytest.raises(InferenceError, match="could not run"):
        backend.infer(np.zeros((1, 10, 10, 3), np.uint8))
    backend.close()
    backend.close()
    with pytest.raises(InferenceError, match="closed"):
        backend.infer(np.zeros((1, 224, 224, 3), np.uint8))


def test_a_core_is_left_to_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (4, 3), (16, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid, n=cores: set(range(n)))
        assert default_threads() == threads
