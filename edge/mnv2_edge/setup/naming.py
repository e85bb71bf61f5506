"""The name of the device, different from others that are configured here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from mnv2_edge.config.model import Config
from mnv2_edge.config.read import read_config
from mnv2_edge.errors import ConfigError
from mnv2_edge.host.identity import read_identity, topic_safe
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import SetupHost
from mnv2_edge.setup.prompts import Prompts

__all__ = ["instance_for", "pick_name"]

_OF_EVERYBODY: Final = frozenset({"", "localhost", "raspberrypi", "debian", "ubuntu", "jetson", "nvidia-desktop"})
"""Host names that the next device on the network may have as well."""
_LONGEST_INSTANCE: Final = 32
_UNNAMABLE: Final = "camera"


def pick_name(draft: ConfigDraft, path: Path, prompts: Prompts, host: SetupHost) -> ConfigDraft:
    """Ask for the device's name; for an instance too where another configuration has that name already."""
    prompts.show("Name", "heading")
    device = draft.config.device
    unnamed = read_identity(instance=device.instance).device_id
    prompts.show(
        "Topics and records carry it, for all who read them. Without a name it is "
        f"{unnamed}: the board's serial number, or made of this machine's id."
    )
    default = device.name or (host.hostname if draft.is_new and host.hostname not in _OF_EVERYBODY else "")
    name = prompts.ask("What is this device called? (- for none)", _name_or_none, default=default or "-")
    draft = draft.with_config(device=msgspec.structs.replace(device, name=name))
    others = dict(_others(path, host))
    device_id = _device_id(draft.config)
    if device_id in others:
        prompts.show(f"{others[device_id]} has that name already: an instance tells the two apart.", "doubt")
        instance = prompts.ask("What is this one for?", _instance_beside(draft.config, others), default=path.stem)
        draft = draft.with_config(device=msgspec.structs.replace(draft.config.device, instance=instance))
    return draft


def instance_for(path: Path) -> str:
    """Return how the service calls this configuration: by its file, as far as a unit may be called so."""
    try:
        name = topic_safe(path.stem, "file name").lstrip("_-")[:_LONGEST_INSTANCE]
    except ConfigError:  # of letters that no unit may hold
        return _UNNAMABLE
    return name or _UNNAMABLE


def _name_or_none(text: str) -> str | None:
    """Return the name; None for a dash. Raises ConfigError for one that has no letter and no digit."""
    text = text.strip()
    if text in ("", "-"):
        return None
    topic_safe(text, "device name")
    return text


def _instance_beside(config: Config, others: dict[str, Path]) -> Callable[[str], str]:
    def check(text: str) -> str:
        text = text.strip()
        topic_safe(text, "instance")
        if _device_id(config, text) in others:
            raise ConfigError(f"{text!r} is taken too: expected a word of its own")
        return text

    return check


def _device_id(config: Config, instance: str | None = None) -> str:
    device = config.device
    return read_identity(name=device.name, instance=device.instance if instance is None else instance).device_id


def _others(path: Path, host: SetupHost) -> Iterator[tuple[str, Path]]:
    """Yield the id of each installed configuration, except for the one that will be replaced."""
    for name in host.paths.instances():
        other = host.paths.configuration(name)
        if name == instance_for(path) or other == path:
            continue
        try:
            yield _device_id(read_config(other)), other
        except ConfigError:
            continue  # it is broken, or not for this user to read: it has its own troubles
