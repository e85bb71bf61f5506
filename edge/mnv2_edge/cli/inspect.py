"""`mnv2-edge inspect`: what a model costs, read from its file without running it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.tables import print_table
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_engines.inspection import FamilyMember, Inspection, Operation, Value

__all__ = ["command"]


@click.command(
    epilog="""\b
Examples:
  mnv2-edge inspect model.onnx
  mnv2-edge inspect model.tflite --summary
  mnv2-edge inspect model.onnx --json | jq '.layers | max_by(.macs) | .name'

\b
docs/networks.md says how MACs, parameters and memory are counted.
"""
)
@click.argument("model", type=click.Path(path_type=Path, readable=False), metavar="MODEL")
@click.option("--summary", is_flag=True, help="Leave the table of layers out.")
@json_option
def command(*, model: Path, summary: bool, as_json: bool) -> None:
    """Show layers, shapes, work, parameters and memory of an ONNX or TFLite file.

    A MobileNetV2 classifier is recognised by its kernels; what its authors published stands beside what was counted.
    """
    from mnv2_engines.inspection import find_family_member, inspect_model

    inspection = inspect_model(model)
    family = find_family_member(inspection)
    if as_json:
        click.echo(json.dumps(_to_json(model, inspection, family), indent=2))
        return
    if not summary:
        print_table(
            ("operator", "output", "MACs", "parameters", "weights", "layer"),
            [_cells(operation, inspection) for operation in inspection.operations],
        )
        click.echo()
    for line in _summarise(model, inspection):
        click.echo(line)
    if family is not None:
        _print_family(family)


def _cells(operation: Operation, inspection: Inspection) -> tuple[str, ...]:
    shapes = [_shape(inspection.values[name]) for name in operation.outputs]
    return (
        printable(operation.operator),
        " ".join(shapes),
        "?" if operation.macs is None else f"{operation.macs:,}",
        f"{operation.parameters:,}",
        _size(operation.weight_bytes),
        printable(operation.name),
    )


def _summarise(model: Path, inspection: Inspection) -> list[str]:
    unknown = "not known: some layer has no fixed shape"
    macs, peak = inspection.macs, inspection.peak
    activations = unknown
    if peak is not None:
        layer = printable(peak.operation).partition(";")[0]  # TFLite joins the names of all that was fused
        activations = f"at most {_size(peak.byte_count)} at a time, in {layer}"
    return [
        f"{model.name}: {inspection.format}, {_size(inspection.file_bytes)}, {len(inspection.operations)} operations",
        f"inputs       {', '.join(map(_describe, inspection.inputs))}",
        f"outputs      {', '.join(map(_describe, inspection.outputs))}",
        f"MACs         {unknown if macs is None else f'{macs:,}'}",
        f"parameters   {inspection.parameters:,}",
        f"weights      {_size(inspection.weight_bytes)}",
        f"activations  {activations}",
    ]


def _print_family(family: FamilyMember) -> None:
    network, row = family.network, family.published
    height, width = network.size_hw
    facts = [f"MobileNetV2 width {network.width}", f"{height}x{width}", f"{network.classes} classes"]
    if network.head != "official":
        facts.append("last convolution scaled")
    if not family.plain_head:
        facts.append("a head of its own")
    click.echo(f"family       {', '.join(facts)}")
    if row is None:
        return
    click.echo()
    print_table(
        ("", "MACs (M)", "parameters (M)", "top-1", "top-5", "Pixel 1 (ms)"),
        [
            ("this file", str(family.macs_m), f"{family.parameters_m:.2f}", "-", "-", "-"),
            (
                "published, ImageNet",
                str(row.macs_m),
                f"{row.parameters_m:.2f}",
                f"{row.top1:.1f}",
                f"{row.top5:.1f}",
                f"{row.pixel1_ms:.1f}",
            ),
        ],
    )


def _to_json(model: Path, inspection: Inspection, family: FamilyMember | None) -> dict[str, object]:
    peak = inspection.peak
    return {
        "file": model.name,
        "format": inspection.format,
        "bytes": inspection.file_bytes,
        "inputs": [_value_json(value) for value in inspection.inputs],
        "outputs": [_value_json(value) for value in inspection.outputs],
        "macs": inspection.macs,
        "parameters": inspection.parameters,
        "weight_bytes": inspection.weight_bytes,
        "peak_activations": None if peak is None else {"bytes": peak.byte_count, "layer": peak.operation},
        "layers": [
            {
                "name": operation.name,
                "operator": operation.operator,
                "outputs": [_value_json(inspection.values[name]) for name in operation.outputs],
                "macs": operation.macs,
                "parameters": operation.parameters,
                "weight_bytes": operation.weight_bytes,
            }
            for operation in inspection.operations
        ],
        "family": None if family is None else asdict(family),
    }


def _value_json(value: Value) -> dict[str, object]:
    return {"name": value.name, "shape": value.shape, "dtype": value.dtype, "bytes": value.byte_count}


def _describe(value: Value) -> str:
    return f"{printable(value.name)} {_shape(value)} {value.dtype}"


def _shape(value: Value) -> str:
    if value.shape is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in value.shape) or "scalar"


def _size(byte_count: int) -> str:
    if byte_count < 1024:
        return f"{byte_count} B"
    if byte_count < 1 << 20:
        return f"{byte_count / 1024:.1f} KiB"
    return f"{byte_count / (1 << 20):.2f} MiB"
