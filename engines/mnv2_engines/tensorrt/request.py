"""Run the network on one input buffer, again and again."""

import contextlib
from collections.abc import Sequence
from typing import Any

from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.errors import InferenceError
from mnv2_engines.tensorrt.plan import LoadedPlan
from mnv2_engines.tensorrt.shared_tensor import SharedTensor

__all__ = ["Request"]


class Request:
    """Hold an input buffer, an execution context whose addresses never change, and the graph made of both.

    A context of its own for each buffer: a graph must not outlive a change to the context that it was captured from.
    All but the constructor happens in the thread that infers.
    """

    def __init__(
        self, plan: LoadedPlan, cuda: CudaRuntime, stream: int, source: SharedTensor, outputs: Sequence[SharedTensor]
    ) -> None:
        self._plan = plan
        self._cuda = cuda
        self._stream = stream
        self.source = source
        self._outputs = outputs
        self._context: Any = None
        self._graph: int | None = None

    def run(self) -> None:
        """Do the whole of it and wait until the outputs are there."""
        if self._graph is not None:
            self._cuda.launch_graph(self._graph, self._stream)
        else:
            if self._context is None:
                self._context = self._bind()
            self._enqueue()
        self._cuda.synchronize(self._stream)

    @property
    def captured(self) -> bool:
        """Tell whether `run` launches a graph."""
        return self._graph is not None

    def capture(self) -> None:
        """Make a graph of what `run` does; TensorRT wants to have run once before.

        Raises InferenceError when that cannot be captured; `run` works as before then.
        """
        self._cuda.begin_capture(self._stream)
        try:
            self._enqueue()
        except InferenceError:
            with contextlib.suppress(InferenceError):  # the stream stays unusable until its capture has been ended
                self._cuda.destroy_graph(self._cuda.end_capture(self._stream))
            raise
        self._graph = self._cuda.end_capture(self._stream)

    def close(self) -> None:
        """Free the graph, then the context that it came from, then the memory. Safe to call twice."""
        if self._graph is not None:
            self._cuda.destroy_graph(self._graph)
            self._graph = None
        self._context = None
        self.source.close()

    def _bind(self) -> Any:  # noqa: ANN401 - TensorRT's IExecutionContext
        context = self._plan.make_context()
        for tensor in (self.source, *self._outputs):
            self._plan.bind(context, tensor.name, tensor.address)
        return context

    def _enqueue(self) -> None:
        self.source.send(self._stream)
        self._plan.enqueue(self._context, self._stream)
        for output in self._outputs:
            output.fetch(self._stream)
