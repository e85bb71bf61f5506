"""A trial of TensorRT on the demo network: `python -m mnv2_edge.doctor.gpu.trial ROOT` builds, runs, measures.

In a process of its own, because drivers crash. Prints one JSON object (`GpuTrial`).
"""

import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import msgspec
import numpy as np

from mnv2_edge.demo import render
from mnv2_engines.backends import Backend
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.backends.tensorrt import GraphMode, TensorRtBackend
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.errors import CorruptEngineError, EnginesError, InferenceError
from mnv2_engines.parity import Noise
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensorrt.builder import PlanOptions, build_plan
from mnv2_engines.tensorrt.fingerprint import describe_tensorrt
from mnv2_engines.tensorrt.module import import_tensorrt
from mnv2_engines.tensorrt.network import make_network_file
from mnv2_engines.tensorrt.onnx_file import load_model
from mnv2_engines.tensorrt.shared_tensor import MemoryMode
from mnv2_engines.tensors import FloatArray, UInt8Array
from mnv2_engines.tflite import compile_model

__all__ = ["GpuTrial", "Timing", "main", "run_trial"]

_MEMORY: Final[tuple[MemoryMode, ...]] = ("mapped", "copy")
_SCENES: Final = 24
_WARM_UP: Final = 20
_RUNS: Final = 300


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long one inference takes, from a filled input buffer to outputs that can be read."""

    backend: Literal["tensorrt", "litert"]
    memory: str = ""
    """`mapped` or `copy`."""
    graph: bool = False
    median_ms: float
    p99_ms: float


class GpuTrial(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the trial."""

    facts: TensorRtFacts
    provider: str
    integrated: bool
    build_s: float
    plan_bytes: int
    pictures: int
    same: int
    """Pictures on which the plan puts the same class first as the float network on LiteRT."""
    sqnr_db: float | None
    """Of all outputs, 10 log10(signal / error); None when they are equal to the last bit."""
    timings: tuple[Timing, ...]
    graph_trouble: str = ""
    """Why there are no timings with CUDA graphs."""


def main(argv: Sequence[str]) -> int:
    """Print the trial, or why there is none to stderr."""
    try:
        trial = run_trial(Path(argv[0]))
    except EnginesError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(trial) + b"\n")
    return 0


def run_trial(root: Path = Path("/"), *, runs: int = _RUNS) -> GpuTrial:
    """Build and run. Raises EnginesError with what TensorRT or CUDA said.

    The plan never leaves this process, so it needs no manifest.
    """
    trt = import_tensorrt(root)
    model = demo_engine_path().with_suffix(".onnx")
    with closing(open_cuda()) as cuda, cuda.current():
        facts, provider, gpu, graphs = describe_tensorrt(trt, cuda.gpu, root), cuda.name, cuda.gpu, cuda.has_graphs
        started = time.monotonic()
        plan = build_plan(trt, make_network_file(trt, load_model(model), "fp16").onnx, PlanOptions())
        build_s = time.monotonic() - started
    expected, got = _answer_both(trt, plan, model)
    noise = Noise()
    for one, other in zip(expected, got, strict=True):
        noise.add(one, other)
    memories = _MEMORY if gpu.maps_host_memory else _MEMORY[1:]
    timings = [_time(_open(trt, plan, memory), memory, runs) for memory in memories]
    graph_trouble = "" if graphs else f"{provider} has none"
    try:
        captured = memories if graphs else ()
        timings += [_time(_open(trt, plan, memory, graph=True), memory, runs, graph=True) for memory in captured]
    except InferenceError as exc:  # not every network can be captured
        graph_trouble = str(exc)
    timings.append(_time(LiteRtBackend(demo_engine_path()), "", runs))
    return GpuTrial(
        facts=facts,
        provider=provider,
        integrated=gpu.integrated,
        build_s=build_s,
        plan_bytes=len(plan),
        pictures=len(expected),
        same=sum(int(one.argmax()) == int(other.argmax()) for one, other in zip(expected, got, strict=True)),
        sqnr_db=noise.sqnr_db,
        timings=tuple(timings),
        graph_trouble=graph_trouble,
    )


def _answer_both(trt: ModuleType, plan: bytes, model: Path) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return what the float network on LiteRT and the plan make of rendered scenes."""
    contract = _contract()
    pictures = [render(5, 40 * scene) for scene in range(_SCENES)]
    compiled = compile_model(model, pictures=(), preprocess=contract, precision="fp32")
    with closing(LiteRtBackend(compiled.tflite)) as reference:
        expected = _infer(reference, compiled.preprocess, pictures)
    with closing(_open(trt, plan, "auto")) as backend:
        return expected, _infer(backend, contract, pictures)


def _contract() -> Preprocess:
    """Return what the demo network was trained with."""
    manifest = read_engine(demo_engine_path()).manifest
    if manifest is None:
        raise CorruptEngineError("the demo engine has no manifest: `pip install --force-reinstall --no-deps mnv2-edge`")
    return manifest.preprocess_model.value()


def _open(trt: ModuleType, plan: bytes, memory: MemoryMode, *, graph: bool = False) -> TensorRtBackend:
    mode: GraphMode = "always" if graph else "never"
    return TensorRtBackend(trt, open_cuda(), plan, "the demo network's plan", memory=memory, graph=mode)


def _infer(backend: Backend, contract: Preprocess, pictures: Iterable[UInt8Array]) -> list[FloatArray]:
    """Return the first output for every picture, as copies."""
    preparer = FramePreparer(backend.input_spec, contract)
    buffer = backend.allocate_input()
    answers = []
    for picture in pictures:
        preparer.prepare(picture, "RGB", buffer)
        answers.append(backend.infer(buffer)[0].copy())
    return answers


def _time(backend: TensorRtBackend | LiteRtBackend, memory: str, runs: int, *, graph: bool = False) -> Timing:
    with closing(backend):
        buffer = backend.allocate_input()
        took_ns = []
        for _ in range(_WARM_UP + runs):
            started_ns = time.monotonic_ns()
            backend.infer(buffer)
            took_ns.append(time.monotonic_ns() - started_ns)
        took_ms = np.array(took_ns[_WARM_UP:]) / 1e6
        return Timing(
            backend="tensorrt" if isinstance(backend, TensorRtBackend) else "litert",
            memory=memory,
            graph=graph,
            median_ms=float(statistics.median(took_ms)),
            p99_ms=float(np.percentile(took_ms, 99)),
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
