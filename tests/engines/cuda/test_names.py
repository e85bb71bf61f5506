"""Nothing is used of cuda-python and pycuda, by our code or by our fakes, that the real packages lack.

Here against names that were recorded from them; `make test-tensorrt` compares the record with the packages.
"""

import enum
import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mnv2_engines.cuda import cuda_python, pycuda_driver
from support.cuda_names import used_calls, used_names
from support.fake_cuda import make_cudart, make_pycuda_driver
from support.fake_gpu import FakeGpu

RECORD = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize(("package", "module"), [("cuda-python", cuda_python), ("pycuda", pycuda_driver)])
def test_what_we_use_is_what_was_recorded(package, module) -> None:
    assert used_names(inspect.getsource(module), package) == set(RECORD[package]["names"])


def test_functions_get_as_many_arguments_as_they_take() -> None:
    calls = used_calls(inspect.getsource(cuda_python))
    assert len(calls) > 15
    recorded = RECORD["cuda-python"]["names"]
    assert calls == {name: recorded[name] for name in calls}


def test_the_fakes_have_nothing_that_was_not_recorded() -> None:
    cudart = {name for name in vars(make_cudart(FakeGpu())) if not name.startswith("_")}
    assert cudart == {name.partition(".")[0] for name in RECORD["cuda-python"]["names"]} - {"cudaDeviceProp"}
    driver = make_pycuda_driver(FakeGpu())
    for name, member in vars(driver).items():
        if name.startswith("_") or name == "LogicError":  # a kind of Error, which is never named
            continue
        recorded = {one for one in RECORD["pycuda"]["names"] if one.partition(".")[0] == name}
        assert recorded, f"pycuda's {name} is not recorded"
        if isinstance(member, SimpleNamespace) or (isinstance(member, type) and not issubclass(member, enum.Enum)):
            methods = {f"{name}.{method}" for method in vars(member) if not method.startswith("_")}
            assert methods <= recorded | {name}


def test_a_name_that_does_not_exist_would_be_seen() -> None:
    source = "def f(rt, driver):\n  rt.cudaMallocFast(1)\n  return rt.cudaError_t.cudaFine, driver.Stream"
    assert used_names(source, "cuda-python") == {"cudaMallocFast", "cudaError_t.cudaFine"}
    assert used_names(source, "pycuda") == {"Stream"}
    assert used_calls(source) == {"cudaMallocFast": 1}
