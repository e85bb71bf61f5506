import logging
import threading
from types import ModuleType

import pytest

from mnv2_engines.tensorrt.build_log import TensorRtLog, make_logger


def test_errors_come_before_warnings_and_once_each() -> None:
    log = TensorRtLog()
    log.record("warning", "slow")
    assert log.said() == "slow"
    for _ in range(2):
        log.record("error", "no kernel\n  for  layer 3")
    assert log.said() == "no kernel for layer 3"


def test_silence_is_said_to_be_silence() -> None:
    log = TensorRtLog()
    log.record("info", "built in 3 s")
    assert log.said() == "TensorRT gave no reason"


def test_an_old_error_is_forgotten() -> None:
    log = TensorRtLog()
    log.record("error", "old")
    log.forget()
    log.record("error", "new")
    assert log.said() == "new"


def test_a_flood_stays_short() -> None:
    log = TensorRtLog()
    for number in range(5000):
        log.record("error", f"error {number} {'x' * 300}")
        log.record("verbose", "never kept")
    assert len(log.messages) == 1000
    assert len(log.said()) < 420


def test_the_logger_is_one_that_tensorrt_takes(caplog: pytest.LogCaptureFixture) -> None:
    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)
        constructed = False

        def __init__(self) -> None:
            self.constructed = True

    trt = ModuleType("tensorrt")
    trt.ILogger = ILogger
    log = TensorRtLog()
    logger = make_logger(trt, log)
    assert isinstance(logger, ILogger)
    assert logger.constructed
    with caplog.at_level(logging.INFO):
        logger.log(ILogger.ERROR, "deserialize failed")
        logger.log(ILogger.WARNING, "weights are subnormal")
        logger.log(ILogger.VERBOSE, "tactic 5")
    assert log.messages == (("error", "deserialize failed"), ("warning", "weights are subnormal"))
    assert [record.message for record in caplog.records] == ["TensorRT: weights are subnormal"]


def test_every_plan_shares_the_logger_which_outlives_it_and_hears_what_is_said() -> None:
    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    trt = ModuleType("tensorrt")
    trt.ILogger = ILogger
    old, new = TensorRtLog(), TensorRtLog()
    logger = make_logger(trt, old)
    assert make_logger(trt, new) is logger
    del old
    logger.log(ILogger.ERROR, "out of memory")
    assert new.said() == "out of memory"
    assert make_logger(trt, TensorRtLog()) is logger


def test_what_was_said_can_be_read_while_more_is_said() -> None:
    """TensorRT's builder has threads of its own."""
    log = TensorRtLog()
    done = threading.Event()

    def talk() -> None:
        while not done.is_set():
            log.record("error", "x")

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for _ in range(300):
            assert log.said() in {"x", "TensorRT gave no reason"}
    finally:
        done.set()
        talker.join()
