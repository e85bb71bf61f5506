"""Word what is known about a model of the catalogue."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnv2_engines.catalogue import CatalogueModel, KnownModels, ModelHome

__all__ = ["describe_model", "download_size"]


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
    """Return how much a pull fetches, for a table: "?" where nobody says, "-" where nothing is fetched."""
    file = entry.files[0] if entry.files else None
    if file is None:
        return "-"
    mib = file.size / (1 << 20) if file.size is not None else file.about_mib
    return "?" if mib is None else f"{mib:.1f} MiB"
