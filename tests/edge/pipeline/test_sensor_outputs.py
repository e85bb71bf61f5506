"""Frames that bring the network's outputs take the same way to the same records."""

from contextlib import closing
from dataclasses import replace

import pytest

from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.pipeline import Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Result
from mnv2_edge.sources.open import open_source
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import ContractError, InferenceError
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.classify import make_classify
from support.fakes import ListSink
from support.sensor_camera import SensorBackend, SensorCamera

FRAMES = 12


def film():
    return open_source(f"demo?frames={FRAMES}", camera_id="cam", pace="max")


@pytest.fixture
def engine():
    return read_engine(demo_engine_path())


def opened(engine):
    return closing(engine.format.open(engine.path, engine.format.options()))


@pytest.fixture
def chip(engine):
    """Return what runs the network in the camera."""
    with opened(engine) as backend:
        yield backend


@pytest.fixture
def host(engine):
    """Return what runs the network where a camera only takes pictures."""
    with opened(engine) as backend:
        yield backend


def network_of(backend, chip, engine, engine_id: str = "") -> Network:
    task = make_classify(
        TaskOptions(
            outputs=chip.output_specs,
            input=chip.input_spec,
            labels=engine.labels,
            final_operators=chip.report().final_operators,
        )
    )
    return Network(backend, task, engine.preprocess, engine_id or engine.id)


def look(source, network: Network) -> list[Result]:
    sink = ListSink()
    with closing(source):
        Pipeline([OpenedCamera("cam", source)], network, [sink], device="dev").run()
    return [record for record in sink.records if isinstance(record, Result)]


def facts(results: list[Result]) -> list[tuple[object, ...]]:
    return [(one.frame, one.engine, one.task, one.predictions, one.summary, one.width, one.height) for one in results]


@pytest.fixture
def on_the_chip(chip) -> SensorBackend:
    return SensorBackend(chip.input_spec, chip.output_specs)


def test_the_records_are_those_of_a_host_that_infers(chip, host, on_the_chip, engine) -> None:
    inferred = facts(look(film(), network_of(host, host, engine)))
    camera = SensorCamera(film(), chip, engine.preprocess, engine.id)
    brought = facts(look(camera, network_of(on_the_chip, chip, engine)))
    assert len(brought) == FRAMES
    assert brought == inferred


def test_outputs_of_another_engine_are_left_and_the_pixels_looked_at(chip, host, engine) -> None:
    camera = SensorCamera(film(), chip, engine.preprocess, "another@000000000000")
    results = look(camera, network_of(host, host, engine))
    assert facts(results) == facts(look(film(), network_of(host, host, engine)))


def test_a_frame_without_outputs_is_nothing_for_a_network_on_a_chip(chip, on_the_chip, engine) -> None:
    with pytest.raises(InferenceError, match="came without its outputs"):
        look(film(), network_of(on_the_chip, chip, engine))


def test_outputs_of_another_shape_are_refused(chip, on_the_chip, engine) -> None:
    (spec,) = chip.output_specs
    on_the_chip.output_specs = (replace(spec, shape=(1, 7)),)
    camera = SensorCamera(film(), chip, engine.preprocess, engine.id)
    with pytest.raises(ContractError, match=r"cam brought outputs of .* expected \[\(1, 7\)\]"):
        look(camera, network_of(on_the_chip, chip, engine))


def test_a_network_on_a_chip_is_rehearsed_without_inferring(chip, on_the_chip, engine) -> None:
    network_of(on_the_chip, chip, engine).rehearse()
