"""The names that `mnv2_edge` exports: there, the same as where they are made, and free until they are used."""

import subprocess
import sys

import pytest

import mnv2_edge
from mnv2_edge.app import run
from mnv2_edge.records import Record


def test_every_exported_name_can_be_imported():
    for name in mnv2_edge.__all__:
        assert getattr(mnv2_edge, name) is not None


def test_an_exported_name_is_the_one_that_the_runtime_uses():
    assert mnv2_edge.run is run
    assert mnv2_edge.Record == Record


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'walk'"):
        mnv2_edge.walk  # noqa: B018


def test_the_version_loads_nothing_else():
    code = "import sys, mnv2_edge; mnv2_edge.__version__; print([m for m in sys.modules if m.startswith('mnv2_')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mnv2_edge']"
