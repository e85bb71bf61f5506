"""The files that an engine is built from, kept beside it, and the request for a build that they give."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import numpy as np

from mnv2_engines.backends.registry import require_building
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.engine.facts import FileFacts, PreprocessFacts
from mnv2_engines.errors import BuildError, CorruptEngineError
from mnv2_engines.files.png_chunks import PngError, read_png
from mnv2_engines.files.regular_file import MODEL_LIMIT, SETTINGS_LIMIT, read_regular
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.store.names import is_name
from mnv2_engines.store.recipe import RECIPE, LimitFacts, Recipe, SampleFacts, decode_recipe, encode_recipe
from mnv2_engines.tensors import UInt8Array

if TYPE_CHECKING:
    import onnx

__all__ = [
    "check_sources",
    "decode_strip",
    "encode_strip",
    "most_pictures",
    "read_recipe",
    "read_request",
    "spread_evenly",
    "write_sources",
]

_Item = TypeVar("_Item")
_MOST_PIXELS: Final = 100_000_000
"""In one file, which OpenCV has to hold at once: 64 pictures of 1250 x 1250."""


def most_pictures(height: int, width: int) -> int:
    """Return how many pictures of that size one file may hold; at least one."""
    return max(1, _MOST_PIXELS // (height * width))


def encode_strip(pictures: Sequence[UInt8Array], color: ColorOrder) -> bytes:
    """Return pictures of one size, channels in the order of `color`, as a PNG that any viewer shows rightly."""
    import cv2

    strip = np.concatenate(pictures)
    done, png = cv2.imencode(".png", strip if color == "BGR" else cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"OpenCV cannot write a PNG of {strip.shape[1]} x {strip.shape[0]}")
    return png.tobytes()


def decode_strip(raw: bytes, count: int, height: int, width: int, color: ColorOrder) -> list[UInt8Array]:
    """Return the pictures that `encode_strip` was given.

    Raises CorruptEngineError when the file is not such a PNG; its size is looked at before anything is unpacked.
    """
    import cv2

    if count * height * width > _MOST_PIXELS:
        raise CorruptEngineError(f"{count} kept pictures of {width} x {height} are absurd: build the engine anew")
    try:
        png = read_png(raw)
    except PngError as exc:
        raise CorruptEngineError(f"the file of the kept pictures {exc}: build the engine anew") from exc
    if (png.height, png.width) != (count * height, width):
        raise CorruptEngineError(f"the kept pictures are not {count} of {width} x {height}: build the engine anew")
    try:
        strip = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        strip = None
    if strip is None or strip.shape != (count * height, width, 3):
        raise CorruptEngineError("the kept pictures cannot be read: build the engine anew")
    pixels = np.asarray(strip if color == "BGR" else cv2.cvtColor(strip, cv2.COLOR_BGR2RGB), np.uint8)
    return [pixels[start : start + height] for start in range(0, count * height, height)]


def spread_evenly(items: Sequence[_Item], limit: int) -> list[_Item]:
    """Return at most `limit` of the items, spread over all of them."""
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]


_CALIBRATION: Final = 64
_VERIFICATION: Final = 32
"""Pictures that are kept at most: accuracy hardly grows beyond the first, and 32 equal answers prove 89 %."""
_MODEL: Final = "model.onnx"
_MEND: Final = "build it anew with `mnv2-edge build-engine MODEL.onnx --name"


def write_sources(folder: Path, request: BuildRequest, built_from: FileFacts) -> None:
    """Write model, pictures and recipe to a new folder.

    `built_from` is what the manifest says about the model. Raises BuildError when the model is not that file any more,
    OSError when something cannot be written; nothing is synced.
    """
    folder.mkdir()
    model = _copy_model(request.model, folder, built_from)
    color = request.preprocess.color
    nothing = Pictures("", ())
    calibration, validation = (nothing, nothing) if request.private else (request.calibration, request.validation)
    recipe = Recipe(
        name=request.name,
        target=request.target,
        precision=request.precision,
        model=model,
        preprocess=PreprocessFacts.of(request.preprocess),
        task=request.task,
        labels=request.labels,
        detection=request.detection,
        segmentation=request.segmentation,
        limits=LimitFacts(
            sqnr_db=request.limits.sqnr_db, agreement=request.limits.agreement, accept_loss=request.accept_loss
        ),
        calibration=_keep(folder / "calibration.png", calibration, _CALIBRATION, color),
        verification=_keep(folder / "verification.png", validation, _VERIFICATION, color),
        options=msgspec.to_builtins(request.options),
        private=True if request.private else msgspec.UNSET,
    )
    (folder / RECIPE).write_bytes(encode_recipe(recipe))


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe in a folder of sources. Raises CorruptEngineError, OSError."""
    path = folder / RECIPE
    try:
        return decode_recipe(read_regular(path, SETTINGS_LIMIT), path)
    except FileNotFoundError as exc:
        raise CorruptEngineError(f"{path} is missing: {_MEND} NAME`") from exc


def check_sources(folder: Path) -> Recipe:
    """Read the recipe and hash what lies beside it. Raises CorruptEngineError when something was changed, OSError."""
    recipe = read_recipe(folder)
    for facts in recipe.files():
        path = folder / facts.file
        if not path.is_file() or _facts(path) != facts:
            raise CorruptEngineError(
                f"{path} is missing or not what {recipe.name} was built from: {_MEND} {recipe.name}`"
            )
    return recipe


def read_request(folder: Path, *, threads: int, cache_dir: Path | None) -> BuildRequest:
    """Return the request to build an engine again; its output is a name alone.

    Raises CorruptEngineError, UnknownFormatError, BuildError where pictures are needed and were not kept, OSError.
    """
    recipe = check_sources(folder)
    if recipe.private is True and recipe.precision == "int8":
        raise BuildError(
            f"{recipe.name} was built with --private, so none of its pictures were kept: build it with new ones, "
            f"`mnv2-edge build-engine MODEL.onnx --name {recipe.name} --private --calibration FOLDER`"
        )
    preprocess = recipe.preprocess.value()
    return BuildRequest(
        model=folder / recipe.model.file,
        output=Path(recipe.name),
        preprocess=preprocess,
        calibration=_open(folder, recipe.calibration, preprocess.color),
        validation=_open(folder, recipe.verification, preprocess.color),
        name=recipe.name,
        target=recipe.target,
        precision=recipe.precision,
        task=recipe.task,
        labels=recipe.labels,
        detection=recipe.detection,
        segmentation=recipe.segmentation,
        limits=AccuracyLimits(recipe.limits.sqnr_db, recipe.limits.agreement),
        accept_loss=recipe.limits.accept_loss,
        private=recipe.private is True,
        threads=threads,
        cache_dir=cache_dir,
        options=_read_options(folder, recipe),
    )


def _read_options(folder: Path, recipe: Recipe) -> msgspec.Struct:
    try:
        return msgspec.convert(recipe.options, require_building(recipe.target).options)
    except msgspec.ValidationError as exc:
        raise CorruptEngineError(
            f"{folder / RECIPE} has options that {recipe.target} does not take ({exc}): {_MEND} {recipe.name}`"
        ) from exc


def _copy_model(model: Path, folder: Path, built_from: FileFacts) -> FileFacts:
    kept = folder / (model.name if is_name(model.stem) and model.suffix == ".onnx" else _MODEL)
    raw = read_regular(model, MODEL_LIMIT)
    if hashlib.sha256(raw).hexdigest() != built_from.sha256:
        raise BuildError(f"{model} was changed while it was being built: build it again")
    kept.write_bytes(_in_one_file(model, raw))
    return _facts(kept)


def _in_one_file(model: Path, raw: bytes) -> bytes:
    """Return the model with the weights that lie beside it in other files, if there are any."""
    import onnx

    proto = onnx.load_model_from_string(raw)
    if not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(proto)):
        return raw
    whole: bytes = onnx.load(model).SerializeToString()
    return whole


def _tensors(proto: "onnx.ModelProto") -> "list[onnx.TensorProto]":
    constants = [attribute.t for node in proto.graph.node for attribute in node.attribute if attribute.HasField("t")]
    return [*proto.graph.initializer, *constants]


def _keep(path: Path, pictures: Pictures, limit: int, color: ColorOrder) -> SampleFacts | None:
    if not pictures.items:
        return None
    kept = spread_evenly(pictures.items, min(limit, most_pictures(*pictures.items[0].shape[:2])))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(encode_strip(kept, color))  # photographs: for their owner alone, whatever the folder above allows
    count, whole = len(kept), len(pictures.items)
    height, width = kept[0].shape[:2]
    source = pictures.source if count == whole else f"{pictures.source} ({count} of {whole})"
    return SampleFacts(source=source, picture=_facts(path), count=count, height=height, width=width)


def _open(folder: Path, sample: SampleFacts | None, color: ColorOrder) -> Pictures:
    if sample is None:
        return Pictures("", ())
    raw = read_regular(folder / sample.picture.file, MODEL_LIMIT)
    return Pictures(sample.source, decode_strip(raw, sample.count, sample.height, sample.width, color))


def _facts(path: Path) -> FileFacts:
    raw = read_regular(path, MODEL_LIMIT)
    return FileFacts(file=path.name, sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
