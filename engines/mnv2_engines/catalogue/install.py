"""Installation of a checked file into the model's folder, in the form that a user runs or builds an engine from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from mnv2_engines.catalogue.entries import WEIGHTS, CatalogueModel
from mnv2_engines.catalogue.home import PullRecord, rewrite_file
from mnv2_engines.engine.engine import is_tflite
from mnv2_engines.errors import ModelError
from mnv2_engines.files.regular_file import MODEL_LIMIT, read_regular
from mnv2_engines.inspection import inspect_model
from mnv2_engines.labels import check_label_count, read_labels

__all__ = ["Content", "files_beside", "install_model", "prepare_content"]

_LABELS = "labels.txt"


@dataclass(frozen=True, slots=True)
class Content:
    """Files of a model's folder, in memory: the folder is written only after all of them are known to be good."""

    suffix: str
    model: bytes
    sidecar: str
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    """What an import assumed, for the user to know."""


def prepare_content(entry: CatalogueModel, file: Path, labels: Path | None) -> Content:
    """Read a file that was checked, and the label file that came with it or the list that the entry names.

    Raises ModelError when it is not such a model, LabelsError when the labels cannot be read or are not as many as the
    entry's classes.
    """
    suffix = PurePosixPath(file.name).suffix
    if suffix in WEIGHTS:
        return _import(entry, file, labels)
    model = read_regular(file, MODEL_LIMIT)
    if suffix == ".tflite" and not is_tflite(model):
        raise ModelError(
            f"{file.name} is not a TFLite file ({len(model)} bytes, without the identifier TFL3): nothing was installed"
        )
    if suffix == ".onnx":
        from mnv2_engines.tflite import read_model_interface

        read_model_interface(file)
    stated = msgspec.to_builtins(entry.preprocess)
    classes = entry.classes if entry.classes is not None else _count_classes(entry, file)
    return Content(suffix, model, _sidecar(entry, file.name, stated), _read_labels(entry, labels, classes))


def install_model(folder: Path, name: str, content: Content, record: PullRecord) -> Path:
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


def files_beside(name: str, entry: CatalogueModel) -> tuple[str, ...]:
    """Return what has to lie beside an installed model: without it the model would be taken for another one."""
    return (f"{name}.yaml", *([_LABELS] if entry.labels is not None else []))


def _import(entry: CatalogueModel, file: Path, labels: Path | None) -> Content:
    from mnv2_engines.networks import write_network
    from mnv2_engines.weights import Expected, read_weights

    side = entry.resolution
    found = read_weights(file, Expected(classes=entry.classes, size_hw=None if side is None else (side, side)))
    implied = found.preprocess
    stated = {
        "color": implied.color,
        "mean": list(implied.mean),
        "std": list(implied.std),
        "resize": str(implied.resize),
        **msgspec.to_builtins(entry.preprocess),
    }
    return Content(
        ".onnx",
        write_network(found.network, found.weights),
        _sidecar(entry, file.name, stated),
        _read_labels(entry, labels, found.network.classes),
        found.notes,
    )


def _count_classes(entry: CatalogueModel, file: Path) -> int | None:
    """Return how many numbers a classifier gives, so that its labels can be counted; None where nothing tells."""
    if entry.labels is None or entry.task != "classify":
        return None
    shapes = [value.shape for value in inspect_model(file).outputs]
    if len(shapes) != 1 or shapes[0] is None:
        return None
    return math.prod(size or 1 for size in shapes[0])  # a batch of any size is one picture here


def _read_labels(entry: CatalogueModel, file: Path | None, classes: int | None) -> tuple[str, ...] | None:
    if entry.labels is None:
        return None
    labels = read_labels(file or Path(entry.labels), classes)
    if classes is not None:
        check_label_count(labels, classes, entry.labels)
    return labels


def _sidecar(entry: CatalogueModel, source: str, preprocess: Mapping[str, object]) -> str:
    import yaml

    stated: dict[str, object] = {"task": entry.task}
    if entry.labels is not None:
        stated["labels"] = _LABELS
    if preprocess:
        stated["preprocess"] = dict(preprocess)
    return (
        f"# Written by `mnv2-edge models` for {source}: what the network expects and what its outputs mean.\n"
        "# `build-engine` and `run` read it, and their flags win.\n"
        + yaml.safe_dump(stated, sort_keys=False, default_flow_style=None)
    )
