import gc
import sys
import threading

import numpy as np
import pytest

from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.cuda.support import cuda_version
from mnv2_engines.errors import BackendUnavailableError, InferenceError
from support.fake_jetson import PROVIDERS, FakeJetson


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


def test_cuda_python_is_preferred(jetson, monkeypatch) -> None:
    module = jetson.use_provider("pycuda")
    pycuda = {name: sys.modules[name] for name in ("pycuda", "pycuda.driver")}
    assert module is pycuda["pycuda.driver"]
    assert open_cuda().name.startswith("pycuda")
    jetson.use_provider("cuda-python")
    for name, found in pycuda.items():
        monkeypatch.setitem(sys.modules, name, found)
    assert open_cuda().name.startswith("cuda-python")
    assert open_cuda("pycuda").name.startswith("pycuda")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_both_describe_the_gpu_alike(jetson, provider) -> None:
    jetson.use_provider(provider)
    gpu = open_cuda().gpu
    assert (gpu.name, gpu.compute_capability, gpu.driver_cuda) == ("Orin", "8.7", "12.6")
    assert gpu.integrated
    assert gpu.maps_host_memory


@pytest.mark.parametrize("provider", PROVIDERS)
def test_copies_happen_when_the_stream_is_synchronised(jetson, provider) -> None:
    jetson.use_provider(provider)
    cuda = open_cuda()
    with cuda.current():
        stream = cuda.create_stream()
        there, back = cuda.allocate_host(8, mapped=False), cuda.allocate_host(8, mapped=False)
        assert not there.array.any()
        assert there.device_address is None
        address = cuda.allocate_device(8)
        there.array[:] = np.arange(8)
        cuda.copy_to_device(address, there, stream)
        cuda.copy_to_host(back, address, stream)
        assert back.array[0] == 0xFF
        cuda.synchronize(stream)
        np.testing.assert_array_equal(back.array, np.arange(8))
        cuda.free_device(address)
        cuda.destroy_stream(stream)
    del there, back
    gc.collect()
    cuda.close()
    cuda.close()
    assert jetson.gpu.live == []


def test_graphs_do_again_what_was_captured(jetson) -> None:
    cuda = open_cuda()
    stream = cuda.create_stream()
    source, address = cuda.allocate_host(4, mapped=False), cuda.allocate_device(4)
    cuda.begin_capture(stream)
    cuda.copy_to_device(address, source, stream)
    graph = cuda.end_capture(stream)
    source.array[:] = 7
    cuda.launch_graph(graph, stream)
    cuda.synchronize(stream)
    assert (jetson.gpu.device(address, 4) == 7).all()
    cuda.destroy_graph(graph)
    assert "graph" not in " ".join(jetson.gpu.live)


def test_pycuda_has_no_graphs_and_says_what_has(jetson) -> None:
    jetson.use_provider("pycuda")
    cuda = open_cuda()
    assert not cuda.has_graphs
    with cuda.current():
        stream = cuda.create_stream()
        for call in (
            cuda.begin_capture,
            cuda.end_capture,
            cuda.abandon_capture,
            cuda.destroy_graph,
            lambda one: cuda.launch_graph(one, one),
        ):
            with pytest.raises(InferenceError, match="install cuda-python"):
                call(stream)


def test_pycuda_leaves_no_context_on_a_threads_stack(jetson) -> None:
    """pycuda ends the process when a thread ends with one."""
    jetson.use_provider("pycuda")
    cuda = open_cuda()
    with pytest.raises(ZeroDivisionError), cuda.current():
        raise ZeroDivisionError
    with pytest.raises(InferenceError, match="invalid device context"):
        cuda.create_stream()


def test_pycuda_leaves_no_dead_context_current(jetson) -> None:
    """With one, every call of CUDA's runtime fails in that thread, TensorRT's too."""
    jetson.use_provider("pycuda")
    cuda = open_cuda()
    with cuda.current():
        memory = cuda.allocate_host(8, mapped=False)
    cuda.close()
    del cuda, memory
    gc.collect()
    jetson.use_provider("cuda-python")
    runtime = open_cuda()
    runtime.destroy_stream(runtime.create_stream())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_memory_is_given_back_in_whichever_thread_has_it_last(jetson, provider) -> None:
    jetson.use_provider(provider)
    cuda = open_cuda()
    with cuda.current():
        held = [cuda.allocate_host(8, mapped=True)]
    cuda.close()
    held[0].array[:] = 1
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert jetson.gpu.live == []


def test_pycuda_says_that_it_was_let_go_of(jetson) -> None:
    jetson.use_provider("pycuda")
    cuda = open_cuda()
    cuda.close()
    with pytest.raises(InferenceError, match="open it again before using it"), cuda.current():
        pytest.fail("there is no context any more")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cudas_own_text_is_in_the_error(jetson, provider) -> None:
    jetson.use_provider(provider)
    cuda = open_cuda()
    jetson.gpu.free_bytes = 0
    with cuda.current(), pytest.raises(InferenceError, match=r"^cu(da|Mem)\w+ failed: out of memory"):
        cuda.allocate_device(1)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_gpu_there_is_one_line(jetson, provider) -> None:
    jetson.use_provider(provider)
    jetson.gpu.present = False
    with pytest.raises(BackendUnavailableError) as caught:
        open_cuda()
    assert "no NVIDIA GPU that this process can use" in str(caught.value)
    assert "no CUDA-capable device is detected" in str(caught.value)
    assert "`--runtime nvidia`" in str(caught.value)


def test_a_library_that_cannot_be_loaded_is_no_gpu_either(jetson) -> None:
    """cuda-python up to 12.6.2 raises instead of returning an error (seen: 12.6.0)."""

    def fail():
        raise RuntimeError("Failed to dlopen libcuda.so.1")

    module = jetson.use_provider("cuda-python")
    module.cudaGetDeviceCount = fail
    with pytest.raises(BackendUnavailableError, match=r"no NVIDIA GPU .*Failed to dlopen libcuda\.so\.1"):
        open_cuda()


def test_a_driver_that_is_older_than_the_package(jetson) -> None:
    jetson.gpu.driver = 11080
    with pytest.raises(BackendUnavailableError, match=r"needs a driver for CUDA 12\.9, this one serves CUDA 11\.8: "):
        open_cuda()


def test_no_driver_at_all(jetson) -> None:
    jetson.gpu.driver = 0
    with pytest.raises(BackendUnavailableError, match="driver version is insufficient"):
        open_cuda()


def test_neither_package_is_there(jetson) -> None:
    jetson.use_provider(None)
    with pytest.raises(BackendUnavailableError, match=r"no Python package for CUDA .*cuda-python: .*pycuda: .*`pip"):
        open_cuda()
    with pytest.raises(BackendUnavailableError, match=r"`pip install 'pycuda>=2022\.1'`"):
        open_cuda("pycuda")


def test_versions_are_written_as_people_write_them() -> None:
    assert [cuda_version(number) for number in (11080, 12060, 13000)] == ["11.8", "12.6", "13.0"]
