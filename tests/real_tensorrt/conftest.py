"""TensorRT for RTX, which parses and builds without a GPU, behind the gate of one release of TensorRT."""

import os

import pytest

from support.tensorrt_gate import Gate


@pytest.fixture(scope="session")
def rtx():
    try:
        import tensorrt_rtx
    except ImportError as exc:
        reason = f"TensorRT for RTX is not installed ({exc}): `make test-tensorrt` installs it"
        pytest.fail(reason, pytrace=False) if os.environ.get("CI") else pytest.skip(reason)
    return tensorrt_rtx


@pytest.fixture
def gate(rtx, shared):
    """Return a function that makes the module of one release, without a GPU when so asked."""

    def make(release, *, gpu=True):
        return Gate(rtx, shared / "tensorrt", release, gpu=gpu)

    return make
