"""The class that each folder of a data set is named after."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from mnv2_engines.errors import LabelsError

__all__ = ["match_classes", "match_labels"]

_WORDNET: Final = re.compile(r"n\d{8}")
_NUMBER: Final = re.compile(r"\d{1,9}")
_SHOWN: Final = 3
_Rule: TypeAlias = Callable[[str], str]


def match_classes(folders: Sequence[str], labels: Sequence[str] | None, classes: int) -> dict[str, int]:
    """Return the class id of every folder.

    A folder is called like a label: exactly, else whatever the case and with `_` or `-` for spaces, else like one of
    the names that a label lists after commas (`tabby` for `tabby, tabby cat`), or like the WordNet id that it begins
    with. If none of the folders is, they may all be numbers, `3` or `0003`: places in the network's output, from 0.
    WordNet ids alone (`n02123045`) count in their order when there is one for each class, as ImageNet's do. Without
    labels, names count in alphabetical order when there is one for each class: that is how Keras and torchvision number
    them. Raises LabelsError for a folder that is not a class, with the nearest label, for one that could be several,
    and for two that are the same.
    """
    found = match_labels(folders, labels) if labels is not None else {}
    missing = [folder for folder in folders if folder not in found]
    if missing and len(missing) == len(folders):
        found = _by_place(folders, labels, classes)
        missing = [folder for folder in folders if folder not in found]
    if missing:
        raise LabelsError(_describe(missing, len(folders), labels, classes))
    _refuse_twins(found, labels)
    return found


def match_labels(folders: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Return the class id of every folder that is called like a label, by the strictest rule that finds one.

    Raises LabelsError for a folder that could be several classes.
    """
    whole = _index([(label, class_id) for class_id, label in enumerate(labels)], _composed)
    alike = _index([(label, class_id) for class_id, label in enumerate(labels)], _simplified)
    parts = _index(
        [(name, class_id) for class_id, label in enumerate(labels) for name in _names(label)],
        _simplified,
    )
    found = {}
    for folder in folders:
        ids = whole.get(_composed(folder)) or alike.get(_simplified(folder)) or parts.get(_simplified(folder)) or []
        if len(ids) > 1:
            named = ", ".join(f"{class_id} ({labels[class_id]})" for class_id in ids[:_SHOWN])
            raise LabelsError(
                f"folder {folder!r} could be class {named}: give it the whole label, or name all folders by number "
                f"({ids[0]:04d})"
            )
        if ids:
            found[folder] = ids[0]
    return found


def _by_place(folders: Sequence[str], labels: Sequence[str] | None, classes: int) -> dict[str, int]:
    """Match folders that say a place, or whose order does; nothing when they do not."""
    if all(_NUMBER.fullmatch(folder) for folder in folders):
        highest = max(map(int, folders))
        if highest >= classes:
            one = " Do they count from 1?" if highest == classes and min(map(int, folders)) == 1 else ""
            raise LabelsError(
                f"folder {highest} is beyond the network's {classes} classes: numbers are places in its output, "
                f"0 to {classes - 1}.{one}"
            )
        return {folder: int(folder) for folder in folders}
    background = 1 if labels is not None and labels[0].casefold() == "background" else 0
    wordnet = all(_WORDNET.fullmatch(folder) for folder in folders)
    if len(folders) == classes - background and (wordnet or labels is None):
        return {folder: place + background for place, folder in enumerate(sorted(folders))}
    return {}


def _index(names: Sequence[tuple[str, int]], rule: _Rule) -> Mapping[str, list[int]]:
    index: dict[str, list[int]] = {}
    for name, class_id in names:
        ids = index.setdefault(rule(name), [])
        if class_id not in ids:
            ids.append(class_id)
    return index


def _names(label: str) -> list[str]:
    """Return what a label says one thing at a time: names after commas, and a WordNet id in front."""
    head, _, rest = label.partition(" ")
    if _WORDNET.fullmatch(head):
        return [head, rest, *rest.split(",")]
    return label.split(",")


def _composed(name: str) -> str:
    """Return one spelling of accents: file systems of macOS take them apart."""
    return unicodedata.normalize("NFC", name)


def _simplified(name: str) -> str:
    return " ".join(re.sub(r"[_\-]+", " ", _composed(name)).casefold().split())


def _refuse_twins(found: Mapping[str, int], labels: Sequence[str] | None) -> None:
    owners: dict[int, str] = {}
    for folder, class_id in found.items():
        other = owners.setdefault(class_id, folder)
        if other != folder:
            label = f" ({labels[class_id]})" if labels is not None else ""
            raise LabelsError(f"folders {other!r} and {folder!r} are both class {class_id}{label}: make them one")


def _describe(missing: Sequence[str], folders: int, labels: Sequence[str] | None, classes: int) -> str:
    if labels is None:
        return (
            f"{folders} folders for {classes} classes, and the engine has no labels: give the labels with "
            "`--labels FILE`, or name the folders by number (0000, 0001, ...)"
        )
    known = {_simplified(name): name.strip() for label in labels for name in (*_names(label), label)}
    told = []
    for folder in missing[:_SHOWN]:
        near = difflib.get_close_matches(_simplified(folder), known, n=1)
        told.append(f"{folder!r} (did you mean {known[near[0]]!r}?)" if near else repr(folder))
    rest = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return (
        f"{len(missing)} of {folders} folders are not classes of the network: {', '.join(told)}{rest}; first labels "
        f"are {', '.join(repr(label) for label in labels[:_SHOWN])}: rename the folders, or give the network's own "
        "labels with `--labels FILE`"
    )
