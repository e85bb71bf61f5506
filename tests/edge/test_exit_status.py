"""Every error there is ends the process with the status that was promised for it."""

import pytest

from mnv2_edge import errors as edge
from mnv2_edge.errors import ExitStatus, exit_status_of
from mnv2_engines import errors as engines

PROMISED = {
    "EdgeError": 70,
    "UsageError": 2,
    "ConfigError": 78,
    "PictureError": 69,
    "SourceError": 69,
    "SourceNotFoundError": 69,
    "SourcePermissionError": 77,
    "SourceLoginError": 77,
    "AccessError": 77,
    "LibraryMissingError": 69,
    "SinkError": 69,
    "SinkFailedError": 70,
    "PluginError": 78,
    "RecordsLostError": 75,
    "SignatureError": 65,
    "StepFailedError": 1,
    "TemporaryError": 75,
    "ModelError": 65,
    "UnsupportedOperatorError": 65,
    "EngineError": 65,
    "UnknownFormatError": 65,
    "CorruptEngineError": 65,
    "StaleEngineError": 65,
    "LabelsError": 65,
    "ContractError": 2,
    "CatalogueError": 78,
    "DownloadError": 69,
    "BackendUnavailableError": 69,
    "InferenceError": 70,
    "BuildError": 1,
    "MemoryShortageError": 75,
    "VerificationError": 1,
    "UnbuiltEngineError": 65,
    "UnknownEngineError": 65,
    "ArchiveError": 65,
    "UntestedEngineError": 75,
    "StoreError": 69,
    "StoreAccessError": 77,
    "DiskError": 75,
    "PlaceClosedError": 77,
    "PlaceFailedError": 75,
}


@pytest.mark.parametrize(
    "name", sorted({*edge.__all__, *engines.__all__} - {"EnginesError", "ExitStatus", "exit_status_of"})
)
def test_every_error_has_its_status(name):
    kind = getattr(edge, name, None) or getattr(engines, name)
    assert exit_status_of(kind("x")) == PROMISED[name]
    assert PROMISED[name] in list(ExitStatus)


def test_a_foreign_error_was_not_foreseen():
    assert exit_status_of(ValueError("x")) is None
