"""Build small ONNX networks for tests, and run them in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

IMAGE = (1, 3, 16, 16)


class Network:
    """Collect nodes of one ONNX graph whose input is `x`, a picture."""

    def __init__(self, shape=IMAGE, opset=17, seed=0):
        self.shape = tuple(shape)
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = []
        self.last = "x"

    def __repr__(self):
        nodes = "; ".join(helper.printable_node(node) for node in self.nodes)
        return f"Network({self.shape}, opset={self.opset}, {nodes})"

    def constant(self, values, name=None):
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op, inputs=None, outputs=1, **attributes):
        """Append a node that reads the last value unless told otherwise; return its output name(s)."""
        inputs = [self.last] if inputs is None else inputs
        names = [f"{op.lower()}{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{len(self.nodes)}", **attributes))
        self.last = names[0]
        return names[0] if outputs == 1 else names

    def conv(self, channels_in, channels_out, kernel=3, group=1, bias=True, source=None, **attributes):
        weights = self.rng.normal(
            0, 1 / np.sqrt(channels_in // group * kernel * kernel), (channels_out, channels_in // group, kernel, kernel)
        )
        inputs = [source or self.last, self.constant(weights.astype(np.float32))]
        if bias:
            inputs.append(self.constant(self.rng.normal(0, 0.2, channels_out).astype(np.float32)))
        return self.node("Conv", inputs, kernel_shape=[kernel, kernel], group=group, **attributes)

    def model(self, outputs=None, output_types=None, batch=None):
        outputs = outputs or [self.last]
        shape = [batch if batch is not None else self.shape[0], *self.shape[1:]]
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(n, (output_types or {}).get(n, TensorProto.FLOAT), None) for n in outputs],
            self.initializers,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def save(self, path: Path, **options) -> Path:
        path.write_bytes(self.model(**options).SerializeToString())
        return path


def run_onnx(path: Path, picture_nchw, *, exact=False):
    """Return the outputs of ONNX Runtime, single-threaded; `exact` runs every node as written, nothing fused.

    Its fused int8 kernels saturate on x86 without VNNI.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: picture_nchw})


def random_pictures(count, size=(16, 16), seed=0):
    """Return random pictures, uint8 [H, W, 3], coarse and fine noise: calibration material for tiny networks."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = rng.uniform(0, 255, (4, 4, 3))
        grown = np.kron(coarse, np.ones((-(-size[0] // 4), -(-size[1] // 4), 1)))[: size[0], : size[1]]
        pictures.append(np.clip(grown + rng.normal(0, 30, (*size, 3)), 0, 255).astype(np.uint8))
    return pictures
