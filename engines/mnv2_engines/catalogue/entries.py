"""A catalogue's entry for a model: where its files are, how they are checked, what the network expects."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from mnv2_engines.engine.sidecar import Channels, TaskName
from mnv2_engines.errors import CatalogueError, ContractError
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular
from mnv2_engines.labels.named import LISTS
from mnv2_engines.preprocessing.preprocess import ColorOrder, ResizePolicy

__all__ = [
    "WEIGHTS",
    "Catalogue",
    "CatalogueModel",
    "HashKind",
    "KnownModels",
    "RemoteFile",
    "StatedPreprocess",
    "decode_catalogue",
    "read_package_catalogue",
    "read_user_catalogue",
]

HashKind: TypeAlias = Literal["whole", "start", "none"]

WEIGHTS: Final = frozenset({".pth", ".pt", ".safetensors", ".keras", ".h5"})
"""Files that are imported to ONNX; .onnx and .tflite files stay as they are."""

_SUFFIXES: Final = WEIGHTS | {".onnx", ".tflite", ".json", ".yaml"}
"""Endings that no model's name has: of models, and of the files that lie beside the models' folders."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HASH: Final = re.compile(r"[0-9a-f]{8,64}")


class StatedPreprocess(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How pictures are prepared, as a MODEL.yaml says it; None where the model's own input says it."""

    color: ColorOrder | None = None
    mean: Channels | float | None = None
    std: Channels | float | None = None
    resize: str | None = None

    def __post_init__(self) -> None:
        if self.resize is not None:
            try:
                ResizePolicy.parse(self.resize)
            except ContractError as exc:
                raise ValueError(str(exc)) from exc


class RemoteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that somebody publishes. Raises ValueError for an invalid name, address or hash."""

    name: str
    """What it is called, in a mirror too."""
    urls: tuple[str, ...] = ()
    """Tried one after the other; none when it is known from a mirror or a disk only."""
    sha256: str | None = None
    """64 hexadecimal digits, or as many of the first as are known; None: pinned when it is first seen."""
    size: int | None = None
    """Bytes, where they are known exactly."""
    about_mib: float | None = None
    """What its publisher says, for people."""
    evidence: str = ""
    """How the hash is known."""

    def __post_init__(self) -> None:
        if not _FILE.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a file name: expected letters, digits, . _ -")
        for url in self.urls:
            if not url.startswith(("https://", "http://")):
                raise ValueError(f"{url!r} is not an address: expected https://... or http://...")
        if self.sha256 is not None and not _HASH.fullmatch(self.sha256):
            raise ValueError(
                f"{self.sha256!r} is not a SHA-256: expected 64 hexadecimal digits, or the first 8 or more"
            )

    @property
    def hash_kind(self) -> HashKind:
        """Return how much of the SHA-256 is known."""
        if self.sha256 is None:
            return "none"
        return "whole" if len(self.sha256) == 64 else "start"


class CatalogueModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A network that can be downloaded. The first file is the model or its weights; a label file may follow."""

    description: str
    """A few words, for a table."""
    licence: str
    details: str = ""
    task: TaskName = "classify"
    page: str = ""
    """Where its authors describe it."""
    note: str = ""
    """What a user should know before it is used."""
    classes: int | None = None
    """With the background class, where there is one."""
    resolution: int | None = None
    """Pixels a side that weights are imported for; None: 224, or what a Keras file says."""
    labels: str | None = None
    """One of the package's lists, or one of `files`."""
    preprocess: StatedPreprocess = StatedPreprocess()
    files: tuple[RemoteFile, ...] = ()
    """Empty for what comes with the package."""

    def __post_init__(self) -> None:
        """Raise ValueError for labels that are nowhere, and for files that nothing reads."""
        beside = [file.name for file in self.files[1:]]
        if beside != ([] if self.labels is None or self.labels in LISTS else [self.labels]):
            raise ValueError(
                f"labels {self.labels!r} and files {beside} behind the model do not fit: expected the label file as "
                f"the second file, or one of {', '.join(LISTS)} and no second file"
            )

    @property
    def becomes(self) -> str:
        """Return the suffix of what a user gets: .onnx to build an engine from, or .tflite to run as it is."""
        if not self.files:
            return ".tflite"
        suffix = PurePosixPath(self.files[0].name).suffix
        return ".onnx" if suffix in WEIGHTS else suffix


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Models by name, and the one that `build-engine` takes when none is named."""

    version: Literal[1]
    models: dict[str, CatalogueModel]
    default: str | None = None

    def __post_init__(self) -> None:
        for name, model in self.models.items():
            if not _NAME.fullmatch(name) or PurePosixPath(name).suffix in _SUFFIXES:
                raise ValueError(
                    f"{name!r} is not a name for a model: expected letters, digits, . _ - and no file's ending"
                )
            if model.becomes not in (".onnx", ".tflite"):
                raise ValueError(f"{name}: {model.files[0].name} is not a model: expected .onnx, .tflite or weights")
        if self.default is not None and self.default not in self.models:
            raise ValueError(f"default {self.default!r} is not among the models")


_PACKAGED: Final = Path(__file__).with_name("catalogue.yaml")


class KnownModels:
    """Models of both catalogues by name; a user's model cannot take a name of the package's."""

    def __init__(self, package: Catalogue, user: Catalogue | None = None) -> None:
        added = user.models if user else {}
        own = {name: model for name, model in added.items() if name not in package.models}
        self.hidden = tuple(name for name in added if name in package.models)
        """Names of the user's that the package has, too: what they mean is the package's."""
        self.models: Mapping[str, CatalogueModel] = MappingProxyType({**package.models, **own})
        self.own = frozenset(own)
        """Names that the user added."""
        self.default = package.default or next(iter(package.models))

    def find(self, name: str) -> CatalogueModel:
        """Return the model of that name. Raises ContractError that names the nearest."""
        if name in self.models:
            return self.models[name]
        near = difflib.get_close_matches(name, self.models, n=1)
        hint = f"did you mean {near[0]}?" if near else "`mnv2-edge models list` shows those that there are"
        raise ContractError(f"there is no model {name!r} in the catalogue: {hint}")


def read_package_catalogue() -> Catalogue:
    """Return the catalogue that comes with the package."""
    return decode_catalogue(_PACKAGED.read_bytes(), _PACKAGED)


def read_user_catalogue(path: Path) -> Catalogue | None:
    """Return what the user added; None when there is nothing. Raises CatalogueError that says what is wrong."""
    try:
        raw = read_regular(path, SETTINGS_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise CatalogueError(f"{path} cannot be read ({exc.strerror}): expected a catalogue of models") from exc
    return decode_catalogue(raw, path)


def decode_catalogue(raw: bytes, path: Path) -> Catalogue:
    """Read YAML. Raises CatalogueError that says what is wrong and where."""
    import yaml

    try:
        return msgspec.convert(yaml.safe_load(raw), Catalogue)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise CatalogueError(f"{path} is not YAML ({' '.join(str(exc).split())}): mend it or remove it") from exc
    except msgspec.ValidationError as exc:
        raise CatalogueError(f"{path}: {exc}: mend it, docs/models.md shows an entry, or remove it") from exc
