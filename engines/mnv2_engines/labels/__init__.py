"""Names of a network's classes, from any of the files that training tools leave behind.

A label file is untrusted: its size is bounded, what is packed in it is unpacked only up to that bound, and characters
that steer a terminal are refused.
"""

import unicodedata
from pathlib import Path, PurePosixPath
from typing import Final

from mnv2_engines.errors import LabelsError
from mnv2_engines.files.regular_file import read_start
from mnv2_engines.labels.files import Labels, find_member, parse_json, parse_lines, parse_table
from mnv2_engines.labels.named import BACKGROUND, LISTS, list_path

__all__ = ["Labels", "check_label_count", "embedded_labels", "read_labels"]

_LIMIT_BYTES: Final = 4 << 20
_ZIP: Final = b"PK\x03\x04"
_TFLITE: Final = b"TFL3"  # bytes 4 to 8, the schema's file_identifier
_BACKGROUND: Final = frozenset({BACKGROUND, "__background__", "dummy", "???", "none", "unknown"})


def read_labels(path: Path, classes: int | None = None) -> Labels:
    """Return the name of every class, in the order of the network's output.

    `imagenet`, `coco` and `pascal-voc` are lists of the package where no file has that name, in whichever folder (a
    MODEL.yaml may name one too); such a list gets a background class in front when the network has `classes` outputs
    and the list has one name less. Of files, understands a name a line, ``0 name``, ``0: name`` and ``name: 0`` lines,
    CSV, JSON (a list, ``{id: name}``, ``{name: id}``), the labels packed into a .tflite file, and a Teachable Machine
    ``model.zip``. Where ids are given they must run from 0 without a gap. Raises LabelsError that says what is wrong
    and where.
    """
    if path.name in LISTS and not path.is_file():
        labels = parse_lines(list_path(path.name).read_text(encoding="utf-8"), path.name)
        return (BACKGROUND, *labels) if classes == len(labels) + 1 else labels
    raw = _read(path, _LIMIT_BYTES + 1)
    if raw.startswith(_ZIP) or raw[4:8] == _TFLITE:
        packed = embedded_labels(path)
        if packed is None:
            raise LabelsError(f"{path} has no label file packed into it: give one with `--labels FILE`")
        return packed
    if len(raw) > _LIMIT_BYTES:
        raise LabelsError(f"{path} is larger than {_LIMIT_BYTES >> 20} MiB: expected a file of class names")
    return _parse(raw, str(path), path.suffix)


def embedded_labels(path: Path) -> Labels | None:
    """Return the labels packed into a .tflite or .zip file; None when there are none.

    Raises LabelsError when there are some and they cannot be read.
    """
    found = find_member(path, _LIMIT_BYTES)
    if found is None:
        return None
    name, raw = found
    return _parse(raw, f"{path}:{name}", PurePosixPath(name).suffix)


def check_label_count(labels: Labels, classes: int, source: str) -> None:
    """Raise LabelsError unless there is one label for each of the network's `classes` outputs.

    `source` names the label file in the message. One too many or too few is nearly always a background class at index
    0 that one side has and the other has not.
    """
    if len(labels) == classes:
        return
    first = labels[0] if labels else ""
    if len(labels) == classes + 1 and first.casefold() in _BACKGROUND:
        cause = f"the labels begin with a background class that the network does not have: remove the label {first!r}"
    elif len(labels) == classes + 1:
        cause = f"is the first, {first!r}, a heading or a background class, or is there one too many at the end?"
    elif len(labels) == classes - 1 and first.casefold() not in _BACKGROUND:
        cause = "the network likely has a background class at index 0: put a line `background` before the first label"
    else:
        cause = "expected the label file that belongs to this network; give it with `--labels FILE`"
    raise LabelsError(f"{source} has {len(labels)} labels, the network has {classes} classes: {cause}")


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        return read_start(path, limit_bytes)
    except FileNotFoundError as exc:
        raise LabelsError(
            f"{path} is not there: expected a label file, one name a line, CSV or JSON, or a list of the package: "
            f"{', '.join(LISTS)}"
        ) from exc
    except OSError as exc:
        raise LabelsError(f"{path} cannot be read ({exc.strerror}): expected a label file") from exc


def _parse(raw: bytes, source: str, suffix: str) -> Labels:
    text = _decode(raw, source)
    kind = suffix.lower()
    if kind == ".json" or text.lstrip()[:1] in ("[", "{"):
        labels = parse_json(text, source)
    elif kind in (".csv", ".tsv"):
        labels = parse_table(text, source)
    else:
        labels = parse_lines(text, source)
    if not labels:
        raise LabelsError(f"{source} holds no label: expected one name a line, CSV or JSON")
    for index, label in enumerate(labels):
        if not label:
            raise LabelsError(f"{source}: class {index} has an empty name: every class needs one")
        if not all(char.isprintable() for char in label) and _holds_controls(label):
            raise LabelsError(f"{source}: the name of class {index}, {label[:40]!r}, holds a control character")
    return labels


def _holds_controls(label: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in label)


def _decode(raw: bytes, source: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LabelsError(f"{source} is UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as exc:
        byte = raw[exc.start] if exc.start < len(raw) else 0
        raise LabelsError(f"{source} is not UTF-8 text (byte {exc.start} is {byte:#04x}): save it as UTF-8") from exc
