"""Label files: text and tables, JSON, zip archives."""

import csv
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from mnv2_engines.errors import LabelsError
from mnv2_engines.files.regular_file import MODEL_LIMIT, open_regular

__all__ = ["Labels", "add_id", "find_member", "in_order", "is_id", "parse_json", "parse_lines", "parse_table"]

Labels: TypeAlias = tuple[str, ...]

_SHOWN: Final = 5
_DIGITS: Final = 9
PLAIN_HINT: Final = "if the numbers are part of the names, write the file as a JSON list"


def is_id(text: str) -> bool:
    """Return True for a plain decimal number of a reasonable size."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def add_id(names: dict[int, str], number: int, name: str, source: str) -> None:
    """Add a name under its id.

    Raises LabelsError for an id that is there already.
    """
    if number in names:
        raise LabelsError(f"{source}: id {number} is given twice, to {names[number]!r} and {name!r}; {PLAIN_HINT}")
    names[number] = name


def in_order(names: dict[int, str], source: str) -> Labels:
    """Return the names by id.

    Raises LabelsError that says which ids are missing unless they run from 0 without a gap.
    """
    if not names:
        return ()
    last = max(names)
    missing: list[str] = []
    for number in range(last + 1):
        if number not in names:
            missing.append(str(number))
            if len(missing) > _SHOWN:
                missing[-1] = "..."
                break
    if min(names) < 0:
        raise LabelsError(f"{source}: id {min(names)} is negative: ids count from 0")
    if missing:
        hint = "ids count from 0; is the background class left out?" if missing == ["0"] else PLAIN_HINT
        raise LabelsError(
            f"{source} has {len(names)} labels with ids {min(names)} to {last}, without {', '.join(missing)}: "
            f"every id from 0 on needs a name; {hint}"
        )
    return tuple(names[number] for number in range(last + 1))


_ID_FIRST: Final = re.compile(r"(?P<id>[0-9]{1,9})(?:\s*[:,;]\s*|\s+)(?P<name>\S.*)")
_ID_LAST: Final = re.compile(r"(?P<name>\S.*?)\s*[:,;]\s*(?P<id>[0-9]{1,9})")
_ID_HEADINGS: Final = frozenset({"id", "index", "idx", "class_id", "class id", "class_index", "number", "label_id"})
_NAME_HEADINGS: Final = frozenset({"name", "label", "labels", "class", "class_name", "class name", "display_name"})


def parse_lines(text: str, source: str) -> Labels:
    """Read a name a line, or an id and a name a line in either order.

    Lines are numbered when all of them are; when most are and some are not the file is broken, not plain.
    """
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise LabelsError(f"{source}: line {lines.index('') + 1} is empty: every class needs a name")
    for pattern in (_ID_FIRST, _ID_LAST):
        matches = [pattern.fullmatch(line) for line in lines]
        numbered = sum(match is not None for match in matches)
        if 2 * numbered <= len(lines):
            continue
        names: dict[int, str] = {}
        for index, match in enumerate(matches):
            if match is None:
                raise LabelsError(
                    f"{source}: line {index + 1}, {lines[index][:40]!r}, has no id while {numbered} lines have one; "
                    f"{PLAIN_HINT}"
                )
            add_id(names, int(match["id"]), match["name"], source)
        return in_order(names, source)
    return tuple(lines)


def parse_table(text: str, source: str) -> Labels:
    """Read a CSV file: one column of names, or ids and names in either order, with or without a heading."""
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        rows = [row for row in csv.reader(text.split("\n"), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as exc:
        raise LabelsError(f"{source} is not valid CSV ({exc})") from exc
    if not rows:
        return ()
    heading = [cell.strip().casefold() for cell in rows[0]]
    has_heading = bool(_NAME_HEADINGS.intersection(heading) or _ID_HEADINGS.intersection(heading))
    body = rows[1:] if has_heading else rows
    for index, row in enumerate(body):
        if len(row) != len(rows[0]):
            raise LabelsError(
                f"{source}: record {index + 1 + has_heading} has {len(row)} columns, the first has {len(rows[0])}; "
                "put names that hold a comma in double quotes"
            )
    if len(rows[0]) == 1:
        return tuple(row[0].strip() for row in body)
    id_column, name_column = _columns(heading if has_heading else None, body, source)
    if id_column is None:
        return tuple(row[name_column].strip() for row in body)
    names: dict[int, str] = {}
    for row in body:
        if not is_id(row[id_column].strip()):
            raise LabelsError(f"{source}: {row[id_column][:40]!r} in the column of ids is not a number")
        add_id(names, int(row[id_column]), row[name_column].strip(), source)
    return in_order(names, source)


def _columns(heading: Sequence[str] | None, body: Sequence[Sequence[str]], source: str) -> tuple[int | None, int]:
    """Return the column of ids, if there is one, and the column of names."""
    if heading is not None:
        names = [column for column, title in enumerate(heading) if title in _NAME_HEADINGS]
        ids = [column for column, title in enumerate(heading) if title in _ID_HEADINGS]
        if names:
            return (ids[0] if ids else None), names[0]
        if len(ids) == 1 and len(heading) == 2:
            return ids[0], 1 - ids[0]
    elif len(body[0]) == 2:
        numeric = [column for column in (0, 1) if all(is_id(row[column].strip()) for row in body)]
        if numeric:
            return numeric[0], 1 - numeric[0]
    raise LabelsError(f"{source}: which column holds the names? Expected `id,name`, or a heading with `id` and `name`")


def parse_json(text: str, source: str) -> Labels:
    """Read a list of names, ``{id: name}``, ``{name: id}``, or the `id2label` of a Hugging Face config.json."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise LabelsError(f"{source} is not valid JSON ({exc})") from exc
    if isinstance(document, dict) and isinstance(document.get("id2label"), dict):
        document = document["id2label"]
    if isinstance(document, list):
        return tuple(_name(item, source) for item in document)
    if not isinstance(document, dict):
        raise LabelsError(f"{source} holds {document!r:.40}: expected a list of names or an object of ids and names")
    names: dict[int, str] = {}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in document.values()):
        for name, number in document.items():
            add_id(names, number, name.strip(), source)
    else:
        for key, value in document.items():
            if not is_id(key):
                raise LabelsError(
                    f"{source}: {key[:40]!r} is not an id: expected {{id: name}} or {{name: id}} throughout"
                )
            add_id(names, int(key), _name(value, source), source)
    return in_order(names, source)


def _name(item: object, source: str) -> str:
    if isinstance(item, list) and item:
        item = item[-1]  # Keras' imagenet_class_index.json: {"0": ["n01440764", "tench"]}
    if not isinstance(item, str):
        raise LabelsError(f"{source}: {str(item)[:40]} is not a name: expected text")
    return item.strip()


_END: Final = b"PK\x05\x06"  # end of central directory record
_TAIL_BYTES: Final = 22 + 65_535  # the record and the longest comment
_DIRECTORY_LIMIT_BYTES: Final = 1 << 20
_SUFFIXES: Final = frozenset({".txt", ".csv", ".json"})
_BROKEN: Final = (
    zipfile.BadZipFile,
    NotImplementedError,  # a compression method or version that zipfile does not know
    RuntimeError,  # encrypted
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    OSError,
)


def find_member(path: Path, limit_bytes: int) -> tuple[str, bytes] | None:
    """Return name and content of the one label file in the archive; None when there is no archive or no label file.

    Nothing is unpacked to disk, and at most `limit_bytes` to memory. Raises LabelsError for an archive that is broken,
    too large, or holds several candidates.
    """
    try:
        if not _has_directory(path):
            return None
        with open_regular(path, MODEL_LIMIT) as file, zipfile.ZipFile(file) as archive:
            name = _choose([info.filename for info in archive.infolist() if not info.is_dir()], path)
            if name is None:
                return None
            with archive.open(name) as member:
                content = member.read(limit_bytes + 1)
    except LabelsError:
        raise
    except _BROKEN as exc:
        raise LabelsError(f"{path}: the files packed into it cannot be read ({exc})") from exc
    if len(content) > limit_bytes:
        raise LabelsError(f"{path}:{name} unpacks to more than {limit_bytes >> 20} MiB: that is not a label file")
    return name, content


def _has_directory(path: Path) -> bool:
    """Return True when there is an archive of a sane size, so that its list of members may be read into memory."""
    with open_regular(path, MODEL_LIMIT) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    at = tail.find(_END)
    found = False
    while at >= 0:  # every one that zipfile might take for the real one
        if len(tail) - at >= 22:
            found = True
            directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
            if directory_bytes > _DIRECTORY_LIMIT_BYTES:
                raise LabelsError(f"{path}: the list of files packed into it has {directory_bytes} bytes: too large")
        at = tail.find(_END, at + 1)
    return found


def _choose(names: list[str], path: Path) -> str | None:
    texts = [name for name in names if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    named = [name for name in texts if "label" in PurePosixPath(name).name.lower()]
    candidates = named or [name for name in texts if name.lower().endswith(".txt")]
    if len(candidates) > 1:
        raise LabelsError(f"{path} holds several label files ({', '.join(candidates[:5])}): give one with `--labels`")
    return candidates[0] if candidates else None
