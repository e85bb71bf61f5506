"""Run an FP16 ONNX network as a GPU does, each activation rounded, on ONNX Runtime.

ONNX Runtime's CPU kernels for FP16 are float32 kernels between Casts, and it removes the Casts in between: what it
computes has FP16's weights and float32's activations. `onnx.reference` rounds each one, but takes minutes for a network
of 224x224. So: the same network in float32 with FP16's weights, and behind each FP16 tensor the three operations that
round a float32 number to 11 significant bits (T. J. Dekker, "A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971). What they do not show are FP16's overflow and its subnormals.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

SPLIT = np.float32(2**13 + 1)
"""24 bits of float32 less 11 of FP16."""


def emulate_half(model):
    """Return a float32 model whose activations are rounded as those of the FP16 `model`."""
    inferred = shape_inference.infer_shapes(model).graph
    halves = {v.name for v in inferred.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    emulated = onnx.ModelProto()
    emulated.CopyFrom(model)
    graph = emulated.graph
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    graph.initializer.append(numpy_helper.from_array(np.array(SPLIT), "split"))
    nodes = []
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if copy.op_type == "Cast":
            copy.op_type = "Identity"
            del copy.attribute[:]
        rounded = []
        for index, name in enumerate(node.output):
            if name in halves:
                exact, large, rest = (f"{name}/{part}" for part in ("exact", "large", "rest"))
                copy.output[index] = exact
                rounded += [
                    helper.make_node("Mul", [exact, "split"], [large]),
                    helper.make_node("Sub", [large, exact], [rest]),
                    helper.make_node("Sub", [large, rest], [name]),
                ]
        nodes += [copy, *rounded]
    del graph.node[:]
    graph.node.extend(nodes)
    return emulated
