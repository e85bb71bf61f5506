"""What a backend's author writes: one `EngineFormat`, registered in the entry point group `mnv2_engines.backends`.

    FORMAT = EngineFormat(name="onnxruntime", title="ONNX Runtime", suffixes=(".onnx",), open=open_onnx)

    [project.entry-points."mnv2_engines.backends"]
    onnxruntime = "my_package.onnx_format:FORMAT"

Four fields must be given; each of the others says what is different about a format, and how. From then on `run`,
`evaluate`, the store, export and import, the self-test and `doctor` take files of this format, and with `building`
also `build-engine` makes them. The module that holds the value is imported whenever a file has to be told from others,
so it imports its heavy library in `open` alone. `mnv2_engines.testing.check_format` checks all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from mnv2_engines.backends import Backend

if TYPE_CHECKING:  # they lie above this seam
    from mnv2_engines.building.builder import EngineBuilder
    from mnv2_engines.engine.manifest import Manifest

__all__ = ["HEAD_BYTES", "Building", "EngineFormat", "FirstLoad", "NoOptions", "Precision"]

Precision: TypeAlias = Literal["int8", "fp16", "fp32"]

HEAD_BYTES: Final = 64
"""How much of a file `EngineFormat.has_magic` is shown."""


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a format or a builder that has none."""


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """How a file is loaded in a child process, where a crash of its runtime hurts nobody."""

    before_serving: bool = True
    """Whether that happens before it serves for the first time: once per file, runtime version and machine."""
    memory_bytes: int | None = 4 << 30
    """Address space of the child: a damaged shape can ask for any amount. None where the runtime reserves more."""
    distributions: tuple[str, ...] = ()
    """The packages whose versions matter: after an upgrade of one a file is loaded in a child again."""


@dataclass(frozen=True, slots=True)
class Building:
    """What `build-engine` can make in a format."""

    builder: "Callable[[], EngineBuilder]"
    """Imports what it takes, and returns what builds."""
    precisions: tuple[Precision, ...]
    """The first is taken when none is named. `int8` is calibrated on pictures."""
    options: type[msgspec.Struct] = NoOptions
    """The builder's own options, each with a default and a description: they become flags of `build-engine`."""
    exact: tuple[Precision, ...] = ()
    """Precisions in which an engine is the float network itself, which no pictures need to judge."""
    preference: Callable[[Path], int] = lambda _root: 0
    """How much a machine, whose files are below the path, is made for this format.

    Without `--target` the greatest is built, if it is above 0. Costs next to nothing."""
    require: Callable[[], object] = lambda: None
    """Raises BackendUnavailableError when nothing can be built here, before pictures are taken for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFormat:
    """One kind of engine file: how it is told from others, opened, trusted and made."""

    name: str
    """The entry point's name. Manifests, `--target` and the key in `engine.options` say it too."""
    title: str
    """What people call it."""
    suffixes: tuple[str, ...]
    """Endings of its files, with the dot; the first one is that of files that are built."""
    open: Callable[[Path, Any], Backend]
    """Opens a file with options of the type `options`. Raises EngineError for a file that must not run,
    BackendUnavailableError when a library or a device is missing."""
    options: type[msgspec.Struct] = NoOptions
    """What `open` takes, all with defaults. One that is called `threads` is given `engine.threads`."""
    has_magic: Callable[[bytes], bool] | None = None
    """Tells by a file's first `HEAD_BYTES` whether it is of this format, whatever it is called."""
    portable: bool = True
    """Whether a file runs on other devices: it may be exported, stand in for another, and run without a manifest."""
    why_stale: "Callable[[Manifest, Path], str | None]" = lambda _manifest, _root: None
    """Says what has changed since a file was built, so that it must be built again; None when it fits.

    `manifest.bound_to` is what its builder wrote down, the path is where the system's files are. Raises
    BackendUnavailableError when nobody can tell here."""
    repeats_bits: bool = True
    """Whether one runtime on one machine gives the very same bits each time; else the golden test wants them close."""
    first_load: FirstLoad = field(default_factory=FirstLoad)
    building: Building | None = None
    """None: files of this format are made elsewhere."""
