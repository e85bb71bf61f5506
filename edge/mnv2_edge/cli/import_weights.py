"""`mnv2-edge import-weights`: turn a user's PyTorch or Keras weights into ONNX that an engine can be built from."""

from __future__ import annotations

import re
from pathlib import Path

import click

from mnv2_edge.errors import UsageError
from mnv2_engines.errors import ModelError

__all__ = ["command"]


def _parse_resolution(text: str) -> tuple[int, int]:
    """Read `R` for a square, or `HEIGHTxWIDTH`, in pixels. Raises click.BadParameter."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a resolution: expected e.g. 224, or HEIGHTxWIDTH as in 192x256")
    return int(match[1]), int(match[2] or match[1])


@click.command(
    epilog="""\b
Examples:
  mnv2-edge import-weights mobilenet_v2-7ebf99e0.pth -o mobilenet_v2.onnx
  mnv2-edge import-weights checkpoint.pth --part ema --resolution 160 -o signs.onnx
  mnv2-edge import-weights birds.keras -o birds.onnx
  mnv2-edge build-engine birds.onnx --calibration photos/ --labels birds.txt

\b
Neither PyTorch nor Keras is needed, and nothing in the file is run. Keras files need
h5py: pip install h5py. docs/networks.md says what is understood.
"""
)
@click.argument("source", type=click.Path(path_type=Path, readable=False), metavar="FILE")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="MODEL.onnx")
@click.option("--arch", type=click.Choice(["mobilenet_v2"]), default="mobilenet_v2", help="[default: mobilenet_v2]")
@click.option("--width", type=click.FloatRange(0.01, 10), metavar="W", help="[default: found from the shapes]")
@click.option(
    "--resolution", type=_parse_resolution, metavar="R", help="Pixels a side, or HxW. [default: the file's, else 224]"
)
@click.option("--classes", type=click.IntRange(min=1), metavar="N", help="Refuse a file that has another number.")
@click.option("--part", metavar="NAME", help="Which network of a checkpoint that holds several.")
@click.option("--force", is_flag=True, help="Overwrite MODEL.onnx and MODEL.yaml.")
def command(
    *,
    source: Path,
    output: Path,
    arch: str,  # noqa: ARG001 - the family has one architecture so far, and a choice says so
    width: float | None,
    resolution: tuple[int, int] | None,
    classes: int | None,
    part: str | None,
    force: bool,
) -> None:
    """Turn PyTorch or Keras weights of a MobileNetV2 into MODEL.onnx, without PyTorch or Keras.

    Takes state dicts as torchvision names them (.pth, .safetensors), and whole models on keras.applications'
    MobileNetV2 with a head of your own (.keras, .h5). MODEL.yaml says how pictures are prepared.
    """
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output} does not end in .onnx: expected e.g. -o {output.with_suffix('.onnx')}")
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}: make it with `mkdir -p {output.parent}`")
    if not source.exists():
        raise ModelError(f"there is no file {source}: expected .pth, .safetensors, .keras or .h5")

    from mnv2_engines.engine.sidecar import sidecar_path
    from mnv2_engines.weights import Expected, ImportRequest, import_weights

    expected = Expected(width=width, size_hw=resolution, classes=classes, part=part)
    found = import_weights(ImportRequest(source, output, expected, replace=force))
    network, preprocess = found.network, found.preprocess
    height, across = network.size_hw
    rule = "" if network.head == "official" else ", last convolution scaled"
    click.echo(f"{output}: MobileNetV2 width {network.width}, {height}x{across}, {network.classes} classes{rule}")
    mean, std = _channels(preprocess.mean), _channels(preprocess.std)
    click.echo(
        f"{sidecar_path(output)}: {preprocess.color}, mean {mean}, std {std}, {preprocess.resize} ({found.origin})"
    )
    for note in (*found.notes, *_uncompiled(output)):
        click.echo(f"note: {note}", err=True)
    click.echo(f"next: mnv2-edge build-engine {output} --calibration PHOTOS/ --labels LABELS.txt")


def _uncompiled(model: Path) -> list[str]:
    """Return which operators of a model `build-engine` does not compile: a head may have more than it knows."""
    import mnv2_engines.tflite.operators  # noqa: F401 - fills the table
    from mnv2_engines.tflite.importer.lowering import LOWERINGS
    from mnv2_engines.tflite.importer.onnx_reader import read_onnx

    unknown = sorted({node.op_type for node in read_onnx(model).nodes} - set(LOWERINGS))
    text = f"build-engine does not compile {', '.join(unknown)}: the ONNX file is right, an engine needs another head"
    return [text] if unknown else []


def _channels(values: tuple[float, float, float]) -> str:
    return ",".join(f"{value:.9g}" for value in dict.fromkeys(values))
