"""Plans for a Jetson's GPU, on the Jetson: made by TensorRT, verified against the float network on LiteRT."""

import logging
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.backends.tensorrt import TensorRtBackend, open_tensorrt
from mnv2_engines.building.builders import BuildProgress, Candidate, versions_of
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import PictureNetwork, Verification, compare_networks
from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import GoldenTest, TensorRtFacts
from mnv2_engines.errors import BuildError
from mnv2_engines.preprocessing.pixel_table import pixel_table
from mnv2_engines.proof.golden import RawBackend, record_golden, shrink_picture, test_card
from mnv2_engines.proof.self_test import recheck_engine
from mnv2_engines.tensorrt.builder import PlanOptions, build_plan
from mnv2_engines.tensorrt.fingerprint import describe_tensorrt
from mnv2_engines.tensorrt.memory import read_free_memory, require_memory
from mnv2_engines.tensorrt.module import import_tensorrt
from mnv2_engines.tensorrt.network import NetworkFile, make_network_file
from mnv2_engines.tensorrt.onnx_file import fix_batch, load_model
from mnv2_engines.tensorrt.timing_cache import TimingCache
from mnv2_engines.tflite import CompiledModel, compile_model

__all__ = ["TensorRtBuilder"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TensorRtBuilder:
    """Builder of FP16 or float32 plans; `root` is where the system's files are."""

    root: Path = Path("/")

    def build(self, request: BuildRequest, progress: BuildProgress) -> Candidate:
        """Build as `EngineBuilder` says. TensorRT chooses kernels by their times: two builds may differ.

        Raises BackendUnavailableError without TensorRT, a Python package for CUDA or a GPU, and MemoryShortageError.
        """
        if request.precision == "int8":
            raise BuildError("TensorRT engines are fp16 or fp32: expected one of these, or --target litert for int8")
        progress("read", 0, 1)
        trt = import_tensorrt(self.root)
        model = load_model(request.model)
        require_memory(model.ByteSize(), request.workspace_mib, read_free_memory(self.root))
        reference = compile_model(request.model, pictures=(), preprocess=request.preprocess, precision="fp32")
        fix_batch(model)
        file = make_network_file(trt, model, "fp32" if request.precision == "fp32" else "fp16")
        for warning in file.warnings:
            _log.warning("%s", warning)
        _log.debug("float32 between FP16: %s", ", ".join(file.kept) or "nothing")
        progress("read", 1, 1)
        with ExitStack() as stack:
            cuda = open_cuda()
            stack.callback(cuda.close)
            facts = describe_tensorrt(trt, cuda.gpu, self.root)
            versions = {"tensorrt": facts.tensorrt, "cuda": cuda.name, **versions_of("ai-edge-litert", "onnx", "numpy")}
            plan = _build(trt, cuda, facts, file, request, progress)
            outputs = tuple(spec.name for spec in reference.outputs)
            backend = stack.enter_context(
                closing(TensorRtBackend(trt, cuda, plan, str(request.output), outputs=outputs))
            )
            return Candidate(
                engine=plan,
                preprocess=request.preprocess,
                reference=reference,
                verification=_verify(backend, reference, request, progress),
                golden=_golden(backend, request),
                runtimes=versions,
                doubts=_doubts(file, request),
                tensorrt=facts,
                final_operators=_final_operators(reference),
            )

    def check_first_load(self, path: Path) -> None:
        """Open it by its manifest, as a run does."""
        with closing(open_tensorrt(path, root=self.root)) as backend:
            recheck_engine(backend, read_engine(path))


def _final_operators(reference: CompiledModel) -> dict[str, str]:
    """Ask LiteRT what makes each output: TensorRT fuses it away, and a task must know whether it is a softmax."""
    with closing(LiteRtBackend(reference.tflite)) as network:
        operators = network.report().final_operators
        return {spec.name: operator for spec, operator in zip(network.output_specs, operators, strict=True)}


def _build(
    trt: ModuleType,
    cuda: CudaRuntime,
    facts: TensorRtFacts,
    file: NetworkFile,
    request: BuildRequest,
    progress: BuildProgress,
) -> bytes:
    progress("build", 0, 100)
    options = PlanOptions(
        precision="fp32" if request.precision == "fp32" else "fp16",
        workspace_mib=request.workspace_mib,
        optimization_level=request.optimization_level,
    )
    with cuda.current():
        plan = build_plan(
            trt,
            file.onnx,
            options,
            timings=TimingCache(facts, request.cache_dir) if request.cache_dir is not None else None,
            progress=lambda percent: progress("build", percent, 100),
        )
    progress("build", 100, 100)
    return plan


def _verify(backend: Backend, reference: CompiledModel, request: BuildRequest, progress: BuildProgress) -> Verification:
    pictures = _pictures(request, reference)
    with closing(LiteRtBackend(reference.tflite, threads=request.threads)) as network:
        return compare_networks(
            PictureNetwork(network, reference.preprocess),
            PictureNetwork(backend, request.preprocess),
            pictures.items,
            outputs=reference.outputs,
            source=pictures.source,
            task=request.task,
            progress=lambda done, total: progress("verify", done, total),
        )


def _pictures(request: BuildRequest, reference: CompiledModel) -> Pictures:
    """Return what to judge by: one drawn picture shows a network that does not compute at all, and no more."""
    if request.validation.items:
        return request.validation
    return Pictures("a test card", (test_card(*reference.input.size_hw),))


def _golden(backend: RawBackend, request: BuildRequest) -> GoldenTest:
    picture = request.golden_picture()
    spec = backend.input_spec
    thumbnail = shrink_picture(test_card(*spec.size_hw) if picture is None else picture)
    table = pixel_table(spec, request.preprocess)
    return record_golden(backend, table[thumbnail, np.arange(3)], describe_device())


def _doubts(file: NetworkFile, request: BuildRequest) -> tuple[str, ...]:
    if request.precision == "fp32":
        return ()
    return (*file.warnings, "FP16 may not suffice for this network: --precision fp32 builds it in float32")
