"""The builder code that a Jetson runs, on NVIDIA's real parser and builder, seen as each release shows itself."""

import dataclasses
import logging
import os
import signal

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import TensorProto, helper, numpy_helper

from mnv2_engines.errors import BackendUnavailableError, ModelError
from mnv2_engines.tensorrt import builder as builder_module
from mnv2_engines.tensorrt.builder import PlanOptions, ShapeRange, build_plan
from mnv2_engines.tensorrt.network import make_network_file
from mnv2_engines.tensorrt.onnx_file import encode_model, fix_batch, load_model
from mnv2_engines.tensorrt.timing_cache import TimingCache
from support.fake_jetson import ORIN
from support.random_networks import networks
from support.tensorrt_gate import RELEASES, Gate, GateError

pytestmark = pytest.mark.tensorrt

NETWORKS = ("mobilenet_v2_1.0_224.onnx", "ped_ssdlite_300.onnx", "deeplabv3_mnv2_dm05_pascal.onnx")
FP32 = PlanOptions(precision="fp32")


@pytest.fixture
def signs(root):
    return load_model(root / "engines" / "mnv2_engines" / "demo" / "demo.onnx")


@pytest.fixture
def halves(signs, gate):
    """Return the demo network's file in FP16."""
    return make_network_file(gate("11.4"), signs, "fp16").onnx


@pytest.fixture
def open_batch(signs):
    dim = signs.graph.input[0].type.tensor_type.shape.dim[0]
    dim.Clear()
    dim.dim_param = "N"
    return signs


@pytest.mark.parametrize("release", RELEASES)
def test_each_release_builds_the_demo_network(release, gate, signs):
    trt = gate(release)
    single = build_plan(trt, make_network_file(trt, signs, "fp32").onnx, FP32)
    assert trt.cleared_flags == {"TF32"}
    file = make_network_file(trt, signs, "fp16")
    plan = build_plan(trt, file.onnx, PlanOptions())
    assert trt.network_flags == [{"STRONGLY_TYPED"}] * 2
    assert trt.builder_flags == set()
    assert file.kept == ("ReduceMean '/ReduceMean'",)
    # What is stored are the weights: twice as many bytes for float32.
    assert len(file.onnx) < 0.6 * len(encode_model(signs))
    assert len(plan) < 0.7 * len(single)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_release_builds_real_networks_in_fp16_to_the_same_bytes(name, gate, shared):
    """The five are asked for the same, so that five builds show that a build can be repeated, too."""
    model = load_model(shared / "models" / name)
    file = make_network_file(gate(RELEASES[0]), model, "fp16").onnx
    (plan,) = {build_plan(gate(release), file, PlanOptions()) for release in RELEASES}
    assert len(plan) > 0.4 * len(encode_model(model))


def test_what_an_old_release_is_asked_for(gate, rtx, signs):
    """8.6 computes in FP16 where a flag allows it: the network stays float32, and RTX builds it so."""
    trt = gate("8.6.1")
    file = make_network_file(trt, signs, "fp16")
    assert file.onnx == encode_model(signs)
    plan = build_plan(trt, file.onnx, PlanOptions(workspace_mib=256, optimization_level=2))
    assert trt.network_flags == [{"EXPLICIT_BATCH"}]
    assert trt.builder_flags == {"FP16"}
    (config,) = trt.configs
    assert config.builder_optimization_level == 2
    assert config.get_memory_pool_limit(rtx.MemoryPoolType.WORKSPACE) == 256 << 20
    assert (config.progress_monitor, config.num_optimization_profiles) == (None, 0)
    assert plan == build_plan(gate("10.3.0"), file.onnx, PlanOptions(workspace_mib=256, optimization_level=2))


def test_an_old_release_computes_in_float32_when_asked_to(gate, signs):
    trt = gate("8.6.1")
    build_plan(trt, make_network_file(trt, signs, "fp32").onnx, FP32)
    assert (trt.builder_flags, trt.cleared_flags) == (set(), {"TF32"})


@pytest.mark.parametrize(("release", "monitored"), [("8.6.1", False), ("10.3.0", True), ("11.4", True)])
def test_progress_rises_to_the_end_where_there_is_a_monitor(release, monitored, gate, signs):
    seen = []
    build_plan(gate(release), encode_model(signs), FP32, progress=seen.append)
    assert seen == sorted(set(seen))
    assert (seen[-1:] == [100] and len(seen) > 20) if monitored else seen == []


def test_ctrl_c_ends_a_build(gate, halves, capfd):
    seen = []

    def interrupt(percent):
        if percent > 10 and not any(before > 10 for before in seen):  # a second one would end the process
            os.kill(os.getpid(), signal.SIGINT)
        seen.append(percent)

    with pytest.raises(KeyboardInterrupt):
        build_plan(gate("10.3.0"), halves, PlanOptions(), progress=interrupt)
    assert 10 < seen[-2] < 100  # then the outermost phase ends
    assert capfd.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_timing_cache_is_kept_and_a_damaged_one_made_anew(gate, halves, tmp_path, caplog):
    """RTX' timing caches are empty and accept anything: what refuses damaged ones is in test_timing_cache.py."""
    trt = gate("10.3.0")
    timings = TimingCache(ORIN, tmp_path)
    first = build_plan(trt, halves, PlanOptions(), timings=timings)
    file = timings.path
    assert file.stat().st_size > 0
    file.write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert build_plan(trt, halves, PlanOptions(), timings=timings) == first
    assert file.read_bytes() != b"damaged"


def test_a_truncated_file(gate, halves):
    with pytest.raises(ModelError, match=r"does not take the network: .*Failed to parse the ONNX model.*; export"):
        build_plan(gate("10.3.0"), halves[: len(halves) // 2], PlanOptions())


def test_an_empty_file(gate):
    with pytest.raises(ModelError, match="found no network in 0 bytes"):
        build_plan(gate("10.3.0"), b"", PlanOptions())


@pytest.mark.parametrize("release", ["8.6.1", "11.0"])
def test_an_unknown_operator(release, gate, signs):
    signs.graph.node[3].op_type = "Frobnicate"
    named = "node number 3" if release == "8.6.1" else "node number 3, Frobnicate"
    with pytest.raises(ModelError, match=rf"{named}.*Plugin not found.*; export the model"):
        build_plan(gate(release), encode_model(signs), FP32)


def test_fp16_kernels_with_float32_inputs(gate, signs):
    """What a half-done conversion would give: a typed network does not cast by itself."""
    for tensor in signs.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 4:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    with pytest.raises(ModelError, match="type"):
        build_plan(gate("11.4"), encode_model(signs), PlanOptions())


def test_a_profile_whose_least_is_more_than_its_best(gate, open_batch):
    size = tuple(dim.dim_value for dim in open_batch.graph.input[0].type.tensor_type.shape.dim)[1:]
    shapes = {open_batch.graph.input[0].name: ShapeRange((4, *size), (1, *size), (8, *size))}
    with pytest.raises(ModelError, match=r"refuses the shapes .*satisfy MIN<=OPT<=MAX.*; expected minimum <= optimum"):
        build_plan(gate("10.13.3"), encode_model(open_batch), dataclasses.replace(FP32, shapes=shapes))


def test_an_open_batch_needs_a_profile_unless_it_is_closed(gate, open_batch):
    trt = gate("10.16.1")
    with pytest.raises(ModelError, match=r"no optimization profile has been defined.*; export it with a fixed height"):
        build_plan(trt, encode_model(open_batch), FP32)
    size = tuple(dim.dim_value for dim in open_batch.graph.input[0].type.tensor_type.shape.dim)[1:]
    ranges = {open_batch.graph.input[0].name: ShapeRange((1, *size), (1, *size), (4, *size))}
    assert build_plan(trt, encode_model(open_batch), dataclasses.replace(FP32, shapes=ranges))
    fix_batch(open_batch)
    assert build_plan(trt, encode_model(open_batch), FP32)


@pytest.mark.parametrize("release", ["8.6.1", "10.3.0", "11.4"])
def test_no_gpu(release, gate, signs):
    with pytest.raises(
        BackendUnavailableError, match=r"no NVIDIA GPU that it can use: .*cudaError 35.*without a GPU build with"
    ):
        build_plan(gate(release, gpu=False), encode_model(signs), FP32)


class TestTheGate:
    """The code is broken on purpose, to see that what is above would notice."""

    def test_the_fp16_flag_is_gone_in_11(self, gate, halves, monkeypatch):
        def flag(trt, config, precision):
            config.set_flag(trt.BuilderFlag.FP16)

        monkeypatch.setattr(builder_module, "_set_precision", flag)
        assert build_plan(gate("10.3.0"), halves, PlanOptions())
        for release in ("11.0", "11.4"):
            with pytest.raises(AttributeError, match=r"has no BuilderFlag\.FP16"):
                build_plan(gate(release), halves, PlanOptions())

    @pytest.mark.parametrize(("bit", "fails"), [(0, "10.3.0"), (1, "11.0"), (1, "8.6.1")])
    def test_a_bit_number_means_something_else_elsewhere(self, bit, fails, gate, halves, monkeypatch):
        def parse(trt, builder, logger, log, file):
            network = builder.create_network(1 << bit)
            parser = trt.OnnxParser(network, logger)
            parser.parse(file)
            return network, parser

        monkeypatch.setattr(builder_module, "parse_network", parse)
        trt = gate(fails)
        if fails == "8.6.1":
            build_plan(trt, halves, PlanOptions())
            assert trt.network_flags == [{"EXPLICIT_PRECISION"}]
            return
        with pytest.raises(GateError, match="makes a network of TensorRT"):
            build_plan(trt, halves, PlanOptions())

    def test_a_number_is_no_flag(self, gate, halves, monkeypatch):
        monkeypatch.setattr(builder_module, "_set_precision", lambda trt, config, precision: config.set_flag(0))
        with pytest.raises(TypeError, match="incompatible function arguments"):
            build_plan(gate("10.3.0"), halves, PlanOptions())

    def test_the_progress_monitor_is_not_in_8_6(self, gate, halves, monkeypatch):
        monkeypatch.setattr(builder_module, "hasattr", lambda _trt, _name: True, raising=False)
        with pytest.raises(AttributeError, match=r"8\.6\.1 has no IProgressMonitor"):
            build_plan(gate("8.6.1"), halves, PlanOptions())

    def test_what_a_release_lacks_is_missing_from_objects_too(self, gate):
        trt = gate("8.6.1")
        config = trt.Builder(trt.ILogger()).create_builder_config()
        with pytest.raises(AttributeError, match=r"has no IBuilderConfig\.progress_monitor"):
            config.progress_monitor = None


def test_subgraphs_are_refused_before_tensorrt_sees_them(gate):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["b"])], "b", [], [helper.make_tensor_value_info("b", 1, [1])]
    )
    node = helper.make_node("If", ["c"], ["y"], "choose", then_branch=branch, else_branch=branch)
    inputs = [helper.make_tensor_value_info("c", 9, []), helper.make_tensor_value_info("x", 1, [1])]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", 1, [1])])
    with pytest.raises(ModelError, match="If 'choose' holds a subgraph"):
        make_network_file(gate("11.4"), onnx.helper.make_model(graph), "fp16")


@settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=40)
@given(network=networks())
def test_random_networks_in_fp16(rtx, shared, network):
    trt = Gate(rtx, shared / "tensorrt", "10.3.0")
    assert build_plan(trt, make_network_file(trt, network.model(), "fp16").onnx, PlanOptions())
