"""Find the network that an engine shall be built from by its name in the catalogue, and pull it when it is not here."""

from pathlib import Path

import click

from mnv2_edge.environment import Environment
from mnv2_edge.errors import UsageError

__all__ = ["find_model", "is_catalogue_name"]


def is_catalogue_name(word: str, environment: Environment) -> bool:
    """Tell whether `word` means a model of the catalogue: it has no folder and no ending, and no file is called so."""
    from mnv2_edge.model_store import known_models, model_home
    from mnv2_engines.store.names import is_name

    if not is_name(word) or Path(word).exists():
        return False
    return word in known_models(model_home(environment)).models


def find_model(name: str | None, environment: Environment) -> Path:
    """Return the ONNX file of a model of the catalogue, its default when none is named, pulled when it is not here.

    Raises UsageError for a model that needs no building, DownloadError that says what to do when it does not come, and
    what else `pull_model` raises.
    """
    from mnv2_edge.cli.download_progress import show_downloads
    from mnv2_edge.model_store import known_models, model_home, storing
    from mnv2_engines.catalogue import PullOptions, installed_model, pull_model
    from mnv2_engines.errors import DownloadError

    home = model_home(environment)
    known = known_models(home)
    chosen = name or known.default
    entry = known.find(chosen)
    if entry.becomes != ".onnx":
        raise UsageError(
            f"{chosen} is a TFLite file already, of which no engine is built: `mnv2-edge models pull {chosen}` brings "
            f"it, and `mnv2-edge run --model {chosen}` runs it"
        )
    path = installed_model(chosen, entry, home)
    if path is not None:
        return path
    try:
        with storing(home), show_downloads() as progress:
            pulled = pull_model(chosen, entry, home, PullOptions(progress=progress))
    except DownloadError as exc:
        named = "" if name else f"no model is named, and the catalogue's {chosen} is not here: "
        raise DownloadError(
            f"{named}{exc} of `mnv2-edge models pull {chosen}`; or name an ONNX file: mnv2-edge build-engine MODEL.onnx"
        ) from exc
    for note in (*pulled.notes, *([entry.note] if entry.note else [])):
        click.echo(f"note: {note}", err=True)
    return pulled.path
