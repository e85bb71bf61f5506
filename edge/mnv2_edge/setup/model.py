"""The choice of a network, which is pulled or built where needed, and a trial on the camera's pictures."""

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from mnv2_edge.errors import EdgeError, ExitStatus, StepFailedError, UsageError
from mnv2_edge.inference.models import known_models, model_home
from mnv2_edge.redaction import redact
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import SetupHost
from mnv2_edge.setup.prompts import Option, Prompts
from mnv2_edge.setup.trial import try_network
from mnv2_engines.backends.registry import formats
from mnv2_engines.catalogue import CatalogueModel, installed_model
from mnv2_engines.engine.engine import is_engine_file, read_engine
from mnv2_engines.errors import EnginesError
from mnv2_engines.labels import embedded_labels, read_labels
from mnv2_engines.printable import printable
from mnv2_engines.store import Store
from mnv2_engines.store.listing import Entry, list_stored
from mnv2_engines.store.names import is_name

__all__ = ["NetworkChoice", "offered_networks", "pick_network"]

_FIRST: Final = "coral-mobilenet-v2"
"""Small, ready to run, and knows a thousand things: what a device without any engine is offered first."""
_DEMO: Final = "demo"
_KILLED: Final = 128 + signal.SIGKILL
_PRESENCE: Final = {"unbuilt": "to build for this device", "damaged": "damaged"}
_Next: TypeAlias = Literal["done", "again", "other", "keep"]


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network that can be run, perhaps after a command."""

    model: str | None
    """What the configuration will say; None leaves it to the store."""
    command: tuple[str, ...] = ()
    """What `mnv2-edge` has to be told first; empty when it is here."""
    labels: str | None = None


def pick_network(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> ConfigDraft:
    """Ask which network shall run, bring it here, and try it on the cameras."""
    while True:
        prompts.show("Model", "heading")
        network = _choose(draft, prompts, host)
        kept = draft.config.engine.model == network.model
        labels = draft.config.labels if kept else network.labels
        engine = msgspec.structs.replace(draft.config.engine, model=network.model)
        if not kept:  # they belong to the network that was there before
            engine = msgspec.structs.replace(engine, mean=None, std=None, color=None, resize=None)
        following = draft.with_config(engine=engine, labels=labels)
        brought = _bring(network, draft, prompts, host)
        if brought == "keep":
            return following.putting_off(shlex.join(("mnv2-edge", *network.command)))
        if brought == "done" and (done := _try(following, prompts, host)) is not None:
            return done


def offered_networks(draft: ConfigDraft, host: SetupHost) -> tuple[Option[NetworkChoice], ...]:
    """Return what the store holds, its default first, then what the catalogue knows, the demo network last."""
    stored = sorted(list_stored(Store(host.environment.home)), key=lambda entry: not entry.is_default)
    options = [
        Option(
            NetworkChoice(entry.name, ("engines", "rebuild", entry.name) if entry.presence == "unbuilt" else ()),
            entry.name,
            _of_stored(entry),
        )
        for entry in stored
    ]
    home = model_home(host.environment)
    names = {entry.name for entry in stored}
    for name, model in known_models(home).models.items():
        if name in names or name == _DEMO:
            continue
        here = installed_model(name, model, home) is not None
        network = NetworkChoice(name, _command(name, model, draft, host, here=here))
        options.append(Option(network, name, _of_catalogue(model, here=here)))
    demo = Option(NetworkChoice(_DEMO), _DEMO, "road signs of the demo film; in the package")
    return (*options, demo)


def _of_stored(entry: Entry) -> str:
    what = ["your engine"]
    if entry.manifest is not None:
        what.append(entry.manifest.task or "classify")
        what += [f"{len(entry.manifest.labels)} labels"] if entry.manifest.labels else []
    what += ["default"] if entry.is_default else []
    return ", ".join(what if entry.presence == "built" else [*what, _PRESENCE[entry.presence]])


def _of_catalogue(model: CatalogueModel, *, here: bool) -> str:
    file = model.files[0] if model.files else None
    mib = None if file is None else file.size / (1 << 20) if file.size is not None else file.about_mib
    todo = " and ".join(["fetch"] * (not here) + ["build"] * (model.becomes == ".onnx"))
    size = "" if mib is None else f"{mib:.1f} MiB "
    return f"{model.description}; {f'{size}to {todo}' if todo else 'here'}; {model.licence}"


def _command(name: str, model: CatalogueModel, draft: ConfigDraft, host: SetupHost, *, here: bool) -> tuple[str, ...]:
    if model.becomes == ".onnx":
        return _build(name, draft, host)
    return () if here else ("models", "pull", name)


def _build(model: str, draft: ConfigDraft, host: SetupHost, *more: str) -> tuple[str, ...]:
    """Return the command that builds; a Jetson's GPU needs no pictures, int8 is calibrated on the first camera's."""
    pictures = () if host.is_jetson else ("--calibration", draft.config.cameras[0].uri)
    return ("build-engine", model, *pictures, *more)


def _choose(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> NetworkChoice:
    present = draft.config.engine.model
    options: list[Option[NetworkChoice | None]] = list(offered_networks(draft, host))
    if not draft.is_new and all(option.value is None or option.value.model != present for option in options):
        label = "as `mnv2-edge engines default` says" if present is None else present
        options.insert(0, Option(NetworkChoice(present), label, "as configured"))
    offered = [option.value for option in options if option.value is not None]
    options.insert(len(options) - 1, Option(None, "a file of your own", ".tflite, .onnx, or a TensorRT plan"))
    default = _default(draft, host, offered)
    place = next(place for place, one in enumerate(options) if one.value is not None and one.value.model == default)
    chosen = prompts.choose("Which network?", options, place)
    return _take_file(draft, prompts, host) if chosen is None else chosen


def _default(draft: ConfigDraft, host: SetupHost, offered: Sequence[NetworkChoice]) -> str | None:
    """Return what Enter means: what is configured; the demo's own for its film; what is here; else one to fetch.

    A Jetson gets what a plan for its GPU can be built from.
    """
    if not draft.is_new:
        return draft.config.engine.model
    ready = [network.model for network in offered if not network.command and network.model != _DEMO]
    stored = Store(host.environment.home).default()
    if stored in ready:
        return stored
    if draft.config.cameras[0].uri == _DEMO:
        return _DEMO
    if ready:
        return ready[0]
    first = known_models(model_home(host.environment)).default if host.is_jetson else _FIRST
    return first if any(network.model == first for network in offered) else _DEMO


def _take_file(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> NetworkChoice:
    path = prompts.ask("Its path", _take_path)
    if path.suffix == ".onnx" and not is_engine_file(path):
        name = prompts.ask("What to call the engine", _take_name, default=path.stem)
        labels = prompts.ask("Label file, if MODEL.yaml names none (Enter: none)", _take_labels)
        flags = ("--labels", labels) if labels else ()
        return NetworkChoice(name, _build(str(path), draft, host, "--name", name, *flags))
    if _has_labels(path):
        return NetworkChoice(str(path))
    named = prompts.ask("Label file, or imagenet, coco, pascal-voc (Enter: none)", _take_labels)
    return NetworkChoice(str(path), labels=named or None)


def _take_path(text: str) -> Path:
    path = Path(text.strip()).expanduser().absolute()
    known = {".onnx", *(suffix for form in formats() for suffix in form.suffixes)}
    if not path.is_file() or path.suffix not in known:
        raise UsageError(f"{text.strip() or 'nothing'}: expected a file that ends in {', '.join(sorted(known))}")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} may not be read by this user: `namei -l {path}` shows who may")
    return path


def _take_name(text: str) -> str:
    if not is_name(text):
        raise UsageError(f"{text!r} cannot name an engine: expected letters, digits, . _ - and no file's ending")
    return text


def _take_labels(text: str) -> str:
    """Return an absolute path, one of the package's lists, or nothing."""
    text = text.strip()
    if not text:
        return ""
    path = Path(text).expanduser()
    try:
        read_labels(path, None)
    except EnginesError as exc:
        raise UsageError(str(exc)) from exc
    return str(path.absolute()) if path.exists() else text


def _has_labels(path: Path) -> bool:
    try:
        engine = read_engine(path)
        return engine.labels is not None or engine.manifest is not None or embedded_labels(path) is not None
    except EnginesError:
        return True  # what is wrong with it is said when it is tried


def _bring(network: NetworkChoice, draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> _Next:
    """Pull or build the network; return `done`, or what to do instead."""
    while network.command:
        shown = redact(shlex.join(("mnv2-edge", *network.command)))
        prompts.show(shown, "command")
        secret = draft.camera_secret(0, host.environment)
        status = host.run_ourselves(network.command, {"MNV2_EDGE_CAMERA_PASSWORD": secret} if secret else {})
        if status == ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt
        if status == ExitStatus.DONE:
            break
        following = prompts.recover(
            _failure(status), list(_ways_on("put it off", "the command is shown again at the end"))
        )
        if following != "again":
            return following
    return "done"


def _failure(status: int) -> StepFailedError:
    """Return how a command of ours ended that did not work."""
    if status == _KILLED:
        return StepFailedError("it was killed, most likely for want of memory; try again later", ExitStatus.TRY_AGAIN)
    return StepFailedError(f"that did not work (exit status {status}); it can be typed again later", status)


def _try(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> ConfigDraft | None:
    """Run the network on what the cameras see and say what it saw; None when another one shall be picked."""
    while True:
        prompts.show(_by_hand(draft), "command")
        try:
            seen = try_network(draft, host)
        except (EdgeError, EnginesError) as exc:
            following = prompts.recover(exc, list(_ways_on("keep it all the same", "it is not tried")))
            if following == "again":
                continue
            return draft if following == "keep" else None
        for line in seen.lines():
            prompts.show(printable(line), "good")
        for doubt in seen.doubts:
            prompts.show(printable(redact(doubt)), "doubt")
        return draft


def _by_hand(draft: ConfigDraft) -> str:
    """Return the command that does the same."""
    words = ["mnv2-edge", "run", "--camera", redact(draft.config.cameras[0].uri)]
    if draft.config.engine.model is not None:
        words += ["--model", draft.config.engine.model]
    if draft.config.labels is not None:
        words += ["--labels", draft.config.labels]
    return printable(shlex.join(words))


def _ways_on(keep: str, detail: str) -> Iterator[Option[_Next]]:
    yield Option("other", "pick another network")
    yield Option("again", "try it again")
    yield Option("keep", keep, detail)
