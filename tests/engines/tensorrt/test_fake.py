"""The executing fake offers nothing that a recorded TensorRT lacks."""

import enum
import gzip
import json
from pathlib import Path

import pytest

from support.fake_gpu import FakeGpu
from support.fake_tensorrt import make_tensorrt
from support.fake_tensorrt_builder import add_builder

RELEASES = ["8.6.1", "10.3.0", "10.13.3.9", "10.16.1.11", "11.0.0.114", "11.4.0.106"]


def record(shared: Path, release: str) -> dict:
    path = shared / "tensorrt" / f"api-{release}.json.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the recorded names of TensorRT {release}")
    return json.loads(gzip.decompress(path.read_bytes()))


def offered(member: object) -> set[str]:
    return {name for name in dir(member) if not name.startswith("_")}


@pytest.mark.parametrize("release", RELEASES)
def test_every_name_is_in_the_release(shared: Path, release: str) -> None:
    api = record(shared, release)
    module = make_tensorrt(FakeGpu(), release)
    add_builder(module)
    for name in offered(module):
        assert name in api, f"TensorRT {release} has no {name}"
        member = getattr(module, name)
        if issubclass(member, enum.Enum):
            values = {one.name: one.value for one in member}
            assert values.items() <= api[name]["enum"].items(), f"{name} is another one in {release}"
        else:
            own = {method for method in offered(member) if method in vars(member)}
            assert own <= api[name].keys(), f"TensorRT {release}: {name} lacks some of it"


@pytest.mark.parametrize("release", RELEASES)
def test_severities_are_where_the_logger_has_them(shared: Path, release: str) -> None:
    logger = record(shared, release)["ILogger"]
    assert {"INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE", "log"} <= logger.keys()


def test_the_test_can_fail(shared: Path) -> None:
    api = record(shared, "11.0.0.114")
    assert "execute_async_v2" not in api["IExecutionContext"]
    assert "execute_async_v2" in record(shared, "8.6.1")["IExecutionContext"]
