"""Flags of `build-engine` that come from the options of whatever builders are installed."""

from typing import Annotated, Literal

import click
import msgspec
import pytest
from click.testing import CliRunner

from mnv2_edge.cli.ui import builder_options as module
from mnv2_edge.cli.ui.builder_options import builder_options, read_builder_options
from mnv2_edge.errors import UsageError
from mnv2_engines.backends.format import Building, EngineFormat
from mnv2_engines.backends.registry import formats
from mnv2_engines.tensorrt.format import PlanBuilding


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rounds: Annotated[int, msgspec.Meta(ge=1, le=9, description="how often it tries")] = 2
    speed: Literal["slow", "fast"] = "slow"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    fold: bool = True


FOREIGN = EngineFormat(
    name="foreign",
    title="Foreign",
    suffixes=(".frn",),
    open=lambda path, options: None,
    building=Building(builder=lambda: None, precisions=("fp32",), options=Tuning),
)


@pytest.fixture
def foreign(monkeypatch):
    monkeypatch.setattr(module, "formats", lambda: (*formats(), FOREIGN))
    monkeypatch.setattr(module, "require_building", lambda name: FOREIGN.building)
    monkeypatch.setattr(module, "find_format", lambda name: FOREIGN)


def flags(*words: str) -> tuple[int, str, dict[str, object]]:
    given: dict[str, object] = {}

    @click.command()
    @builder_options
    def command(**values: object) -> None:
        given.update(values)

    done = CliRunner().invoke(command, words)
    return done.exit_code, done.output, given


def test_what_is_given_becomes_the_builders_struct() -> None:
    assert read_builder_options("tensorrt", {"workspace_mib": 64, "optimization_level": None}) == PlanBuilding(
        workspace_mib=64
    )
    assert read_builder_options("tensorrt", {}) == PlanBuilding()


def test_an_option_of_another_target_is_refused() -> None:
    with pytest.raises(UsageError, match="--workspace-mib is TensorRT's, and this builds for LiteRT: leave it out"):
        read_builder_options("litert", {"workspace_mib": 64})


@pytest.mark.usefixtures("foreign")
def test_a_foreign_builder_has_flags_too() -> None:
    status, _, given = flags("--rounds", "3", "--speed", "fast", "--share", "0.25", "--fold", "no")
    assert status == 0
    assert read_builder_options("foreign", given) == Tuning(rounds=3, speed="fast", share=0.25, fold=False)


@pytest.mark.usefixtures("foreign")
def test_its_bounds_and_words_are_those_of_the_struct() -> None:
    assert "Foreign: how often it tries. [default: 2]" in " ".join(flags("--help")[1].split())
    assert flags("--rounds", "10")[0] == 2
    assert flags("--speed", "faster")[0] == 2
