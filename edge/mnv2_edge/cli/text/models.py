"""Text about the models of the catalogue."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mnv2_engines.catalogue import CatalogueModel, KnownModels, ModelHome, PulledModel

__all__ = ["describe_model", "download_size", "tell_pulled"]


def describe_model(name: str, home: "ModelHome", known: "KnownModels") -> dict[str, object]:
    """Return everything about a model, as plain values."""
    import msgspec

    from mnv2_engines.catalogue import installed_model, read_pulled

    entry = known.find(name)
    path = installed_model(name, entry, home)
    record = read_pulled(home.folder(name)) if entry.files else None
    described: dict[str, object] = {
        "name": name,
        "installed": None if path is None else str(path),
        "from": "your catalogue" if name in known.own else "the package's catalogue",
        **msgspec.to_builtins(entry),
    }
    described.setdefault("task", entry.task)
    if record is not None:
        described["pulled"] = msgspec.to_builtins(record)
    return described


def download_size(entry: "CatalogueModel") -> str:
    """Return how much a pull fetches, for a table: "?" where it is not stated, "-" where nothing is fetched."""
    file = entry.files[0] if entry.files else None
    if file is None:
        return "-"
    mib = file.size / (1 << 20) if file.size is not None else file.about_mib
    return "?" if mib is None else f"{mib:.1f} MiB"


def tell_pulled(name: str, entry: "CatalogueModel | None", pulled: "PulledModel") -> None:
    """Say where the model is, what was assumed, and what to type next."""
    record = pulled.record
    if record is None:
        click.echo(f"{name} comes with the package: {pulled.path}")
        click.echo("next: mnv2-edge demo")
        return
    click.echo(f"{pulled.path}{'' if pulled.fresh else ' is there already, and whole'}")
    notes = list(pulled.notes)
    if entry is not None and record.hash_was != "whole":
        known = "only the first digits of its hash are" if record.hash_was == "start" else "no hash is"
        notes.append(
            f"{known} published for {record.file}; SHA-256 {record.sha256} is remembered, and another file refused"
        )
    if entry is not None and entry.note:
        notes.append(entry.note)
    for note in notes if pulled.fresh else ():
        click.echo(f"note: {note}", err=True)
    if pulled.path.suffix == ".onnx":
        click.echo(f"next: mnv2-edge build-engine {name} --calibration PHOTOS/")
    else:
        click.echo(f"next: mnv2-edge run --model {name}")
