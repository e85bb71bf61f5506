"""What the builder makes of TensorRT's refusals. The builds themselves are in tests/real_tensorrt."""

from types import SimpleNamespace

import pytest

from mnv2_engines.errors import BackendUnavailableError, BuildError, MemoryShortageError, ModelError
from mnv2_engines.tensorrt.builder import PlanOptions, build_plan

SAID = {
    "CUDA initialization failure with error: 35": (
        BackendUnavailableError,
        "no NVIDIA GPU that it can use: .*error: 35",
    ),
    "CUDA initialization failure with error: 100": (BackendUnavailableError, "container needs `--runtime nvidia`"),
    "Error Code 1: Cuda Runtime (out of memory)": (MemoryShortageError, "memory ran out: .*--workspace-mib"),
    "Requested amount of GPU memory (1024 bytes) could not be allocated. OutOfMemory": (MemoryShortageError, "ran out"),
    "Network has dynamic or shape inputs, but no optimization profile has been defined": (ModelError, "fixed height"),
    "Could not find any implementation for node /Conv": (BuildError, "any implementation .*; try --optimization-level"),
}
"""Words of TensorRT 8.6 to 10 on machines with little memory, or without a GPU."""


class Severity:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Logger(Severity):
    def log(self, severity, msg):
        raise NotImplementedError


def refusing(text):
    """Return a module whose builder says why it cannot be made, and is not."""

    def builder(logger):
        logger.log(Severity.ERROR, text)
        raise TypeError("pybind11::init(): factory function returned nullptr")

    return SimpleNamespace(__version__="10.3.0", ILogger=Logger, Builder=builder)


@pytest.mark.parametrize("text", SAID)
def test_each_refusal_has_its_error_with_the_text_and_the_next_step(text):
    error, words = SAID[text]
    with pytest.raises(error, match=words) as raised:
        build_plan(refusing(text), b"", PlanOptions())
    assert type(raised.value) is error
    assert str(raised.value).startswith("TensorRT 10.3.0 cannot start its builder")
    assert "\n" not in str(raised.value)
