"""Give the demo network's weights as the state dict that training left, for what starts from weights."""

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from mnv2_edge.demo import SIGN_NAMES

EPSILON = 1e-5
ALPHABETICAL = [SIGN_NAMES.index(name) for name in sorted(SIGN_NAMES)]


def demo_state_dict(model: Path) -> dict[str, np.ndarray]:
    """Return the weights of demo.onnx by torchvision's names, for classes in alphabetical order, as frameworks count.

    The file has each BatchNorm folded into its convolution, so here a BatchNorm adds the convolution's bias and does
    nothing else.
    """
    graph = onnx.load(model).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state = {}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, bias = (values[name] for name in node.input[1:])
            path, at = re.fullmatch(r"(.*)\.(\d+)", node.name.removesuffix("/Conv").rpartition("/")[2]).groups()
            block = re.search(r"features\.\d+", node.name)[0]
            prefix = path if path.startswith("features.") else f"{block}.{path}"
            state[f"{prefix}.{at}.weight"] = kernel
            norm = f"{prefix}.{int(at) + 1}"
            ones = np.ones_like(bias)
            state |= {f"{norm}.weight": ones, f"{norm}.bias": bias, f"{norm}.running_mean": 0 * ones}
            state[f"{norm}.running_var"] = ones - np.float32(EPSILON)
        elif node.op_type == "Gemm":
            weight, bias = (values[name][ALPHABETICAL] for name in node.input[1:])
            state |= {"classifier.1.weight": weight, "classifier.1.bias": bias}
    return state
