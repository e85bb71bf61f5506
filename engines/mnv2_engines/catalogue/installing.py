"""Make of a checked file what a user runs or builds an engine from, and put it into the model's folder."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from mnv2_engines.catalogue.entries import WEIGHTS, CatalogueModel
from mnv2_engines.catalogue.home import Pulled, rewrite_file
from mnv2_engines.engine import is_tflite
from mnv2_engines.errors import LabelsError, ModelError
from mnv2_engines.labels import read_labels

__all__ = ["Content", "install_model", "prepare_content"]

_LABELS = "labels.txt"


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a model's folder, in memory: nothing is written before all of it is known to be good."""

    suffix: str
    model: bytes
    sidecar: str
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    """What an import assumed, for the user to know."""


def prepare_content(entry: CatalogueModel, file: Path, labels: Path | None) -> Content:
    """Read a file that was checked, and the label file that came with it or the list that the entry names.

    Raises ModelError when it is no such model, LabelsError when the labels cannot be read or are not as many as the
    entry's classes.
    """
    suffix = PurePosixPath(file.name).suffix
    notes: tuple[str, ...] = ()
    if suffix in WEIGHTS:
        model, notes = _import(file, entry.classes)
    else:
        model = file.read_bytes()
        if suffix == ".tflite" and not is_tflite(model):
            raise ModelError(f"{file} is no TFLite file ({len(model)} bytes): expected the model {file.name}")
        if suffix == ".onnx":
            from mnv2_engines.tflite import read_model_interface

            read_model_interface(file)
    return Content(entry.becomes, model, _sidecar(entry, file.name), _read_labels(entry, labels), notes)


def install_model(folder: Path, name: str, content: Content, record: Pulled) -> Path:
    """Write a model with its sidecar and labels, the record last; return the model's path.

    Each file is replaced as a whole, what the model expects before the model itself. Until the record is there, nothing
    counts as installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / record.model
    if content.labels is not None:
        rewrite_file(folder / _LABELS, "".join(f"{label}\n" for label in content.labels).encode())
    rewrite_file(folder / f"{name}.yaml", content.sidecar.encode())
    rewrite_file(path, content.model)
    rewrite_file(folder / "pulled.json", msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return path


def _import(file: Path, classes: int | None) -> tuple[bytes, tuple[str, ...]]:
    from mnv2_engines.networks import write_network
    from mnv2_engines.weights import Expected, read_weights

    found = read_weights(file, Expected(classes=classes))
    return write_network(found.network, found.weights), found.notes


def _read_labels(entry: CatalogueModel, file: Path | None) -> tuple[str, ...] | None:
    if entry.labels is None:
        return None
    labels = read_labels(file or Path(entry.labels), entry.classes)
    if entry.classes is not None and len(labels) != entry.classes:
        raise LabelsError(f"{entry.labels} has {len(labels)} labels, the model has {entry.classes} classes")
    return labels


def _sidecar(entry: CatalogueModel, source: str) -> str:
    import yaml

    stated: dict[str, object] = {"task": entry.task}
    if entry.labels is not None:
        stated["labels"] = _LABELS
    preprocess = msgspec.to_builtins(entry.preprocess)
    if preprocess:
        stated["preprocess"] = preprocess
    return (
        f"# Written by `mnv2-edge models pull` for {source}: what the network expects and what its outputs mean.\n"
        "# `build-engine` and `run` read it, and their flags win.\n"
        + yaml.safe_dump(stated, sort_keys=False, default_flow_style=None)
    )
