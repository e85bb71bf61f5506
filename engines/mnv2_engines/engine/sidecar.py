"""MODEL.yaml beside MODEL.onnx: what the network expects of its picture, which no ONNX file states."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from mnv2_engines.engine.anchors import read_anchors
from mnv2_engines.engine.task_facts import BoxOrder, DetectionFacts, ScoreKind, SegmentationFacts, SsdAnchors
from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular
from mnv2_engines.preprocessing.preprocess import ColorOrder, Preprocess, ResizePolicy

__all__ = ["Channels", "Sidecar", "TaskName", "choose_preprocess", "read_sidecar", "sidecar_path"]

TaskName: TypeAlias = Literal["classify", "detect", "segment"]
Channels: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is stated about a model; None for what is not. Mean and std are on the scale of pixels, 0 to 255."""

    color: ColorOrder | None = None
    mean: Channels | None = None
    std: Channels | None = None
    resize: ResizePolicy | None = None
    task: TaskName | None = None
    labels: tuple[str, ...] | None = None
    labels_file: Path | None = None
    detection: DetectionFacts | None = None
    segmentation: SegmentationFacts | None = None

    def over(self, other: "Sidecar") -> "Sidecar":
        """Return what this one states, completed by `other`; labels in one of the two forms hide both of the other."""
        has_labels = self.labels is not None or self.labels_file is not None
        return Sidecar(
            color=self.color or other.color,
            mean=self.mean or other.mean,
            std=self.std or other.std,
            resize=self.resize or other.resize,
            task=self.task or other.task,
            labels=self.labels if has_labels else other.labels,
            labels_file=self.labels_file if has_labels else other.labels_file,
            detection=self.detection or other.detection,
            segmentation=self.segmentation or other.segmentation,
        )


class _PreprocessSection(msgspec.Struct):
    color: ColorOrder | None = None
    mean: Channels | float | None = None
    std: Channels | float | None = None
    resize: str | None = None


class _DetectionSection(msgspec.Struct, omit_defaults=True):
    """Keys of `DetectionFacts`, whose defaults hold for what is not set; anchors by name, parameters or file."""

    anchors: SsdAnchors | str | None = None
    box_order: BoxOrder | msgspec.UnsetType = msgspec.UNSET
    box_scales: tuple[float, float, float, float] | msgspec.UnsetType = msgspec.UNSET
    scores: ScoreKind | msgspec.UnsetType = msgspec.UNSET
    background: int | msgspec.UnsetType | None = msgspec.UNSET
    nms_iou: float | msgspec.UnsetType = msgspec.UNSET
    boxes_output: str | msgspec.UnsetType = msgspec.UNSET
    scores_output: str | msgspec.UnsetType = msgspec.UNSET
    first_class: int | msgspec.UnsetType = msgspec.UNSET


class _File(msgspec.Struct):
    preprocess: _PreprocessSection = msgspec.field(default_factory=_PreprocessSection)
    task: TaskName | None = None
    labels: tuple[str, ...] | str | None = None
    detection: _DetectionSection | None = None
    segmentation: SegmentationFacts | None = None


_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "preprocess": _PreprocessSection,
    "detection": _DetectionSection,
    "segmentation": SegmentationFacts,
}
_CHOICES: Final = {
    "task": get_args(TaskName),
    "preprocess.color": get_args(ColorOrder),
    "detection.box_order": get_args(BoxOrder),
    "detection.scores": get_args(ScoreKind),
    "segmentation.layout": ("NHWC", "NCHW"),
}
_EXAMPLE: Final = "e.g. preprocess: {color: RGB, mean: 127.5, std: 127.5, resize: center-crop}"
_EXAMPLES: Final = {
    "labels": "e.g. labels: labels.txt, or labels: [cat, dog]",
    "detection": "e.g. detection: {anchors: ssd, scores: sigmoid} (docs/detection.md)",
    "segmentation": "e.g. segmentation: {background: 0, layout: NHWC} (docs/segmentation.md)",
}
"""By the first part of the path that msgspec names; `_EXAMPLE` for all else."""
_PLACE: Final = re.compile(r"`\$\.(\w+)")


def sidecar_path(model: Path) -> Path:
    """Return where the sidecar of a model lies: the same name, ending in .yaml."""
    return model.with_suffix(".yaml")


def read_sidecar(model: Path) -> Sidecar:
    """Read the sidecar of `model`; an empty one when there is none.

    A path in `labels` is relative to the sidecar's folder. Raises ModelError that names file, key and, for an unknown
    key, the nearest known one.
    """
    path = sidecar_path(model)
    try:
        raw = read_regular(path, SETTINGS_LIMIT)
    except FileNotFoundError:
        return Sidecar()
    except OSError as exc:
        raise ModelError(
            f"{path} cannot be read ({exc.strerror}): expected what {model.name} needs, {_EXAMPLE}"
        ) from exc
    content = _parse(raw, path)
    section = content.preprocess
    listed = content.labels
    try:
        resize = ResizePolicy.parse(section.resize) if section.resize is not None else None
    except ContractError as exc:
        raise ModelError(f"{path}: preprocess.resize: {exc}") from exc
    return Sidecar(
        color=section.color,
        mean=_three(section.mean),
        std=_three(section.std),
        resize=resize,
        task=content.task,
        labels=listed if isinstance(listed, tuple) else None,
        labels_file=path.parent / listed if isinstance(listed, str) else None,
        detection=None if content.detection is None else _read_detection(content.detection, path),
        segmentation=content.segmentation,
    )


def choose_preprocess(stated: Sidecar) -> Preprocess:
    """Complete what is stated by the MobileNet family's values: RGB, (pixel - 127.5) / 127.5, the centred square.

    Raises ContractError when only one of mean and std is stated: a wrong other one would cost accuracy silently.
    """
    if (stated.mean is None) != (stated.std is None):
        have, lack = ("mean", "std") if stated.std is None else ("std", "mean")
        raise ContractError(f"{have} is stated and {lack} is not: state both, --mean and --std, or neither")
    family = Preprocess()
    return Preprocess(
        color=stated.color or family.color,
        mean=stated.mean or family.mean,
        std=stated.std or family.std,
        resize=stated.resize or family.resize,
    )


def _parse(raw: bytes, path: Path) -> _File:
    import yaml

    try:
        tree = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelError(f"{path} is not YAML ({' '.join(str(exc).split())}): expected {_EXAMPLE}") from exc
    tree = {} if tree is None else tree
    _refuse_unknown(tree, _File, path, "")
    if isinstance(tree, dict):
        for name, section in _SECTIONS.items():
            _refuse_unknown(tree.get(name), section, path, f"{name}.")
        _refuse_other_choices(tree, path)
    try:
        return msgspec.convert(tree, _File, strict=True)
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        example = _EXAMPLES.get(place[1], _EXAMPLE) if place else _EXAMPLE
        raise ModelError(f"{path}: {exc}; expected {example}") from exc


def _read_detection(section: _DetectionSection, path: Path) -> DetectionFacts:
    """Return the facts; `anchors: ssd` is TensorFlow's generator as it is, any other text a file beside the sidecar."""
    stated = msgspec.structs.asdict(section)
    anchors = stated.pop("anchors")
    stated = {name: value for name, value in stated.items() if value is not msgspec.UNSET}
    try:
        if anchors == "ssd":
            anchors = SsdAnchors()
        if isinstance(anchors, str):
            return msgspec.convert({**stated, "anchors": read_anchors(path.parent / anchors)}, DetectionFacts)
        return msgspec.convert({**stated, "ssd": anchors}, DetectionFacts)
    except (ContractError, msgspec.ValidationError) as exc:
        raise ModelError(f"{path}: detection: {exc}") from exc


def _refuse_unknown(tree: object, section: type[msgspec.Struct], path: Path, prefix: str) -> None:
    if not isinstance(tree, dict):
        return
    if not prefix and {"version", "cameras"} <= tree.keys():
        raise ModelError(
            f"{path}: this is a configuration, and by its name it describes the model beside it: give it another name"
        )
    known = [field.name for field in msgspec.structs.fields(section)]
    for key in tree:
        if key in known:
            continue
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {prefix}{near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise ModelError(f"{path}: there is no key {prefix}{key}: {hint}")


def _refuse_other_choices(tree: dict[object, object], path: Path) -> None:
    for key, choices in _CHOICES.items():
        section, _, last = key.rpartition(".")
        inner = tree.get(section) if section else tree
        value = inner.get(last) if isinstance(inner, dict) else None
        if value is None or value in choices:
            continue
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ModelError(f"{path}: {key} is {value!r}, expected one of {', '.join(choices)}{hint}")


def _three(value: Channels | float | None) -> Channels | None:
    return (value, value, value) if isinstance(value, float) else value
