"""Nodes and constants of an ONNX graph, written to a checked file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.tensors import TensorArray

if TYPE_CHECKING:
    from types import ModuleType

    import onnx

__all__ = ["GraphWriter"]

OPSET: Final = 17
IR_VERSION: Final = 8
"""What onnx 1.12 wrote: older runtimes on Jetsons refuse newer files."""


class GraphWriter:
    """A float32 graph of one input; a node and its output have the same name."""

    def __init__(self) -> None:
        self._onnx = _import_onnx()
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def node(self, op_type: str, name: str, inputs: Sequence[str], **attributes: object) -> str:
        """Append a node and return the name of its only output."""
        self._nodes.append(self._onnx.helper.make_node(op_type, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, array: TensorArray) -> str:
        """Store an array as float32, once for each name, and return the name."""
        if name not in self._constants:
            plain = np.array(array, np.float32, order="C")
            self._constants[name] = self._onnx.numpy_helper.from_array(plain, name)
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Store int64 numbers, a shape or sizes, once for each name, and return the name."""
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def relu6(self, name: str, value: str) -> str:
        """Append min(max(x, 0), 6)."""
        low, high = (self.constant(key, np.array(bound)) for key, bound in (("zero", 0.0), ("six", 6.0)))
        return self.node("Clip", name, [value, low, high])

    def file(self, input_shape: Sequence[int], output_shape: Sequence[int]) -> bytes:
        """Return a file of one output, `output`, which the last node appended computes."""
        self._nodes[-1].output[0] = "output"
        return self.file_of(input_shape, {"output": output_shape})

    def file_of(
        self, input_shape: Sequence[int], outputs: Mapping[str, Sequence[int]], *, classes: bool = False
    ) -> bytes:
        """Return a file whose outputs are what the nodes of these names compute, of these shapes.

        With `classes` they are int64, class numbers.
        """
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        kind = self._onnx.TensorProto.INT64 if classes else real
        graph = helper.make_graph(
            self._nodes,
            "mobilenet_v2",
            [helper.make_tensor_value_info("input", real, input_shape)],
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="mnv2-edge")
        model.ir_version = IR_VERSION
        self._onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _import_onnx() -> ModuleType:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as exc:
        raise BackendUnavailableError("onnx is not importable: run `pip install onnx`") from exc
    return onnx
