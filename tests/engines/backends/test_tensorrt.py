"""The backend on the executing fake: what it computes, what it refuses, and that its mistakes would be seen."""

import contextlib
import functools
import gc
import logging
import threading
from contextlib import closing

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from mnv2_engines.backends.tensorrt import TensorRtBackend, open_tensorrt
from mnv2_engines.cuda.cuda_python import CudaPythonRuntime
from mnv2_engines.engine.facts import OutputFacts, VerificationFacts
from mnv2_engines.errors import (
    BackendUnavailableError,
    ContractError,
    CorruptEngineError,
    EngineError,
    InferenceError,
    StaleEngineError,
)
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.tensorrt.execution import InferenceRequest
from mnv2_engines.tensorrt.plan import LoadedPlan
from mnv2_engines.tensorrt.shared_tensor import SharedTensor
from mnv2_engines.testing import check_backend
from support.fake_jetson import ORIN, PROVIDERS, FakeJetson, write_plan


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


@pytest.fixture(scope="session")
def network(signs_model) -> bytes:
    return signs_model.read_bytes()


@pytest.fixture
def plan(tmp_path, network, describe_engine):
    return write_plan(tmp_path / "signs.engine", network, describe_engine)


@functools.cache
def session_of(network: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])


def reference(network: bytes, picture: np.ndarray) -> list[np.ndarray]:
    session = session_of(network)
    return session.run(None, {session.get_inputs()[0].name: picture})


def pictures(spec, count: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    return [random.uniform(-1, 1, spec.shape).astype(np.float32) for _ in range(count)]


def is_right(backend: TensorRtBackend, network: bytes) -> bool:
    """Infer with three buffers in rotation, as a camera does, and compare with ONNX Runtime."""
    buffers = [backend.allocate_input() for _ in range(3)]
    for _ in range(2):
        for buffer, picture in zip(buffers, pictures(backend.input_spec), strict=True):
            buffer[...] = picture
            for output, expected in zip(backend.infer(buffer), reference(network, picture), strict=True):
                if not np.allclose(output, expected, atol=1e-5):
                    return False
    return True


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("memory", ["mapped", "copy"])
@pytest.mark.parametrize("graph", ["auto", "never"])
def test_it_computes_what_onnx_runtime_computes(jetson, plan, network, provider, memory, graph) -> None:
    jetson.use_provider(provider)
    with closing(open_tensorrt(plan, memory=memory, graph=graph, root=jetson.root)) as backend:
        assert is_right(backend, network)
    assert bool(jetson.gpu.launched_graphs) == (graph == "auto" and provider != "pycuda")
    assert bool(jetson.gpu.copied_bytes) == (memory == "copy")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("memory", ["mapped", "copy"])
def test_it_keeps_the_contract_of_backends(jetson, plan, provider, memory) -> None:
    jetson.use_provider(provider)
    check_backend(lambda: open_tensorrt(plan, memory=memory, root=jetson.root))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("memory", ["mapped", "copy"])
def test_closing_frees_all_of_it_and_may_be_repeated(jetson, plan, provider, memory) -> None:
    jetson.use_provider(provider)
    backend = open_tensorrt(plan, memory=memory, root=jetson.root)
    buffers = [backend.allocate_input() for _ in range(3)]
    for buffer in buffers:
        backend.infer(buffer)
    backend.close()
    backend.close()
    gc.collect()
    kind = "mapped" if memory == "mapped" else "pinned"
    assert jetson.gpu.live == [f"{kind} memory"] * 3  # what this test still holds
    buffers[0].fill(1.0)  # as a camera's thread may that was stuck when the run ended
    del buffers, buffer
    gc.collect()
    assert jetson.gpu.live == []
    assert set(jetson.tensorrt._alive.values()) == {0}


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "10.13.3", "10.16.1", "11.0.0", "11.4.0"])
def test_every_release_runs_through_one_code_path(jetson, network, tmp_path, describe_engine, version) -> None:
    jetson.use_tensorrt(version)
    built = msgspec.structs.replace(ORIN, tensorrt=version)
    path = write_plan(tmp_path / "signs.engine", network, describe_engine, built=built)
    with closing(open_tensorrt(path, root=jetson.root)) as backend:
        assert is_right(backend, network)
        assert backend.report().runtime == f"TensorRT {version}"


def test_memory_is_mapped_where_cpu_and_gpu_share_it(jetson, plan) -> None:
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        assert backend.report().device.startswith("Orin (compute capability 8.7), mapped memory, CUDA graphs, cuda-")
    jetson.gpu.integrated = False
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        assert ", copies, CUDA graphs" in backend.report().device


def test_a_frame_goes_into_the_gpus_buffer(jetson, plan, network) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        from mnv2_engines.preprocessing.preprocess import Preprocess

        buffer = backend.allocate_input()
        assert backend.input_spec.layout == "NCHW"
        FramePreparer(backend.input_spec, Preprocess()).prepare(frame, "BGR", buffer)
        assert -1.0 <= buffer.min() < buffer.max() <= 1.0
        (logits,) = backend.infer(buffer)
        np.testing.assert_allclose(logits, reference(network, buffer)[0], atol=1e-5)


def test_what_makes_an_output_is_told_by_the_manifest(jetson, network, tmp_path, describe_engine) -> None:
    path = write_plan(tmp_path / "a.plan", network, describe_engine, final_operators={"logits": "FULLY_CONNECTED"})
    with closing(open_tensorrt(path, root=jetson.root)) as backend:
        assert backend.report().final_operators == ("FULLY_CONNECTED",)


def two_outputs() -> bytes:
    """Return a network whose outputs `second` and `first` the plan lists in that order."""
    nodes = [onnx.helper.make_node("Neg", ["x"], ["second"]), onnx.helper.make_node("Abs", ["x"], ["first"])]
    x, second, first = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 4, 4])
        for name in ("x", "second", "first")
    )
    graph = onnx.helper.make_graph(nodes, "g", [x], [second, first])
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def verified(*names: str) -> VerificationFacts:
    outputs = tuple(OutputFacts(name=name, sqnr_db=60.0) for name in names)
    return VerificationFacts(
        source="", images=1, outputs=outputs, layers=(), agreement=None, accelerated=True, runtime=""
    )


def test_outputs_come_in_the_order_of_the_model_whatever_the_plans_is(jetson, tmp_path, describe_engine) -> None:
    path = write_plan(tmp_path / "a.plan", two_outputs(), describe_engine, verification=verified("first", "second"))
    with closing(open_tensorrt(path, root=jetson.root)) as backend:
        assert [spec.name for spec in backend.output_specs] == ["first", "second"]
        buffer = backend.allocate_input()
        buffer[...] = 2
        first, second = backend.infer(buffer)
        assert (first.min(), second.max()) == (2, -2)


def test_a_plan_with_other_outputs_than_its_model_is_refused(jetson, tmp_path, describe_engine) -> None:
    path = write_plan(tmp_path / "a.plan", two_outputs(), describe_engine, verification=verified("first", "third"))
    with pytest.raises(EngineError, match="has the outputs second, first, its model first, third: build it again"):
        open_tensorrt(path, root=jetson.root)


def test_another_thread_may_infer(jetson, plan, network) -> None:
    jetson.use_provider("pycuda")  # the one whose contexts belong to threads
    answers = []
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        thread = threading.Thread(target=lambda: answers.append(is_right(backend, network)))
        thread.start()
        thread.join()
    assert answers == [True]


def test_class_numbers_become_floats_and_stay_integers_when_raw(jetson, tmp_path, describe_engine) -> None:
    node = onnx.helper.make_node("ArgMax", ["x"], ["classes"], axis=1, keepdims=0)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 4, 4])
    classes = onnx.helper.make_tensor_value_info("classes", onnx.TensorProto.INT64, [1, 4, 4])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [x], [classes]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path = write_plan(tmp_path / "classes.engine", model.SerializeToString(), describe_engine)
    with closing(open_tensorrt(path, root=jetson.root)) as backend:
        picture = pictures(backend.input_spec, 1)[0]
        raw = backend.infer_raw(picture)
        assert raw[0].dtype == np.int64
        np.testing.assert_array_equal(raw[0], picture.argmax(axis=1))
        buffer = backend.allocate_input()
        assert not buffer.any()
        buffer[...] = picture
        (floats,) = backend.infer(buffer)
        assert floats.dtype == np.float32
        np.testing.assert_array_equal(floats, raw[0])


def test_an_open_batch_is_run_with_one_picture(jetson, network, tmp_path, describe_engine) -> None:
    model = onnx.load_from_string(network)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    raw = model.SerializeToString()
    path = write_plan(tmp_path / "batch.engine", raw, describe_engine)
    with closing(open_tensorrt(path, root=jetson.root)) as backend:
        assert backend.input_spec.shape[0] == 1
        assert is_right(backend, raw)


def test_a_network_that_cannot_be_captured_runs_without_a_graph(jetson, plan, network, caplog) -> None:
    jetson.gpu.capturable = False
    with caplog.at_level(logging.WARNING), closing(open_tensorrt(plan, root=jetson.root)) as backend:
        assert is_right(backend, network)
        assert "no CUDA graphs" in backend.report().device
    assert [record.message for record in caplog.records if "without CUDA graphs" in record.message]
    with pytest.raises(InferenceError, match="not permitted when stream is capturing"):
        open_tensorrt(plan, graph="always", root=jetson.root)
    gc.collect()
    assert jetson.gpu.live == []


def test_a_graph_that_cannot_be_made_ready_is_done_without(jetson, plan, network) -> None:
    jetson.gpu.instantiable = False
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        assert is_right(backend, network)
        assert "no CUDA graphs" in backend.report().device
    gc.collect()
    assert jetson.gpu.live == []


def test_a_capture_that_fails_later_leaves_the_graphs_that_there_are(jetson, plan, network) -> None:
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        first, second = backend.allocate_input(), backend.allocate_input()
        jetson.gpu.capturable = False
        for buffer in (second, first, second):
            buffer[...] = pictures(backend.input_spec, 1)[0]
            np.testing.assert_allclose(backend.infer(buffer)[0], reference(network, buffer)[0], atol=1e-5)
        assert jetson.gpu.launched_graphs == 1


def test_an_engine_that_must_have_graphs_infers_after_a_capture_that_failed(jetson, plan, network) -> None:
    with closing(open_tensorrt(plan, graph="always", root=jetson.root)) as backend:
        backend.allocate_input()
        buffer = backend.allocate_input()
        buffer[...] = pictures(backend.input_spec, 1)[0]
        jetson.gpu.capturable = False
        with pytest.raises(InferenceError, match="not permitted when stream is capturing"):
            backend.infer(buffer)
        jetson.gpu.capturable = True
        np.testing.assert_allclose(backend.infer(buffer)[0], reference(network, buffer)[0], atol=1e-5)


# What must never be deserialised


@pytest.fixture
def alarm(jetson, monkeypatch):
    """Let the test fail when any bytes reach the deserialiser."""

    def deserialise(_self, _plan):
        pytest.fail("bytes that nobody vouches for reached the deserialiser")

    monkeypatch.setattr(jetson.tensorrt.Runtime, "deserialize_cuda_engine", deserialise)


@pytest.mark.usefixtures("alarm")
def test_a_damaged_or_foreign_plan_is_never_deserialised(jetson, plan) -> None:
    good = plan.read_bytes()
    for bad in (good[:-1], good[: len(good) // 2], b"", good[:100] + bytes([good[100] ^ 1]) + good[101:], b"\0" * 64):
        plan.write_bytes(bad)
        with pytest.raises(CorruptEngineError):
            open_tensorrt(plan, root=jetson.root)


@pytest.mark.usefixtures("alarm")
def test_a_plan_without_manifest_is_never_deserialised(jetson, plan) -> None:
    plan.with_suffix(".json").unlink()
    with pytest.raises(EngineError, match="no manifest"):
        open_tensorrt(plan, root=jetson.root)


@pytest.mark.usefixtures("alarm")
def test_a_plan_that_is_swapped_after_it_was_hashed_is_never_deserialised(jetson, plan, monkeypatch) -> None:
    from mnv2_engines.backends import tensorrt

    def swap(*args):
        plan.write_bytes(b"another")

    monkeypatch.setattr(tensorrt, "require_fresh", swap)
    with pytest.raises(CorruptEngineError, match="was replaced while it was being opened"):
        open_tensorrt(plan, root=jetson.root)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize(
    ("field", "built", "words"),
    [
        ("tensorrt", "8.6.2", "TensorRT 8.6.2 became 10.3.0"),
        ("cuda", "12.2", "CUDA 12.2 became 12.6"),
        ("l4t", "36.3.0", "L4T 36.3.0 became 36.4.0"),
        ("gpu", "Xavier", "GPU Xavier became Orin"),
        ("compute_capability", "7.2", "compute capability 7.2 became 8.7"),
    ],
)
def test_a_plan_of_another_device_is_never_deserialised(
    jetson, network, tmp_path, describe_engine, field, built, words
) -> None:
    facts = msgspec.structs.replace(ORIN, **{field: built})
    path = write_plan(tmp_path / "signs.engine", network, describe_engine, built=facts)
    with pytest.raises(StaleEngineError) as caught:
        open_tensorrt(path, root=jetson.root)
    assert words in str(caught.value)
    assert f"`mnv2-edge build-engine signs.onnx --target tensorrt --output {path}`" in str(caught.value)


@pytest.mark.usefixtures("alarm")
def test_a_manifest_that_is_silent_about_the_device_is_not_trusted(jetson, network, tmp_path, describe_engine) -> None:
    path = write_plan(tmp_path / "signs.engine", network, describe_engine, built=None)
    with pytest.raises(EngineError, match="does not say what the plan was built for"):
        open_tensorrt(path, root=jetson.root)


# Failures


def test_what_tensorrt_says_is_in_the_error(jetson, plan, monkeypatch) -> None:
    monkeypatch.setattr("support.fake_tensorrt.MAGIC", b"of another release")
    with pytest.raises(EngineError, match=r"refused by TensorRT 10\.3\.0: Serialization assertion .* build it again"):
        open_tensorrt(plan, root=jetson.root)
    gc.collect()
    assert jetson.gpu.live == []


def test_a_gpu_without_memory_says_so_and_leaks_nothing(jetson, plan) -> None:
    jetson.gpu.free_bytes = 1000
    with pytest.raises(InferenceError, match="cudaHostAlloc failed: out of memory"):
        open_tensorrt(plan, root=jetson.root)
    gc.collect()
    assert jetson.gpu.live == []


def test_a_launch_that_fails_says_so_and_can_still_be_closed(jetson, plan) -> None:
    backend = open_tensorrt(plan, memory="copy", root=jetson.root)
    buffer = backend.allocate_input()
    for address, kind in list(jetson.gpu._kinds.items()):
        if kind == "device":
            jetson.gpu.free(address, "device")
    with pytest.raises(InferenceError, match=r"cudaStreamSynchronize failed: .*illegal memory access"):
        backend.infer(buffer)
    backend.close()


def test_a_buffer_of_somebody_else_is_refused(jetson, plan) -> None:
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        with pytest.raises(InferenceError, match="allocate_input"):
            backend.infer(np.zeros(backend.input_spec.shape, np.float32))
        backend.close()
        with pytest.raises(InferenceError, match="closed"):
            backend.infer(np.zeros(backend.input_spec.shape, np.float32))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_closed_engine_is_used_no_more_and_may_be_closed_by_another_thread(jetson, plan, provider) -> None:
    jetson.use_provider(provider)
    backend = open_tensorrt(plan, root=jetson.root)
    held = [backend.allocate_input()]
    backend.infer(held[0])
    thread = threading.Thread(target=backend.close)
    thread.start()
    thread.join()
    for use in (backend.allocate_input, lambda: backend.infer(held[0]), lambda: backend.infer_raw(held[0])):
        with pytest.raises(InferenceError, match="the engine is closed: open it again"):
            use()
    backend.close()
    held.clear()
    gc.collect()
    assert jetson.gpu.live == []


def test_modes_that_are_not_possible_are_refused(jetson, plan) -> None:
    jetson.gpu.maps_host_memory = False
    with pytest.raises(ContractError, match="memory 'mapped' is not possible on Orin"):
        open_tensorrt(plan, memory="mapped", root=jetson.root)
    jetson.use_provider("pycuda")
    with pytest.raises(ContractError, match="pycuda has no CUDA graphs"):
        open_tensorrt(plan, graph="always", root=jetson.root)


def test_without_a_gpu_there_is_one_line(jetson, plan) -> None:
    jetson.gpu.present = False
    with pytest.raises(BackendUnavailableError, match="no NVIDIA GPU"):
        open_tensorrt(plan, root=jetson.root)


# Each of these takes one step out of the backend. The fake must show every one of them: else the tests above prove
# nothing.


def broken(jetson, plan, network, memory: str) -> bool:
    try:
        with closing(open_tensorrt(plan, memory=memory, graph="never", root=jetson.root)) as backend:
            return not is_right(backend, network)
    except InferenceError:
        return True


def test_the_fake_is_right_when_nothing_is_taken_out(jetson, plan, network) -> None:
    assert not broken(jetson, plan, network, "copy")
    assert not broken(jetson, plan, network, "mapped")


@pytest.mark.parametrize("memory", ["mapped", "copy"])
def test_a_missing_synchronise_would_be_seen(jetson, plan, network, memory, monkeypatch) -> None:
    monkeypatch.setattr(CudaPythonRuntime, "synchronize", lambda _self, _stream: None)
    assert broken(jetson, plan, network, memory)


@pytest.mark.parametrize("step", ["send", "fetch"])
def test_a_missing_copy_would_be_seen(jetson, plan, network, step, monkeypatch) -> None:
    monkeypatch.setattr(SharedTensor, step, lambda _self, _stream: None)
    assert broken(jetson, plan, network, "copy")


def test_a_missing_address_would_be_seen(jetson, plan, network, monkeypatch) -> None:
    bind = LoadedPlan.bind

    def forget_outputs(self, context, tensor, address):
        if tensor == self.input.name:
            bind(self, context, tensor, address)

    monkeypatch.setattr(LoadedPlan, "bind", forget_outputs)
    with pytest.raises(InferenceError, match="execute_async_v3 was refused: Address is not set for tensor"):
        open_tensorrt(plan, root=jetson.root)


@pytest.mark.parametrize("memory", ["mapped", "copy"])
def test_the_wrong_kind_of_pointer_would_be_seen(jetson, plan, network, memory, monkeypatch) -> None:
    init = SharedTensor.__init__

    def take_the_cpus(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.address = self.array.ctypes.data

    monkeypatch.setattr(SharedTensor, "__init__", take_the_cpus)
    assert broken(jetson, plan, network, memory)


def test_one_context_for_all_buffers_would_be_seen(jetson, plan, network, monkeypatch) -> None:
    """With the addresses of the first buffer, the others' pictures are never looked at."""
    shared = {}
    make = LoadedPlan.make_context
    monkeypatch.setattr(LoadedPlan, "make_context", lambda self: shared.setdefault("context", make(self)))
    bind, bound = LoadedPlan.bind, set()

    def bind_once(self, context, tensor, address):
        if tensor not in bound:
            bound.add(tensor)
            bind(self, context, tensor, address)

    monkeypatch.setattr(LoadedPlan, "bind", bind_once)
    assert broken(jetson, plan, network, "mapped")


def test_going_on_with_the_context_of_a_failed_capture_would_be_seen(jetson, plan, network, monkeypatch) -> None:
    monkeypatch.setattr(InferenceRequest, "_give_up", lambda _self: None)
    jetson.gpu.capturable = False
    with closing(open_tensorrt(plan, root=jetson.root)) as backend:
        assert not is_right(backend, network)


def test_an_error_that_a_failed_capture_leaves_behind_would_be_seen(jetson, plan, monkeypatch) -> None:
    def end_only(self, stream):
        with contextlib.suppress(InferenceError):
            self.end_capture(stream)

    monkeypatch.setattr(CudaPythonRuntime, "abandon_capture", end_only)
    jetson.gpu.capturable = False
    with (
        closing(open_tensorrt(plan, root=jetson.root)) as backend,
        pytest.raises(InferenceError, match="execute_async_v3 was refused: Cuda Runtime"),
    ):
        backend.infer(backend.allocate_input())


def test_memory_that_is_freed_too_early_would_be_seen(jetson, plan, network) -> None:
    with closing(open_tensorrt(plan, memory="mapped", root=jetson.root)) as backend:
        buffer = backend.allocate_input()
        jetson.gpu.free(buffer.ctypes.data, "mapped")
        with pytest.raises(InferenceError, match="illegal memory access"):
            backend.infer(buffer)
