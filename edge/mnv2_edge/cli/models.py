"""`mnv2-edge models`: list, show, pull, add and remove networks."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.groups import HelpfulGroup
from mnv2_edge.cli.ui.parameters import Triple, preprocess_options
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import UsageError
from mnv2_edge.redaction import refuse_password_in_argv

if TYPE_CHECKING:
    from mnv2_engines.catalogue import KnownModels, ModelHome, PullOptions
    from mnv2_engines.engine.sidecar import TaskName
    from mnv2_engines.preprocessing.preprocess import ColorOrder

__all__ = ["command"]

_log = logging.getLogger(__name__)
_Function: TypeAlias = Callable[..., Any]
_FOLDER = click.Path(path_type=Path)


@click.group(
    cls=HelpfulGroup,
    epilog="""\b
Examples:
  mnv2-edge models list
  mnv2-edge models pull mobilenet-v2 coral-mobilenet-v2
  mnv2-edge models pull coral-inat-bird --mirror /media/usb/models
  mnv2-edge models add birds.pth --name birds --labels birds.txt
  mnv2-edge models add https://example.org/cats.tflite --name cats --labels cats.txt
  mnv2-edge models remove coral-inat-bird

\b
Models lie in $MNV2_EDGE_HOME/models, by default ~/.local/share/mnv2-edge/models.
docs/models.md says what there is, under which licence, and how it is checked.
""",
)
def command() -> None:
    """List, pull, add and remove networks, each checked against its hash before it is installed."""


@command.command("list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List the models, and which are on this device."""
    from mnv2_edge.cli.text.models import describe_model, download_size
    from mnv2_engines.catalogue import installed_model

    home, known = _open()
    if as_json:
        click.echo(json.dumps([describe_model(name, home, known) for name in known.models], indent=2))
        return
    print_table(
        ("name", "here", "task", "size", "licence", "what it knows"),
        [
            (
                name,
                "yes" if installed_model(name, entry, home) else "-",
                entry.task,
                download_size(entry),
                entry.licence,
                entry.description,
            )
            for name, entry in known.models.items()
        ],
        colors={"yes": "green"},
    )


@command.command()
@click.argument("name")
@json_option
@click.option("--urls", is_flag=True, help="Print only the addresses of the files, one per line.")
def show(*, name: str, as_json: bool, urls: bool) -> None:
    """Show all that is known about the model NAME."""
    from mnv2_edge.cli.text.models import describe_model

    if urls and as_json:
        raise UsageError("--urls and --json exclude each other: --json has the addresses too")
    home, known = _open()
    entry = known.find(name)
    if urls:
        for file in entry.files:
            for url in file.urls[:1]:
                click.echo(url)
        return
    described = describe_model(name, home, known)
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    import yaml

    click.echo(yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=110), nl=False)


def _patience_options(function: _Function) -> _Function:
    """Add `--timeout` and `--tries`."""
    timeout = click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0.1, 3600),
        default=20.0,
        metavar="S",
        help="Time limit for each answer of a server. [20]",
    )
    tries = click.option(
        "--tries", type=click.IntRange(1, 100), default=5, metavar="N", help="Attempts in a row without progress. [5]"
    )
    return timeout(tries(function))


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--mirror", metavar="DIR|URL", help="Take the files from this folder or address, by their names. Works offline."
)
@click.option(
    "--accept", metavar="SHA256", help="Trust the file with this hash from now on; the refusal shows the hash."
)
@click.option(
    "--fill-mirror",
    "folder",
    type=_FOLDER,
    metavar="DIR",
    help="Put the checked files into this folder; install nothing.",
)
@_patience_options
def pull(
    *,
    names: tuple[str, ...],
    mirror: str | None,
    accept: str | None,
    folder: Path | None,
    timeout_s: float,
    tries: int,
) -> None:
    """Fetch, check and install models for `build-engine` and `run`.

    What breaks off goes on with the next call. Without a published hash, the first one seen is remembered;
    another one in its place is refused from then on.
    """
    from mnv2_edge.cli.text.models import tell_pulled
    from mnv2_edge.inference.models import mapped_store_errors
    from mnv2_engines.catalogue import fill_mirror, pull_model

    if accept is not None and (len(names) != 1 or not re.fullmatch("[0-9a-f]{64}", accept)):
        raise UsageError(f"--accept {accept} is for one model and has 64 hexadecimal digits, as the refusal tells them")
    if folder is not None and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: make it with `mkdir -p {folder}`")
    home, known = _open()
    for name, entry in [(name, known.find(name)) for name in names]:
        pulled, filled = None, []
        with mapped_store_errors(home), _options(name, timeout_s, tries, mirror=mirror, accept=accept) as options:
            if folder is None or not entry.files:
                pulled = pull_model(name, entry, home, options)
            else:
                filled = fill_mirror(name, entry, home, folder, options)
        for path in filled:
            click.echo(path)
        if pulled is not None:
            tell_pulled(name, entry, pulled)


@command.command()
@click.argument("source", metavar="FILE|URL")
@click.option("--name", required=True, help="What to call it.")
@click.option("--task", type=click.Choice(["classify", "detect", "segment"]), default="classify", help="[classify]")
@click.option("--labels", metavar="FILE|URL", help="Names of the classes; or imagenet, coco, pascal-voc.")
@preprocess_options
@click.option("--resolution", type=click.IntRange(min=32), metavar="R", help="Pixels a side, for weights. [224]")
@click.option("--description", default="", help="A line for `models list`.")
@click.option("--licence", default="yours", help="[yours]")
@_patience_options
def add(
    *,
    source: str,
    name: str,
    task: "TaskName",
    labels: str | None,
    mean: Triple | None,
    std: Triple | None,
    color: "ColorOrder | None",
    resize: str | None,
    resolution: int | None,
    description: str,
    licence: str,
    timeout_s: float,
    tries: int,
) -> None:
    """Add a model of your own, from a file or an address.

    It is .onnx, .tflite, or weights, which are imported. Its hash is kept, and what is pulled under this name later has
    to have it. Without flags, weights are prepared for as their framework does, and quantised networks as their input
    says.
    """
    from mnv2_edge.cli.text.models import tell_pulled
    from mnv2_edge.inference.models import mapped_store_errors
    from mnv2_engines.catalogue import CatalogueModel, NewModel, StatedPreprocess, add_model

    for address in (source, labels or ""):
        refuse_password_in_argv(address)
    if (mean is None) != (std is None):
        raise UsageError("one of --mean and --std is given: expected both, or neither")
    try:
        preprocess = StatedPreprocess(color=color, mean=mean, std=std, resize=resize)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    stated = CatalogueModel(
        description=description, licence=licence, task=task, resolution=resolution, preprocess=preprocess
    )
    home, known = _open()
    with mapped_store_errors(home), _options(name, timeout_s, tries, local=Path(source).is_file()) as options:
        pulled = add_model(NewModel(name, source, labels, stated), known, home, options)
    tell_pulled(name, None, pulled)


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: tuple[str, ...]) -> None:
    """Remove models from this device.

    With what was fetched of them so far and the hashes that were remembered; one that you added leaves your catalogue.
    Engines that were built from them stay, and so do the copies that services have.
    """
    from mnv2_edge.inference.models import engines_built_from, mapped_store_errors
    from mnv2_engines.catalogue import read_pulled, remove_model, require_removable

    environment = read_environment(os.environ)
    home, known = _open()
    for name in names:
        require_removable(name, known, home)  # none is removed when one of them is mistyped
    for name in dict.fromkeys(names):
        record = read_pulled(home.folder(name))
        built = engines_built_from(record.model_sha256, environment) if record else ()
        with mapped_store_errors(home):
            removed = remove_model(name, known, home, partial(_say_waiting, name))
        back = "it left your catalogue too" if removed.own else f"`mnv2-edge models pull {name}` brings it again"
        click.echo(f"{name} is removed, {removed.size / (1 << 20):.1f} MiB freed; {back}")
        for engine in built:
            click.echo(f"note: the engine {engine} that was built from it stays: mnv2-edge engines remove {engine}")


@contextmanager
def _options(
    name: str,
    timeout_s: float,
    tries: int,
    *,
    mirror: str | None = None,
    accept: str | None = None,
    local: bool = False,
) -> "Iterator[PullOptions]":
    """Yield the options of a pull, and show its progress meanwhile; `local` says that files are taken from a disk."""
    from mnv2_edge.cli.ui.progress import show_downloads
    from mnv2_engines.catalogue import PullOptions, RetryPolicy, parse_mirror

    refuse_password_in_argv(mirror or "")
    place = None if mirror is None else parse_mirror(mirror)
    with show_downloads("copying" if local or isinstance(place, Path) else "fetching") as progress:
        yield PullOptions(
            mirror=place,
            accept=accept,
            retries=RetryPolicy(timeout_s=timeout_s, tries=tries),
            progress=progress,
            waiting=partial(_say_waiting, name),
        )


def _say_waiting(name: str) -> None:
    _log.info("another process is at %s: waiting for it (Ctrl-C ends that)", name)


def _open() -> "tuple[ModelHome, KnownModels]":
    from mnv2_edge.inference.models import known_models, model_home

    home = model_home(read_environment(os.environ))
    return home, known_models(home)
