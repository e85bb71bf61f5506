"""Lead the conversation from the camera to the service."""

import difflib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_edge.config.model import Config
from mnv2_edge.config.read import read_config
from mnv2_edge.errors import ConfigError, EdgeError, StepFailedError, UsageError
from mnv2_edge.host.identity import read_identity
from mnv2_edge.redaction import redact
from mnv2_edge.setup.broker import pick_broker
from mnv2_edge.setup.camera import pick_cameras
from mnv2_edge.setup.draft import Draft
from mnv2_edge.setup.files import File, name_passwords, require_place, write_files
from mnv2_edge.setup.machine import Surroundings
from mnv2_edge.setup.model import pick_network
from mnv2_edge.setup.naming import instance_for, pick_name
from mnv2_edge.setup.prompts import Asker, Option
from mnv2_edge.setup.yaml_text import configuration_text
from mnv2_edge.sinks.broker import Topics, parse_broker
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, decode_regular
from mnv2_engines.printable import printable

__all__ = ["Plan", "hold_conversation", "offer_service"]

_Over: TypeAlias = Literal["write", "elsewhere", "leave"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the configuration goes, and what it begins with."""

    path: Path
    begin_with: Path | None
    """None: with the defaults."""


def hold_conversation(plan: Plan, asker: Asker, around: Surroundings) -> Path | None:
    """Ask for everything, try everything, and write it in the end; return what was written or was right already.

    None when whoever was asked thought better of it. Nothing is written before the last question was answered, but
    networks that were pulled or built stay. Raises EdgeError where nobody can be asked what to do about it.
    """
    require_place(plan.path)
    config = Config(version=1) if plan.begin_with is None else read_config(plan.begin_with)
    if plan.begin_with is not None:
        asker.show(f"{plan.begin_with} is there: Enter keeps what it says.")
    asker.show("A line with $ is the command that does the same by hand.")
    draft = Draft(config, is_new=plan.begin_with is None)
    draft = pick_cameras(draft, asker, around)
    draft = pick_network(draft, asker, around)
    draft = pick_broker(draft, asker, around)
    draft = pick_name(draft, plan.path, asker, around)
    path = _write(draft, plan.path, asker)
    if path is not None:
        for line in _what_next(draft, path):
            asker.show(line, "command" if line.startswith("mnv2-edge") else "plain")
    return path


def _write(draft: Draft, path: Path, asker: Asker) -> Path | None:
    """Show the configuration and write it; ask before anything is written over, and again where it cannot be."""
    asker.show("Configuration", "heading")
    while True:
        named, passwords = name_passwords(draft, path)
        text = configuration_text(named.config, path.name)
        files = [*passwords, File(path, text)]
        over = _may_write(path, named.config, text, asker)
        if over == "same":
            files.pop()
            if not files:
                asker.show(f"{path} says all of this already, and stays as it is", "good")
                return path
        elif over == "leave":
            return None
        elif over == "elsewhere":
            path = asker.ask("Where to", _take_place, default=str(_free(path)))
            continue
        following = _store(files, asker)
        if following == "leave":
            return None
        if following == "write":
            for file in files:
                asker.show(f"{file.path} is written{', for its owner alone' if file.secret else ''}", "good")
            return path
        path = asker.ask("Where to", _take_place, default=str(path))


def _store(files: Sequence[File], asker: Asker) -> _Over:
    """Write the files, again and again if that is wanted; return `write` when it is done, else what to do instead."""
    options: list[Option[_Over]] = [
        Option("write", "try it again"),
        Option("elsewhere", "write it elsewhere"),
        Option("leave", "give up"),
    ]
    while (error := _failure(files)) is not None:
        following = asker.recover(error, options)
        if following != "write":
            return following
    return "write"


def _failure(files: Sequence[File]) -> EdgeError | None:
    """Write the files; return what kept them from being written, in which case nothing was."""
    try:
        write_files(files)
    except EdgeError as exc:
        return exc
    return None


def _may_write(path: Path, config: Config, text: str, asker: Asker) -> _Over | Literal["same"]:
    """Show what would be written, or how it differs from what is there; return what to do."""
    if not path.exists():
        for line in text.splitlines():
            asker.show(f"  {redact(line)}" if line else "")
        return "write" if asker.confirm(f"Write this to {path}?", default=True) else "leave"
    before, old = _present(path)
    if before == config:
        return "same"
    for line in difflib.unified_diff(old.splitlines(), text.splitlines(), str(path), "new", lineterm="", n=1):
        asker.show(f"  {printable(redact(line))}")
    exists = UsageError(f"{path} says something else, and is not written over unasked: --output FILE names another")
    return asker.recover(
        exists,
        [
            Option("write", "write over it", "its comments go"),
            Option("elsewhere", "write another file"),
            Option("leave", "leave it as it is"),
        ],
    )


def _present(path: Path) -> tuple[Config | None, str]:
    """Return what a file says, as far as it can be read and is a configuration."""
    try:
        text = decode_regular(path, SETTINGS_LIMIT, errors="replace")
    except OSError:
        return None, ""
    try:
        return read_config(path), text
    except ConfigError:
        return None, text


def _free(path: Path) -> Path:
    """Return a name like `path` that is not taken."""
    number = 2
    while (free := path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return free


def _take_place(text: str) -> Path:
    """Return where a file can be written. Raises UsageError, AccessError."""
    path = Path(text.strip()).expanduser().absolute()
    require_place(path)
    return path


def _what_next(draft: Draft, path: Path) -> Iterator[str]:
    """Say what can be typed now."""
    yield ""
    if draft.put_off:
        yield "Still to do, since it was put off:"
        yield from draft.put_off
    yield "To run it:"
    yield shlex.join(("mnv2-edge", "run", "--config", str(path)))
    broker = draft.broker
    if broker is not None:
        device = draft.config.device
        found = parse_broker(broker.uri)
        topics = Topics(found.prefix, read_identity(name=device.name, instance=device.instance).device_id)
        yield f"Its topics begin with {topics.prefix}/{topics.device}/ on {found}."


def offer_service(path: Path, asker: Asker, around: Surroundings) -> None:
    """Offer to run it now and at each boot where that is possible, else say what would be. Raises StepFailedError."""
    name = instance_for(path)
    command = ("service", "install", str(path), *(() if name == path.stem else ("--name", name)))
    if not around.places.installer.is_file():
        asker.show("As a service, at each boot (docs/operations.md):")
        asker.show("sudo deploy/install.sh", "command")
        asker.show(shlex.join(("sudo", "mnv2-edge", *command)), "command")
    elif not around.is_root:
        asker.show("As a service, now and at each boot:")
        asker.show(shlex.join(("sudo", "mnv2-edge", *command)), "command")
    elif asker.confirm("Run it as a service, now and at each boot?", default=True):
        asker.show(shlex.join(("mnv2-edge", *command)), "command")
        status = around.run_ourselves(command, {})
        if status:
            raise StepFailedError(
                f"the service was not installed or is not well; {path} is written: `mnv2-edge service status`", status
            )
