"""Plans for a Jetson's GPU, on the Jetson: made by TensorRT, verified against the float network on LiteRT."""

import logging
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mnv2_engines.building.builder import BuildProgress, Candidate, versions_of
from mnv2_engines.building.measure import final_operators, measure, record_first_answer
from mnv2_engines.building.request import BuildRequest
from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import BuildError
from mnv2_engines.proof.self_test import recheck_engine
from mnv2_engines.tensorrt.builder import PlanOptions, build_plan
from mnv2_engines.tensorrt.fingerprint import TensorRtFacts, describe_tensorrt, write_bounds
from mnv2_engines.tensorrt.format import PlanBuilding
from mnv2_engines.tensorrt.memory import read_free_memory, require_memory
from mnv2_engines.tensorrt.module import import_tensorrt
from mnv2_engines.tensorrt.network import NetworkFile, make_network_file
from mnv2_engines.tensorrt.onnx_file import fix_batch, load_model
from mnv2_engines.tensorrt.runtime.backend import TensorRtBackend, open_tensorrt
from mnv2_engines.tensorrt.timing_cache import TimingCache
from mnv2_engines.tflite import compile_model

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
        progress("read", 0, 1)
        trt = import_tensorrt(self.root)
        model = load_model(request.model)
        require_memory(model.ByteSize(), _options(request).workspace_mib, read_free_memory(self.root))
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
                verification=measure(backend, reference, request, request.preprocess, progress),
                golden=record_first_answer(backend, request, request.preprocess),
                runtimes=versions,
                doubts=_doubts(file, request),
                bound_to=write_bounds(facts),
                final_operators=final_operators(reference),
            )

    def check_first_load(self, path: Path) -> None:
        """Open it by its manifest, as a run does."""
        with closing(open_tensorrt(path, root=self.root)) as backend:
            recheck_engine(backend, read_engine(path))


def _options(request: BuildRequest) -> PlanBuilding:
    if not isinstance(request.options, PlanBuilding):
        raise BuildError(f"the options of a plan are {type(request.options).__name__}: expected PlanBuilding")
    return request.options


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
        workspace_mib=_options(request).workspace_mib,
        optimization_level=_options(request).optimization_level,
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


def _doubts(file: NetworkFile, request: BuildRequest) -> tuple[str, ...]:
    if request.precision == "fp32":
        return ()
    return (*file.warnings, "FP16 may not suffice for this network: --precision fp32 builds it in float32")
