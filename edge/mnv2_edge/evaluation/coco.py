"""A data set whose things have boxes: COCO's JSON, of `instances_val2017.json`'s kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_engines.evaluation.detection import TruthBox
from mnv2_engines.files.regular_file import MODEL_LIMIT, read_regular

__all__ = ["BoxedPicture", "CocoData", "read_coco"]


class _Image(msgspec.Struct):
    id: int
    file_name: str


class _Annotation(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    """Left, top, width, height in pixels."""
    area: float | None = None
    iscrowd: int = 0


class _Category(msgspec.Struct):
    id: int
    name: str


class _File(msgspec.Struct):
    """The parts of the file that are read; outlines, most of its bytes, are skipped."""

    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True, slots=True)
class BoxedPicture:
    """A picture file and the things in it; the classes are the file's category ids."""

    path: Path
    boxes: tuple[TruthBox, ...]


@dataclass(frozen=True, slots=True)
class CocoData:
    """A data set that is not yet matched with a network's classes."""

    root: Path
    """Where the pictures are."""
    categories: Mapping[int, str]
    pictures: tuple[BoxedPicture, ...]


def read_coco(path: Path, pictures: Path | None) -> CocoData:
    """Read the annotations; pictures lie in the folder `pictures`, else beside the file.

    Raises SourceError for a file that is none, and when no picture of it is there.
    """
    try:
        found = msgspec.json.decode(read_regular(path, MODEL_LIMIT), type=_File)
    except FileNotFoundError as exc:
        raise SourceNotFoundError(f"there is no {path}: expected COCO annotations (instances.json)") from exc
    except OSError as exc:
        raise SourceError(f"{path} cannot be read ({exc.strerror}): expected COCO annotations") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} holds no COCO annotations ({exc}): expected images, annotations, categories") from exc
    boxes: dict[int, list[TruthBox]] = {image.id: [] for image in found.images}
    for annotation in found.annotations:
        if annotation.image_id in boxes:
            left, top, width, height = annotation.bbox
            area = width * height if annotation.area is None else annotation.area
            crowd = bool(annotation.iscrowd)
            boxes[annotation.image_id].append(
                TruthBox(annotation.category_id, left, top, width, height, area, crowd=crowd)
            )
    root = path.parent if pictures is None else pictures
    listed = tuple(BoxedPicture(root / image.file_name, tuple(boxes[image.id])) for image in found.images)
    if not any(picture.path.is_file() for picture in listed):
        first = listed[0].path if listed else root
        raise SourceNotFoundError(
            f"{path} names {len(listed)} pictures, and {first} is not there: say where they are with --pictures DIR"
        )
    return CocoData(root, {category.id: category.name for category in found.categories}, listed)
