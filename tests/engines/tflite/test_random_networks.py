"""Random small networks over the operator set: the float graph against ONNX Runtime, int8 against a simulation."""

import pytest
from hypothesis import HealthCheck, given, settings

from support.compiling import compile_stages, delegated, float_error, step_error
from support.onnx_networks import random_pictures
from support.random_networks import networks


def check(network, path):
    network.save(path)
    pictures = random_pictures(5, network.shape[2:])
    stages = compile_stages(path, pictures[:4])
    assert float_error(stages, pictures[4]) < 1e-4
    errors = step_error(stages, pictures[4])
    assert max(errors.values()) <= 2, max(errors, key=errors.get)
    return stages


SETTINGS = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@settings(SETTINGS, max_examples=200)
@given(networks())
def test_random_networks(tmp_path_factory, network):
    stages = check(network, tmp_path_factory.mktemp("network") / "model.onnx")
    assert delegated(stages)


@pytest.mark.acceptance
@pytest.mark.timeout(1800)
@settings(SETTINGS, max_examples=3000, derandomize=False)
@given(networks())
def test_many_random_networks(tmp_path_factory, network):
    check(network, tmp_path_factory.mktemp("network") / "model.onnx")
