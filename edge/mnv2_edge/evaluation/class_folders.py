"""A data set in which every class has a folder: ROOT/LABEL/**/*.jpg, as Keras and torchvision read it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.sources.files.files import what_is_at
from mnv2_edge.sources.files.pictures import PICTURE_SUFFIXES, walk_files
from mnv2_edge.sources.uri import parse_uri

__all__ = ["ClassFolders", "read_class_folders"]


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """The pictures of each class folder; the folders are not yet matched with classes."""

    root: Path
    pictures: Mapping[str, Sequence[Path]]
    """Folder to its pictures, at least one, those in its subfolders included."""
    ignored: Mapping[str, int]
    """Suffix to the number of files of a kind that is not read (.heic, say)."""

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return sum(map(len, self.pictures.values()))


def read_class_folders(data: str) -> ClassFolders:
    """List the class folders of a data set in a fixed order; nothing is decoded.

    Hidden files and folders, and folders without a picture, are left out. Raises UsageError for what cannot hold
    truths (a camera, a film, a folder without class folders), SourceError for what cannot be read.
    """
    root = _find_root(data)
    try:
        entries = sorted(root.iterdir(), key=lambda path: path.name)
    except OSError as exc:
        raise _unreadable(root, exc) from exc
    ignored: Counter[str] = Counter()
    pictures = {}
    for folder in entries:
        if folder.is_dir() and not folder.name.startswith("."):
            found = _list(folder, ignored)
            if found:
                pictures[folder.name] = found
    if not pictures:
        flat = any(_is_picture(path.name) for path in entries)
        what = "has pictures, but no class folders" if flat else "has no folders with pictures"
        raise UsageError(f"{root} {what}: expected {root / 'LABEL' / 'PICTURE.jpg'}, a folder for every class")
    return ClassFolders(root, pictures, dict(ignored))


def _find_root(data: str) -> Path:
    parsed = parse_uri(data)
    root = Path(parsed.target).expanduser()
    expected = "expected a folder that holds a folder of pictures for every class (--data DIR)"
    if parsed.kind != "file":
        raise UsageError(f"--data {data} is a camera, and the truth about its pictures is not known: {expected}")
    place = what_is_at(root)
    if place == "nothing":
        raise SourceNotFoundError(f"there is no folder {root}: {expected}")
    if place != "folder":
        raise UsageError(
            f"--data {root} is a file, and a classifier needs folders (a detector: --task detect): {expected}"
        )
    return root


def _list(folder: Path, ignored: Counter[str]) -> list[Path]:
    pictures = []
    try:
        for path in walk_files(folder):
            if _is_picture(path.name):
                pictures.append(path)
            else:
                ignored[path.suffix.lower() or path.name] += 1
    except OSError as exc:
        raise _unreadable(folder, exc) from exc
    return pictures


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def _unreadable(folder: Path, exc: OSError) -> SourceError:
    if isinstance(exc, PermissionError):
        return SourcePermissionError(
            f"{exc.filename} may not be read by this user: `ls -ld {exc.filename}` shows who may"
        )
    return SourceError(f"{folder} cannot be read ({exc.strerror}): expected a folder for every class")
