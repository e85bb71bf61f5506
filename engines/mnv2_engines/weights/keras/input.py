"""What a Keras model does to pixels before its first convolution: that is its preprocess."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.weights.keras.file import Json, KerasLayer, number

__all__ = ["KerasInput", "read_input"]

_TRAINING_ONLY: Final = (
    "Random",
    "GaussianNoise",
    "AutoContrast",
    "MixUp",
    "CutMix",
    "RandAugment",
    "AugMix",
    "Dropout",
)
"""Classes that do nothing once trained begin so."""
_ARITHMETIC: Final = {"TrueDivide": "/", "Divide": "/", "Multiply": "*", "Subtract": "-", "Add": "+"}
_TF_ARITHMETIC: Final = {"math.truediv": "/", "math.multiply": "*", "math.subtract": "-", "math.add": "+"}
"""The same in Keras 2, inside of a TFOpLambda."""


@dataclass(frozen=True, slots=True)
class KerasInput:
    """What a model expects of a picture."""

    size_hw: tuple[int, int] | None
    """None when the model takes any size."""
    preprocess: Preprocess
    rescales: bool
    """The model itself rescales pixels of 0 to 255; else -1 to 1 is assumed, as preprocess_input makes them."""


def read_input(layers: Sequence[KerasLayer]) -> KerasInput:
    """Read the layers before the first convolution.

    Raises ModelError for one that is neither rescaling, resizing nor augmentation.
    """
    scale, offset = 1.0, 0.0
    size_hw: tuple[int, int] | None = None
    resize = ResizePolicy("stretch")  # what keras.utils.image_dataset_from_directory does unless told to crop
    for layer in layers:
        config = layer.config
        if layer.class_name == "InputLayer":
            size_hw = size_hw or _size(config.get("batch_shape", config.get("batch_input_shape")))
        elif layer.class_name == "Rescaling":
            factor = number(config.get("scale"), "the scale of Rescaling")
            scale, offset = (
                scale * factor,
                offset * factor + number(config.get("offset", 0.0), "the offset of Rescaling"),
            )
        elif layer.class_name == "Resizing":
            size_hw = _size([None, config.get("height"), config.get("width"), 3])
            resize = ResizePolicy("center-crop" if config.get("crop_to_aspect_ratio") else "stretch")
        elif (operator := _operator(layer)) is not None:
            scale, offset = _apply(operator, _operand(layer), scale, offset)
        elif not layer.class_name.startswith(_TRAINING_ONLY):
            raise ModelError(
                f"layer {layer.name!r} ({layer.class_name}) stands before the network: expected Rescaling, Resizing or "
                "augmentation"
            )
    if scale <= 0.0:
        raise ModelError(f"the model scales its pictures by {scale}: a positive factor was expected")
    rescales = (scale, offset) != (1.0, 0.0)
    mean, std = (round(-offset / scale, 6), round(1.0 / scale, 6)) if rescales else (127.5, 127.5)
    return KerasInput(size_hw, Preprocess("RGB", (mean, mean, mean), (std, std, std), resize), rescales)


def _apply(operator: str, operand: float, scale: float, offset: float) -> tuple[float, float]:
    if operator in "+-":
        return scale, offset + (operand if operator == "+" else -operand)
    if operand == 0.0:
        raise ModelError("the model multiplies or divides its pictures by 0")
    factor = operand if operator == "*" else 1.0 / operand
    return scale * factor, offset * factor


def _operator(layer: KerasLayer) -> str | None:
    if layer.class_name == "TFOpLambda":
        return _TF_ARITHMETIC.get(str(layer.config.get("function")))
    return _ARITHMETIC.get(layer.class_name)


def _operand(layer: KerasLayer) -> float:
    """Return the number of ``picture / number``: an argument in Keras 3, keyword `y` in Keras 2."""
    call = layer.calls[0] if layer.calls else None
    found: Json = None
    if isinstance(call, dict):
        arguments = [*_as_list(call.get("args")), *_as_dict(call.get("kwargs")).values()]
        found = arguments[1] if len(arguments) > 1 and isinstance(arguments[0], dict) else None
    elif isinstance(call, list) and call:
        inner = call[0] if isinstance(call[0], list) else call
        found = _as_dict(inner[-1]).get("y")
    return number(found, f"what layer {layer.name!r} calculates with")


def _size(shape: Json) -> tuple[int, int] | None:
    sizes = _as_list(shape)
    if len(sizes) != 4 or sizes[3] != 3:
        raise ModelError(
            f"the model takes {shape!r}: expected colour pictures with channels last, [null, height, width, 3]"
        )
    height, width = sizes[1:3]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _as_dict(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
