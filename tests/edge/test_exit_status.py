"""Every error there is ends the process with the status that was promised for it."""

import pytest

from mnv2_edge import errors as edge
from mnv2_edge.exit_status import ExitStatus, exit_status_of
from mnv2_engines import errors as engines

PROMISED = {
    edge.EdgeError: 70,
    edge.UsageError: 2,
    edge.ConfigError: 78,
    edge.SourceError: 69,
    edge.SourceNotFoundError: 69,
    edge.SourcePermissionError: 77,
    edge.SinkError: 69,
    edge.PluginError: 78,
    edge.TemporaryError: 75,
    engines.ModelError: 65,
    engines.UnsupportedOperatorError: 65,
    engines.EngineError: 65,
    engines.CorruptEngineError: 65,
    engines.StaleEngineError: 65,
    engines.LabelsError: 65,
    engines.ContractError: 2,
    engines.BackendUnavailableError: 69,
    engines.InferenceError: 70,
    engines.BuildError: 1,
    engines.VerificationError: 1,
}


@pytest.mark.parametrize("name", [*edge.__all__, *(set(engines.__all__) - {"EnginesError"})])
def test_every_error_has_its_status(name):
    kind = getattr(edge, name, None) or getattr(engines, name)
    assert exit_status_of(kind("x")) == PROMISED[kind]
    assert PROMISED[kind] in list(ExitStatus)


def test_a_foreign_error_was_not_foreseen():
    assert exit_status_of(ValueError("x")) is None
