"""The runtime: cameras to frames to predictions to sinks, and the command line.

The names in `__all__` are the library (docs/library.md). Each is imported at its first use, so that reading the version
loads nothing else.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mnv2_edge.app import open_network, run
    from mnv2_edge.config.model import CameraConfig, Config, EngineConfig, TaskConfig
    from mnv2_edge.config.read import read_config
    from mnv2_edge.frames import Frame
    from mnv2_edge.pipeline.pipeline import Outcome
    from mnv2_edge.records import CameraState, Event, Record, Result
    from mnv2_edge.sources.open import open_source

__all__ = [
    "CameraConfig",
    "CameraState",
    "Config",
    "EngineConfig",
    "Event",
    "Frame",
    "Outcome",
    "Record",
    "Result",
    "TaskConfig",
    "__version__",
    "open_network",
    "open_source",
    "read_config",
    "run",
]

__version__ = "0.1.0"

_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CameraConfig": "mnv2_edge.config.model",
        "CameraState": "mnv2_edge.records",
        "Config": "mnv2_edge.config.model",
        "EngineConfig": "mnv2_edge.config.model",
        "Event": "mnv2_edge.records",
        "Frame": "mnv2_edge.frames",
        "Outcome": "mnv2_edge.pipeline.pipeline",
        "Record": "mnv2_edge.records",
        "Result": "mnv2_edge.records",
        "TaskConfig": "mnv2_edge.config.model",
        "open_network": "mnv2_edge.app",
        "open_source": "mnv2_edge.sources.open",
        "read_config": "mnv2_edge.config.read",
        "run": "mnv2_edge.app",
    }
)


def __getattr__(name: str) -> object:
    """Import a name of the library. Raises AttributeError for any other."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
