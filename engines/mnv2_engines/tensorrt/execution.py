"""Repeated runs of the network on one input buffer."""

from collections.abc import Sequence
from typing import Any

from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.errors import InferenceError
from mnv2_engines.tensorrt.plan import LoadedPlan
from mnv2_engines.tensorrt.shared_tensor import SharedTensor

__all__ = ["InferenceRequest"]


class InferenceRequest:
    """An input buffer, an execution context with fixed addresses, a stream, and the graph made of them.

    A context of its own for each buffer: a graph must not outlive a change to the context that it was captured from.
    A stream of its own, so that context and stream can be given up together when a capture fails. All but the
    constructor happens in the thread that infers.
    """

    def __init__(
        self, plan: LoadedPlan, cuda: CudaRuntime, source: SharedTensor, outputs: Sequence[SharedTensor]
    ) -> None:
        self._plan = plan
        self._cuda = cuda
        self.source = source
        self._outputs = outputs
        self._context: Any = None
        self._stream: int | None = None
        self._graph: int | None = None

    def run(self) -> None:
        """Run the network and wait until the outputs are there."""
        if self._stream is None:
            self._stream = self._cuda.create_stream()
        if self._graph is not None:
            self._cuda.launch_graph(self._graph, self._stream)
        else:
            if self._context is None:
                self._context = self._bind()
            self._enqueue(self._stream)
        self._cuda.synchronize(self._stream)

    @property
    def captured(self) -> bool:
        """Return whether `run` launches a graph."""
        return self._graph is not None

    def capture(self) -> None:
        """Make a graph of what `run` has done: TensorRT wants to have run once before.

        Raises InferenceError when that cannot be captured; `run` works as before then, with a new context and stream.
        CUDA lets a stream go on once its capture was ended; of a context that was stopped half way through `enqueue`
        TensorRT promises nothing.
        """
        if self._stream is None:
            raise InferenceError("there is nothing to capture: run once before")
        try:
            self._cuda.begin_capture(self._stream)
            self._enqueue(self._stream)
            self._graph = self._cuda.end_capture(self._stream)
        except InferenceError:
            self._cuda.abandon_capture(self._stream)
            self._give_up()
            raise

    def close(self) -> None:
        """Wait for what is running, then free the graph, the context that it came from, the stream and the memory.

        Safe to call twice.
        """
        if self._stream is not None:
            self._cuda.synchronize(self._stream)
        self._give_up()
        self.source.close()

    def _give_up(self) -> None:
        """Free what the next `run` makes anew."""
        if self._graph is not None:
            self._cuda.destroy_graph(self._graph)
            self._graph = None
        self._context = None
        stream, self._stream = self._stream, None
        if stream is not None:
            self._cuda.destroy_stream(stream)

    def _bind(self) -> Any:  # noqa: ANN401 - TensorRT's IExecutionContext
        context = self._plan.make_context()
        for tensor in (self.source, *self._outputs):
            self._plan.bind(context, tensor.name, tensor.address)
        return context

    def _enqueue(self, stream: int) -> None:
        self.source.send(stream)
        self._plan.enqueue(self._context, stream)
        for output in self._outputs:
            output.fetch(stream)
