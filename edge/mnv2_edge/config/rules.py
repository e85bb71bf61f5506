"""Rules of a configuration beyond its types: contradictions, and names of things that do not exist.

The rules look at values alone, so they hold for a file and for what flags made of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from mnv2_edge.config.model import (
    SINK_SETTINGS,
    CameraConfig,
    Config,
    DeviceConfig,
    EngineConfig,
    TaskConfig,
    camera_ids,
)
from mnv2_edge.config.problems import did_you_mean
from mnv2_edge.errors import ConfigError, UsageError
from mnv2_edge.host.identity import topic_safe
from mnv2_edge.plugins import plugin_names
from mnv2_edge.redaction import holds_password
from mnv2_edge.sinks.broker import is_mqtt_text, is_topic, parse_broker
from mnv2_edge.sinks.settings import MqttSettings
from mnv2_edge.sources.region import Region
from mnv2_edge.sources.uri import parse_uri
from mnv2_engines.backends.registry import find_format
from mnv2_engines.errors import ContractError, UnknownFormatError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy

__all__ = ["Place", "Registered", "RuleViolation", "find_violations", "path_of", "registered_names", "require_valid"]

_LONGEST_NAME: Final = 256
_LONGEST_CLIENT_ID: Final = 256
"""Bytes; MQTT allows 65,535."""
Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead from a structure to what is wrong in it, e.g. ``("cameras", 1, "id")``."""


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """One rule that is not met."""

    place: Place
    message: str
    lacks: str = ""
    """The key that would have to stand beside it, if that is what is wrong."""


@dataclass(frozen=True, slots=True)
class Registered:
    """Names of the installed entry points."""

    sources: frozenset[str]
    sinks: frozenset[str]
    tasks: frozenset[str]
    formats: frozenset[str]


def registered_names() -> Registered:
    """Read which sources, sinks, tasks and engine formats are installed; imports none of them."""
    return Registered(
        sources=plugin_names("mnv2_edge.sources"),
        sinks=plugin_names("mnv2_edge.sinks"),
        tasks=plugin_names("mnv2_engines.tasks"),
        formats=plugin_names("mnv2_engines.backends"),
    )


def find_violations(struct: msgspec.Struct, registered: Registered | None) -> Iterator[RuleViolation]:
    """Yield where and how one structure of a configuration contradicts itself; not the structures within it.

    Names of plug-ins are held against `registered`, unless that is None.
    """
    rule = _RULES.get(type(struct))
    if rule is not None:
        yield from rule(struct, registered)


def require_valid(config: Config) -> None:
    """Raise UsageError when a configuration that flags were merged into breaks a rule.

    A file is checked as it is read; only there can every mistake be told with its line. Names of plug-ins are not
    looked up: that happens when they are opened.
    """
    structs: list[tuple[str, msgspec.Struct]] = [("", config), ("device", config.device)]
    structs += [("engine", config.engine), ("task", config.task)]
    structs += [(f"cameras[{index}]", camera) for index, camera in enumerate(config.cameras)]
    for index, sink in enumerate(config.sinks):
        for name, options in sink.items():
            if name in SINK_SETTINGS:
                structs.append((f"sinks[{index}].{name}", _settings(name, options)))
    mistakes = [
        f"{path_of(path, broken.place)}: {broken.message}"
        for path, struct in structs
        for broken in find_violations(struct, None)
    ]
    if mistakes:
        raise UsageError("\n".join(mistakes))


def _settings(sink: str, options: Mapping[str, object]) -> msgspec.Struct:
    try:
        return msgspec.convert(options, SINK_SETTINGS[sink])
    except msgspec.ValidationError as exc:
        raise UsageError(f"the sink {sink!r} cannot be opened: {exc}; `mnv2-edge run --help` tells its flags") from exc


def path_of(path: str, place: Place) -> str:
    """Return the path of what lies at `place` below `path`, for example ``cameras[1].id``."""
    for step in place:
        path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}" if path else step
    return path


def _config(config: Config, _registered: Registered | None) -> Iterator[RuleViolation]:
    ids = camera_ids(config.cameras)
    for index, name in enumerate(ids):
        if name in ids[:index]:
            where = f"cameras[{ids.index(name)}]"
            yield RuleViolation(
                ("cameras", index, "id"), f"{name!r} is the id of {where} already, expected one of its own"
            )
    seen: set[str] = set()
    for index, sink in enumerate(config.sinks):
        for name in sink:
            if name == "stdout" and name in seen:
                yield RuleViolation(
                    ("sinks", index), "there is a stdout already, and one process has one: expected it once"
                )
            seen.add(name)


def _device(device: DeviceConfig, _registered: Registered | None) -> Iterator[RuleViolation]:
    for key, text, what in (("name", device.name, "device name"), ("instance", device.instance, "instance")):
        if text and not is_mqtt_text(text, _LONGEST_NAME):
            yield RuleViolation(
                (key,), f"{text[:40]!r} is too long or not printable, expected {_LONGEST_NAME} bytes at most"
            )
        elif text or (text is not None and key == "name"):
            try:
                topic_safe(text, what)
            except ConfigError as exc:
                yield RuleViolation((key,), str(exc))


def _camera(camera: CameraConfig, registered: Registered | None) -> Iterator[RuleViolation]:
    if camera.roi is not None:
        try:
            Region.of(camera.roi)
        except UsageError as exc:
            yield RuleViolation(("roi",), str(exc))
    if holds_password(camera.uri):
        in_pipeline = camera.uri.lower().startswith("gst:")
        what = ", which a pipeline takes from nowhere else: use rtsp://USER@HOST/PATH, and" if in_pipeline else ":"
        yield RuleViolation(
            ("uri",), f"holds a password{what} put it in a file that only you can read, and name that as password_file"
        )
    try:
        kind = parse_uri(camera.uri).kind
    except UsageError as exc:
        yield RuleViolation(("uri",), str(exc))
        return
    except (OSError, ValueError) as exc:
        yield RuleViolation(("uri",), f"{camera.uri[:80]!r} cannot be a path: {exc}")
        return
    if registered is not None and kind not in registered.sources:
        known = sorted(registered.sources)
        hint = did_you_mean(kind, known) or f", expected one of {', '.join(known)}"
        yield RuleViolation(("uri",), f"no installed source is called {kind!r}{hint}")


def _signed(engine: EngineConfig) -> Iterator[RuleViolation]:
    if engine.require_signed and engine.trusted_keys is None:
        yield RuleViolation(
            ("require_signed",), "stands without trusted_keys, expected a file of public keys", lacks="trusted_keys"
        )
    if engine.trusted_keys is not None and not engine.require_signed:
        yield RuleViolation(
            ("trusted_keys",), "has no effect without require_signed, expected `require_signed: true` beside it"
        )
    if engine.require_signed and engine.build != "never":
        yield RuleViolation(
            ("build",),
            f"is {engine.build!r}, and nobody has signed what is built here: expected never, with require_signed",
        )


def _format_options(engine: EngineConfig, registered: Registered | None) -> Iterator[RuleViolation]:
    for name, given in engine.options.items():
        if registered is not None and name not in registered.formats:
            hint = (
                did_you_mean(name, registered.formats) or f", expected one of {', '.join(sorted(registered.formats))}"
            )
            yield RuleViolation(("options", name), f"is not an installed engine format{hint}")
            continue
        try:
            options = find_format(name).options
            msgspec.convert(given, options)
        except UnknownFormatError as exc:
            yield RuleViolation(("options", name), str(exc))
        except msgspec.ValidationError as exc:
            taken = ", ".join(field.encode_name for field in msgspec.structs.fields(options))
            yield RuleViolation(("options", name), f"{exc}; it takes {taken or 'no options'}")


def _engine(engine: EngineConfig, registered: Registered | None) -> Iterator[RuleViolation]:
    yield from _signed(engine)
    yield from _format_options(engine, registered)
    for given, other in (("mean", "std"), ("std", "mean")):
        if getattr(engine, given) is not None and getattr(engine, other) is None:
            yield RuleViolation((given,), f"stands without {other}, expected both or neither", lacks=other)
    for name in ("mean", "std"):
        value = getattr(engine, name)
        if value is not None:
            try:
                Preprocess(**{name: value})
            except ContractError as exc:
                yield RuleViolation((name,), str(exc))
    if engine.resize is not None:
        try:
            ResizePolicy.parse(engine.resize)
        except ContractError as exc:
            near = did_you_mean(engine.resize, ["stretch", "center-crop", "letterbox"])
            yield RuleViolation(("resize",), f"{exc}{near}")


def _task(task: TaskConfig, registered: Registered | None) -> Iterator[RuleViolation]:
    if registered is not None and task.name is not None and task.name not in registered.tasks:
        known = sorted(registered.tasks)
        hint = did_you_mean(task.name, known) or f", expected one of {', '.join(known)}"
        yield RuleViolation(("name",), f"no installed task is called {task.name!r}{hint}")
    for group, members in task.groups.items():
        if not members:
            yield RuleViolation(("groups", group), "is empty, expected the labels whose scores it adds up")
        for index, member in enumerate(members):
            if member in members[:index]:
                yield RuleViolation(("groups", group, index), f"{member!r} stands twice, expected it once")


def _mqtt(mqtt: MqttSettings, _registered: Registered | None) -> Iterator[RuleViolation]:
    try:
        broker = parse_broker(mqtt.uri)
    except ConfigError as exc:
        yield RuleViolation(("uri",), str(exc))
    else:
        for name in ("ca_file", "cert_file", "key_file"):
            if not broker.tls and getattr(mqtt, name) is not None:
                yield RuleViolation((name,), "has no effect without TLS: write mqtts:// in uri, or leave it out")
    if mqtt.client_id is not None and not (mqtt.client_id and is_mqtt_text(mqtt.client_id, _LONGEST_CLIENT_ID)):
        yield RuleViolation(
            ("client_id",),
            f"{mqtt.client_id[:40]!r} is not a client id, expected 1 to {_LONGEST_CLIENT_ID} printable bytes",
        )
    if not is_topic(mqtt.homeassistant_prefix):
        yield RuleViolation(
            ("homeassistant_prefix",), f"{mqtt.homeassistant_prefix[:40]!r} is not a topic, expected e.g. homeassistant"
        )
    for given, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(mqtt, given) is not None and getattr(mqtt, other) is None:
            yield RuleViolation((given,), f"stands without {other}, expected both or neither", lacks=other)


_RULES: Mapping[type, Callable[[Any, Registered | None], Iterator[RuleViolation]]] = {
    Config: _config,
    DeviceConfig: _device,
    CameraConfig: _camera,
    EngineConfig: _engine,
    TaskConfig: _task,
    MqttSettings: _mqtt,
}
