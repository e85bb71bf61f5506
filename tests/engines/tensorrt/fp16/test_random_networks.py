"""Random small networks in FP16, each activation rounded, against float."""

import numpy as np
import onnx
import onnxruntime
from hypothesis import HealthCheck, given, settings

from mnv2_engines.parity import Noise
from mnv2_engines.tensorrt.fp16.conversion import to_fp16
from support.half_emulation import emulate_half
from support.random_networks import networks

LEAST_DB = 45.0
"""300 of them are at 56.7 dB at worst; one wrong number in a small network costs more than that."""


def run(model, values):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    # 1.23, the last for Python 3.10, moves a Pad into an AveragePool that refuses so much padding.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values})[0]


@settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=100)
@given(networks())
def test_random_networks(network):
    model = network.model()
    half = to_fp16(model).model
    onnx.shape_inference.infer_shapes(half, check_type=True, strict_mode=True)
    values = np.random.default_rng(1).uniform(-1, 1, network.shape).astype(np.float32)
    noise = Noise()
    noise.add(run(model, values), run(emulate_half(half), values))
    assert noise.sqnr_db is None or noise.sqnr_db > LEAST_DB
    assert run(half, values).dtype == np.float32
