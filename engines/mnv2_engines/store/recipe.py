"""The recipe of an engine, from which it can be built again without a question to anybody."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from mnv2_engines.engine.facts import FileFacts, Precision, PreprocessFacts
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import ContractError, CorruptEngineError
from mnv2_engines.files.checked_json import UNREADABLE, checksum, encode_with_checksum
from mnv2_engines.store.names import is_name

__all__ = ["RECIPE", "LimitFacts", "Recipe", "SampleFacts", "decode_recipe", "encode_recipe"]

RECIPE: Final = "recipe.json"
VERSION: Final = 1
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_Pixels = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class SampleFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of pictures, one below the other."""

    source: str
    """Where they came from, and how many of how many they are."""
    picture: FileFacts
    count: _Count
    height: _Pixels
    width: _Pixels


class LimitFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine had to reach."""

    sqnr_db: float
    agreement: float
    accept_loss: bool


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a build is asked for. Written by `encode_recipe`, read by `decode_recipe`."""

    format: Literal["mnv2-edge recipe"] = "mnv2-edge recipe"
    version: Literal[1] = VERSION
    checksum: str = ""
    """As in a manifest."""
    name: str
    target: str
    precision: Precision
    model: FileFacts
    """The file beside the recipe; of a model in several files these bytes are not those that the manifest names."""
    preprocess: PreprocessFacts
    """What the model was trained with."""
    task: str | None
    labels: tuple[str, ...] | None
    detection: DetectionFacts | None
    segmentation: SegmentationFacts | None
    limits: LimitFacts
    calibration: SampleFacts | None
    verification: SampleFacts | None
    options: dict[str, object] = {}
    """The builder's own; what they may be is for its format to say."""
    private: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the pictures were deliberately not kept. Stands only where it is true: older programs do not know it."""

    def files(self) -> tuple[FileFacts, ...]:
        """Return what lies beside the recipe."""
        samples = [sample.picture for sample in (self.calibration, self.verification) if sample is not None]
        return (self.model, *samples)


def encode_recipe(recipe: Recipe) -> bytes:
    """Return the recipe as indented JSON with its checksum filled in."""
    return encode_with_checksum(recipe)


def decode_recipe(raw: bytes, path: Path) -> Recipe:
    """Read a recipe; `path` only names it in messages.

    Raises CorruptEngineError for one that is damaged, was edited, or is of a version that this program does not know.
    """
    try:
        keys = msgspec.json.decode(raw, type=dict[str, object])
        version = keys.get("version")
        if isinstance(version, int) and version != VERSION:
            raise CorruptEngineError(
                f"{path} is a recipe of version {version}, this program reads version {VERSION}: {_MEND}"
            )
        recipe = msgspec.convert(keys, Recipe)
        recipe.preprocess.value()
    except (*UNREADABLE, ContractError) as exc:
        raise CorruptEngineError(f"{path} is not a readable recipe ({exc}): {_MEND}") from exc
    if recipe.checksum != checksum(keys):
        raise CorruptEngineError(f"{path} was changed after the build (its checksum does not fit): {_MEND}")
    if not all(_FILE.fullmatch(facts.file) for facts in recipe.files()) or not is_name(recipe.name):
        raise CorruptEngineError(f"{path} holds a name that nothing of a store has: {_MEND}")
    return recipe


_MEND: Final = "build the engine anew with `mnv2-edge build-engine MODEL.onnx --name NAME`"
