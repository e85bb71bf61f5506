"""Text of the store's contents: rows, lines and JSON."""

from typing import Any

import msgspec

from mnv2_edge.cli.text.build import describe_quality
from mnv2_edge.redaction import redact
from mnv2_engines.engine.manifest import Manifest
from mnv2_engines.store.listing import Entry
from mnv2_engines.store.recipe import Recipe

__all__ = ["describe", "details_json", "entry_json", "entry_row", "list_columns"]


def list_columns() -> tuple[str, ...]:
    """Return the heads of the columns that `entry_row` fills."""
    return ("", "name", "state", "engine", "task", "built", "id")


def entry_row(entry: Entry) -> tuple[str, ...]:
    """Return one line of `engines list`; a star marks the default."""
    manifest, recipe = entry.manifest, entry.recipe
    return (
        "*" if entry.is_default else "",
        entry.name,
        entry.presence,
        f"{recipe.target} {recipe.precision}" if recipe else "",
        _printable((recipe.task if recipe else None) or ""),
        _printable(manifest.created.partition("T")[0]) if manifest else "",
        entry.id or "",
    )


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return the same as plain values."""
    manifest, recipe = entry.manifest, entry.recipe
    return {
        "name": entry.name,
        "default": entry.is_default,
        "state": entry.presence,
        "why": entry.why,
        "id": entry.id,
        "target": recipe.target if recipe else None,
        "precision": recipe.precision if recipe else None,
        "task": recipe.task if recipe else None,
        "bytes": manifest.engine.bytes if manifest else None,
        "created": manifest.created if manifest else None,
    }


def describe(entry: Entry) -> str:
    """Return what `engines show` prints."""
    lines = [f"{entry.name}: {entry.id or entry.presence}{', the default' if entry.is_default else ''}"]
    if entry.why:
        lines.append(f"state        {entry.why}")
    if entry.version is not None:
        lines.append(f"folder       {entry.version.folder}")
    if entry.manifest is not None:
        lines += _engine_lines(entry.manifest)
    if entry.recipe is not None:
        lines += _recipe_lines(entry.recipe)
    return redact("\n".join(map(_printable, lines)))


def details_json(entry: Entry) -> dict[str, Any]:
    """Return all that is known, with manifest and recipe as they are in their files, as plain values."""
    return {
        **entry_json(entry),
        "folder": str(entry.version.folder) if entry.version else None,
        "manifest": msgspec.to_builtins(entry.manifest),
        "recipe": msgspec.to_builtins(entry.recipe),
    }


def _engine_lines(manifest: Manifest) -> list[str]:
    device, engine = manifest.built_on, manifest.engine
    runtimes = ", ".join(f"{name} {version}" for name, version in sorted(manifest.runtimes.items()))
    lines = [
        f"engine       {manifest.target} {manifest.precision}, {engine.bytes / 1e6:.2f} MB, SHA-256 {engine.sha256}",
        f"built        {manifest.created} by {manifest.builder} with {runtimes}",
        f"on           {device.board}, {device.machine}, {device.cpu}",
    ]
    if manifest.verification is not None:
        lines += [f"quality      {line}" for line in describe_quality(manifest.verification)]
    if manifest.accepted_loss is not None:
        lines += [f"accepted     {reason}" for reason in manifest.accepted_loss.reasons]
    return lines


def _recipe_lines(recipe: Recipe) -> list[str]:
    preprocess = recipe.preprocess.value()
    mean, std = _triple(preprocess.mean), _triple(preprocess.std)
    labels = f"{len(recipe.labels)} labels, the first {recipe.labels[0]!r}" if recipe.labels else "no labels"
    lines = [
        f"model        {recipe.model.file}, {recipe.model.bytes / 1e6:.2f} MB, SHA-256 {recipe.model.sha256}",
        f"pixels       {preprocess.color}, mean {mean}, std {std}, {preprocess.resize}",
        f"task         {recipe.task or 'not stated'}, {labels}",
    ]
    for what, sample in (("calibration ", recipe.calibration), ("verification", recipe.verification)):
        if sample is not None:
            lines.append(
                f"{what} {sample.count} pictures of {sample.width} x {sample.height} kept, from {sample.source}"
            )
    return lines


def _printable(text: str) -> str:
    """Return text out of a file, which may have come from anywhere, so that it cannot steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _triple(values: tuple[float, float, float]) -> str:
    return ",".join(f"{value:g}" for value in values)
