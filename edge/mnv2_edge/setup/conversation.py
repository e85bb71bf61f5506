"""The conversation, from the camera to the service."""

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
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.files import PendingFile, name_passwords, require_writable, write_files
from mnv2_edge.setup.machine import SetupHost
from mnv2_edge.setup.model import pick_network
from mnv2_edge.setup.naming import instance_for, pick_name
from mnv2_edge.setup.prompts import Option, Prompts
from mnv2_edge.setup.yaml_text import configuration_text
from mnv2_edge.sinks.broker import Topics, parse_broker
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, decode_regular
from mnv2_engines.printable import printable

__all__ = ["SetupPlan", "offer_service", "run_setup"]

_Over: TypeAlias = Literal["write", "elsewhere", "leave"]


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """Where the configuration is written, and what it starts from."""

    path: Path
    begin_with: Path | None
    """None: with the defaults."""


def run_setup(plan: SetupPlan, prompts: Prompts, host: SetupHost) -> Path | None:
    """Ask for everything, try everything, and write it in the end; return what was written or was right already.

    None when the user changed their mind. Nothing is written before the last question was answered, but
    networks that were pulled or built stay. Raises EdgeError where no one can be asked what to do about it.
    """
    require_writable(plan.path)
    config = Config(version=1) if plan.begin_with is None else read_config(plan.begin_with)
    if plan.begin_with is not None:
        prompts.show(f"{plan.begin_with} is there: Enter keeps what it says.")
    prompts.show("A line with $ is the command that does the same by hand.")
    draft = ConfigDraft(config, is_new=plan.begin_with is None)
    draft = pick_cameras(draft, prompts, host)
    draft = pick_network(draft, prompts, host)
    draft = pick_broker(draft, prompts, host)
    draft = pick_name(draft, plan.path, prompts, host)
    path = _write(draft, plan.path, prompts)
    if path is not None:
        for line in _what_next(draft, path):
            prompts.show(line, "command" if line.startswith("mnv2-edge") else "plain")
    return path


def _write(draft: ConfigDraft, path: Path, prompts: Prompts) -> Path | None:
    """Show the configuration and write it; ask before anything is written over, and again where it cannot be."""
    prompts.show("Configuration", "heading")
    while True:
        named, passwords = name_passwords(draft, path)
        text = configuration_text(named.config, path.name)
        files = [*passwords, PendingFile(path, text)]
        over = _may_write(path, named.config, text, prompts)
        if over == "same":
            files.pop()
            if not files:
                prompts.show(f"{path} says all of this already, and stays as it is", "good")
                return path
        elif over == "leave":
            return None
        elif over == "elsewhere":
            path = prompts.ask("Where to", _take_place, default=str(_free(path)))
            continue
        following = _store(files, prompts)
        if following == "leave":
            return None
        if following == "write":
            for file in files:
                prompts.show(f"{file.path} is written{', for its owner alone' if file.secret else ''}", "good")
            return path
        path = prompts.ask("Where to", _take_place, default=str(path))


def _store(files: Sequence[PendingFile], prompts: Prompts) -> _Over:
    """Write the files, again and again if that is wanted; return `write` when it is done, else what to do instead."""
    options: list[Option[_Over]] = [
        Option("write", "try it again"),
        Option("elsewhere", "write it elsewhere"),
        Option("leave", "give up"),
    ]
    while (error := _failure(files)) is not None:
        following = prompts.recover(error, options)
        if following != "write":
            return following
    return "write"


def _failure(files: Sequence[PendingFile]) -> EdgeError | None:
    """Write the files; return what kept them from being written, in which case nothing was."""
    try:
        write_files(files)
    except EdgeError as exc:
        return exc
    return None


def _may_write(path: Path, config: Config, text: str, prompts: Prompts) -> _Over | Literal["same"]:
    """Show what would be written, or how it differs from what is there; return what to do."""
    if not path.exists():
        for line in text.splitlines():
            prompts.show(f"  {redact(line)}" if line else "")
        return "write" if prompts.confirm(f"Write this to {path}?", default=True) else "leave"
    before, old = _present(path)
    if before == config:
        return "same"
    for line in difflib.unified_diff(old.splitlines(), text.splitlines(), str(path), "new", lineterm="", n=1):
        prompts.show(f"  {printable(redact(line))}")
    exists = UsageError(f"{path} says something else, and is not written over unasked: --output FILE names another")
    return prompts.recover(
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
    require_writable(path)
    return path


def _what_next(draft: ConfigDraft, path: Path) -> Iterator[str]:
    """Return what can be typed now."""
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


def offer_service(path: Path, prompts: Prompts, host: SetupHost) -> None:
    """Offer to run it now and at each boot where that is possible, else say what would be. Raises StepFailedError."""
    name = instance_for(path)
    command = ("service", "install", str(path), *(() if name == path.stem else ("--name", name)))
    if not host.paths.installer.is_file():
        prompts.show("As a service, at each boot (docs/operations.md):")
        prompts.show("sudo deploy/install.sh", "command")
        prompts.show(shlex.join(("sudo", "mnv2-edge", *command)), "command")
    elif not host.is_root:
        prompts.show("As a service, now and at each boot:")
        prompts.show(shlex.join(("sudo", "mnv2-edge", *command)), "command")
    elif prompts.confirm("Run it as a service, now and at each boot?", default=True):
        prompts.show(shlex.join(("mnv2-edge", *command)), "command")
        status = host.run_ourselves(command, {})
        if status:
            raise StepFailedError(
                f"the service was not installed or is not well; {path} is written: `mnv2-edge service status`", status
            )
