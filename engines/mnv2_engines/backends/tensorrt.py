"""TensorRT plans on a Jetson's GPU, or on another one of NVIDIA's."""

import contextlib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Literal, TypeAlias

import numpy as np

from mnv2_engines.backends import BackendReport
from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.engine.engine import Engine, read_engine
from mnv2_engines.errors import ContractError, CorruptEngineError, InferenceError
from mnv2_engines.files.regular_file import ENGINE_LIMIT, read_regular
from mnv2_engines.tensorrt.execution import InferenceRequest
from mnv2_engines.tensorrt.fingerprint import describe_tensorrt, require_fresh
from mnv2_engines.tensorrt.module import import_tensorrt
from mnv2_engines.tensorrt.plan import LoadedPlan
from mnv2_engines.tensorrt.shared_tensor import MemoryMode, SharedTensor, choose_memory
from mnv2_engines.tensors import FloatArray, TensorArray, TensorSpec

__all__ = ["GraphMode", "TensorRtBackend", "open_tensorrt"]

_log = logging.getLogger(__name__)

GraphMode: TypeAlias = Literal["auto", "always", "never"]


def open_tensorrt(
    path: Path,
    *,
    memory: MemoryMode = "auto",
    graph: GraphMode = "auto",
    root: Path = Path("/"),
) -> "TensorRtBackend":
    """Open a plan that was built on this device, by the manifest beside it.

    A plan is a program: nothing of it is deserialised before its SHA-256 is the manifest's and what it is bound to is
    what is here. `root` is where the system's files are. Raises CorruptEngineError, StaleEngineError, EngineError, and
    BackendUnavailableError when there is no TensorRT or no GPU.
    """
    engine = read_engine(path)
    trt = import_tensorrt(root)
    cuda = open_cuda()
    with contextlib.ExitStack() as undo:
        undo.callback(cuda.close)
        require_fresh(engine, describe_tensorrt(trt, cuda.gpu, root))
        backend = TensorRtBackend(
            trt,
            cuda,
            _read_verified(engine),
            str(path),
            memory=memory,
            graph=graph,
            outputs=_model_outputs(engine),
            final_operators=engine.manifest.final_operators if engine.manifest else {},
        )
        undo.pop_all()
        return backend


class TensorRtBackend:
    """Runner of one plan; `Backend` describes its promises.

    `infer` may be called from another thread than the one that opened it. Outputs that are float32 in the plan are
    returned where they are, in page-locked memory; so they are overwritten by the next call.
    """

    def __init__(
        self,
        trt: ModuleType,
        cuda: CudaRuntime,
        plan: bytes,
        name: str,
        *,
        memory: MemoryMode = "auto",
        graph: GraphMode = "auto",
        outputs: Sequence[str] = (),
        final_operators: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Deserialise `plan`, whose bytes the caller has verified, and run it once on zeros.

        `outputs` are the model's own, in its order (see `LoadedPlan`), and `final_operators` says per output what makes
        it, which a plan does not. From then on `cuda` is closed with the
        backend. Raises EngineError when TensorRT refuses the plan, InferenceError when it does not run, ContractError
        for a memory or graph mode that there is not.
        """
        self._cuda = cuda
        self._name = name
        self._runtime = f"TensorRT {trt.__version__}"
        self._mapped = choose_memory(memory, cuda.gpu) == "mapped"
        self._final_operators = final_operators
        self._graph_mode = graph
        self._graphs = _want_graphs(graph, cuda)
        self._requests: dict[int, InferenceRequest] = {}
        self._resources: contextlib.ExitStack | None = None
        with cuda.current(), contextlib.ExitStack() as stack:
            self._plan = LoadedPlan(trt, plan, name, outputs)
            stack.callback(self._plan.close)
            self._outputs = tuple(
                stack.enter_context(contextlib.closing(SharedTensor(cuda, spec, mapped=self._mapped)))
                for spec in self._plan.outputs
            )
            self._floats = tuple(_float_array(output.array) for output in self._outputs)
            stack.callback(self._close_requests)
            self._spare: TensorArray | None = self._new_buffer()
            self._run(self._requests[_address(self._spare)])
            self._plan.log.forget()
            self._resources = stack.pop_all()

    @property
    def input_spec(self) -> TensorSpec:
        """Describe the one picture that the network takes."""
        return self._plan.input

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Describe the outputs in the order of the model's."""
        return self._plan.outputs

    def allocate_input(self) -> TensorArray:
        """Return a buffer that the GPU reads where it is, or copies by itself (`memory`). Raises InferenceError."""
        self._require_open()
        spare, self._spare = self._spare, None
        if spare is None:
            with self._cuda.current():
                return self._new_buffer()
        spare.fill(0)
        return spare

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        """Run the network and wait for it; the arrays are overwritten by the next call. Raises InferenceError."""
        self._require_open()
        request = self._requests.get(_address(buffer))
        if request is None:
            raise InferenceError("the buffer is not one of this engine's: take it from its allocate_input")
        with self._cuda.current():
            self._run(request)
        for array, output in zip(self._floats, self._outputs, strict=True):
            if array is not output.array:
                np.copyto(array, output.array, casting="unsafe")
        return self._floats

    def infer_raw(self, buffer: TensorArray) -> list[TensorArray]:
        """Run the network on any array that fits; return copies of the outputs as the plan has them."""
        if _address(buffer) not in self._requests:
            own = self.allocate_input()
            np.copyto(own, buffer)
            self._spare = buffer = own
        self.infer(buffer)
        return [output.array.copy() for output in self._outputs]

    def report(self) -> BackendReport:
        """Return which GPU runs the network, and how frames get there."""
        gpu = self._cuda.gpu
        memory = "mapped memory" if self._mapped else "copies"
        launch = "CUDA graphs" if self._graphs else "no CUDA graphs"
        return BackendReport(
            backend="tensorrt",
            runtime=self._runtime,
            device=f"{gpu.name} (compute capability {gpu.compute_capability}), {memory}, {launch}, {self._cuda.name}",
            accelerated=True,
            final_operators=tuple(self._final_operators.get(spec.name, "") for spec in self._plan.outputs),
        )

    def close(self) -> None:
        """Free all of it; buffers that somebody still holds stay readable. Safe to call twice."""
        resources, self._resources = self._resources, None
        if resources is None:
            return
        self._spare = None
        self._floats = ()
        try:
            with self._cuda.current():
                resources.close()
        except InferenceError as exc:  # after a failed launch CUDA refuses everything, and the process' end frees it
            _log.debug("%s was not closed cleanly: %s", self._name, exc)
        self._cuda.close()

    def _require_open(self) -> None:
        if self._resources is None:
            raise InferenceError("the engine is closed: open it again before inferring")

    def _new_buffer(self) -> TensorArray:
        """Return a new buffer; what else it needs is made by the thread that infers with it first."""
        source = SharedTensor(self._cuda, self._plan.input, mapped=self._mapped)
        self._requests[_address(source.array)] = InferenceRequest(self._plan, self._cuda, source, self._outputs)
        return source.array

    def _run(self, request: InferenceRequest) -> None:
        request.run()
        if not self._graphs or request.captured:
            return
        try:
            request.capture()
        except InferenceError as exc:
            if self._graph_mode == "always":
                raise
            self._graphs = False
            _log.warning("%s runs without CUDA graphs, a little slower: %s", self._name, exc)

    def _close_requests(self) -> None:
        for request in self._requests.values():
            request.close()
        self._requests.clear()


def _read_verified(engine: Engine) -> bytes:
    """Read the plan again and return exactly the bytes that were verified."""
    try:
        plan = read_regular(engine.path, ENGINE_LIMIT)
    except OSError as exc:
        raise CorruptEngineError(f"{engine.path} cannot be read any more ({exc.strerror}): start again") from exc
    if hashlib.sha256(plan).hexdigest() != engine.sha256:
        raise CorruptEngineError(f"{engine.path} was replaced while it was being opened: start again")
    return plan


def _model_outputs(engine: Engine) -> tuple[str, ...]:
    """Return the names of the outputs in the order in which the build has compared them; empty when it has not."""
    verification = engine.manifest.verification if engine.manifest else None
    return tuple(output.name for output in verification.outputs) if verification else ()


def _want_graphs(mode: GraphMode, cuda: CudaRuntime) -> bool:
    if mode == "always" and not cuda.has_graphs:
        raise ContractError(f"{cuda.name} has no CUDA graphs: expected graph 'auto' or 'never', or install cuda-python")
    return mode != "never" and cuda.has_graphs


def _float_array(output: TensorArray) -> FloatArray:
    return output if output.dtype == np.float32 else np.zeros(output.shape, np.float32)


def _address(buffer: TensorArray) -> int:
    address: int = buffer.__array_interface__["data"][0]
    return address
