"""Build the demo network with TensorRT, run it and measure it: `python -m mnv2_edge.doctor.gpu_trial ROOT`.

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

from mnv2_edge.scenes import render
from mnv2_engines.backends import Backend
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.backends.tensorrt import TensorRtBackend
from mnv2_engines.cuda.opening import open_cuda
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine import read_engine
from mnv2_engines.errors import CorruptEngineError, EnginesError
from mnv2_engines.facts import TensorRtFacts
from mnv2_engines.frame_path import FramePreparer
from mnv2_engines.parity import Noise
from mnv2_engines.preprocess import Preprocess
from mnv2_engines.tensorrt.builder import PlanOptions, build_plan
from mnv2_engines.tensorrt.fingerprint import describe_tensorrt
from mnv2_engines.tensorrt.module import import_tensorrt
from mnv2_engines.tensorrt.network import make_network_file
from mnv2_engines.tensorrt.onnx_file import load_model
from mnv2_engines.tensors import FloatArray, UInt8Array
from mnv2_engines.tflite import compile_model

__all__ = ["GpuTrial", "Timing", "main", "run_trial"]

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
    """What was found."""

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
    contract = _contract()
    with closing(open_cuda()) as cuda, cuda.current():
        facts, provider, gpu = describe_tensorrt(trt, cuda.gpu, root), cuda.name, cuda.gpu
        graphs = cuda.has_graphs
        started = time.monotonic()
        plan = build_plan(trt, make_network_file(trt, load_model(model), "fp16").onnx, PlanOptions())
        build_s = time.monotonic() - started
    pictures = [render(5, 40 * scene) for scene in range(_SCENES)]
    with closing(_open(trt, plan, "auto", graph=graphs)) as backend:
        got = _infer(backend, contract, pictures)
    compiled = compile_model(model, pictures=(), preprocess=contract, precision="fp32")
    with closing(LiteRtBackend(compiled.tflite)) as reference:
        expected = _infer(reference, compiled.preprocess, pictures)
    noise = Noise()
    for one, other in zip(expected, got, strict=True):
        noise.add(one, other)
    same = sum(int(one.argmax()) == int(other.argmax()) for one, other in zip(expected, got, strict=True))
    timings = [
        _time(_open(trt, plan, memory, graph=graph), memory, runs, graph=graph)
        for memory in (["mapped", "copy"] if gpu.maps_host_memory else ["copy"])
        for graph in ([False, True] if graphs else [False])
    ]
    timings.append(_time(LiteRtBackend(demo_engine_path()), "", runs))
    return GpuTrial(
        facts=facts,
        provider=provider,
        integrated=gpu.integrated,
        build_s=build_s,
        plan_bytes=len(plan),
        pictures=len(pictures),
        same=same,
        sqnr_db=noise.sqnr_db,
        timings=tuple(timings),
    )


def _contract() -> Preprocess:
    """Return what the demo network was trained with."""
    manifest = read_engine(demo_engine_path()).manifest
    if manifest is None:
        raise CorruptEngineError("the demo engine has no manifest: `pip install --force-reinstall --no-deps mnv2-edge`")
    return manifest.preprocess_model.value()


def _open(trt: ModuleType, plan: bytes, memory: str, *, graph: bool) -> TensorRtBackend:
    mode: Literal["auto", "mapped", "copy"] = "mapped" if memory == "mapped" else "copy"
    return TensorRtBackend(
        trt,
        open_cuda(),
        plan,
        "the demo network's plan",
        memory="auto" if memory == "auto" else mode,
        graph="always" if graph else "never",
    )


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
