"""The choice of where results go besides the terminal, and a trial of the broker."""

import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from mnv2_edge.doctor.connections.broker_login import BrokerLogin, LoginFailure
from mnv2_edge.errors import ConfigError, SinkError, UsageError
from mnv2_edge.redaction import read_secret, redact
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import SetupHost
from mnv2_edge.setup.prompts import Option, Prompts, ask_password, with_user
from mnv2_edge.sinks.broker import parse_broker
from mnv2_edge.sinks.settings import MqttSettings
from mnv2_edge.sinks.tls import tls_context
from mnv2_engines.printable import printable

__all__ = ["pick_broker", "take_broker"]

_LOCAL: Final = "mqtt://localhost"
_Way: TypeAlias = Literal["configured", "local", "address", "none"]
_Away: TypeAlias = Literal["other", "none"]
_Next: TypeAlias = Literal["login", "ca", "again", "keep"] | _Away


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A broker, and the password that was typed for it; the settings know where another one is."""

    settings: MqttSettings
    typed: str = field(default="", repr=False)


def pick_broker(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> ConfigDraft:
    """Ask for the broker and for Home Assistant; log in once."""
    prompts.show("Broker", "heading")
    present = draft.broker
    while True:
        settings = _choose(present, prompts, host, is_new=draft.is_new)
        if settings is None:
            return draft.with_broker(None, "")
        names_user = settings != present and bool(parse_broker(settings.uri).user)
        attempt = _Attempt(settings, ask_password(parse_broker(settings.uri).user, prompts) if names_user else "")
        found = _try(attempt, prompts, host)
        if found == "none":
            return draft.with_broker(None, "")
        if isinstance(found, _Attempt):
            break
    address = parse_broker(found.settings.uri).host
    default = found.settings.homeassistant if present is not None else "homeassistant" in address
    homeassistant = prompts.confirm("Does Home Assistant listen there?", default=default)
    settings = msgspec.structs.replace(found.settings, homeassistant=homeassistant)
    # What only this shell knows has to be kept in a file, unless the author of the configuration wanted none.
    known = "" if present is not None and present.uri == settings.uri else host.environment.mqtt_password
    return draft.with_broker(settings, found.typed or known)


def _choose(present: MqttSettings | None, prompts: Prompts, host: SetupHost, *, is_new: bool) -> MqttSettings | None:
    options: list[Option[_Way]] = []
    if present is not None:
        options.append(Option("configured", present.uri, "as configured"))
    if host.broker_answers_here() and (present is None or parse_broker(present.uri).host != "localhost"):
        options.append(Option("local", "the broker on this machine", _LOCAL))
    options += [
        Option("address", "a broker elsewhere", "Home Assistant's mosquitto, for example"),
        Option("none", "none", "results go to the terminal alone"),
    ]
    found = len(options) > 2 and (is_new or present is not None)
    default = 0 if found else len(options) - 1
    chosen = prompts.choose("Where shall results go?", options, default)
    if chosen == "configured":
        return present
    if chosen == "local":
        return _elsewhere(present, _LOCAL)
    if chosen == "address":
        return _elsewhere(
            present, prompts.ask("Its address, as in homeassistant.local or mqtts://host:8883", take_broker)
        )
    return None


def _elsewhere(present: MqttSettings | None, uri: str) -> MqttSettings:
    """Keep how results are published; credentials belong to the broker that they were given for."""
    if present is None:
        return MqttSettings(uri=uri)
    if uri == present.uri:
        return present
    return msgspec.structs.replace(present, uri=uri, password_file=None, ca_file=None, cert_file=None, key_file=None)


def take_broker(text: str) -> str:
    """Return the URI of a broker, of which the scheme may be left out. Raises UsageError."""
    text = text.strip()
    uri = text if "://" in text else f"mqtt://{text}"
    if len(text.split()) != 1:
        raise UsageError(
            f"{redact(text)!r} is not an address: expected one like homeassistant.local or mqtts://host:8883"
        )
    try:
        parse_broker(uri)
    except ConfigError as exc:
        if "holds a password" in str(exc):
            raise UsageError(
                "leave the password out of the address: it is asked for in a moment, and not shown"
            ) from exc
        raise UsageError(str(exc)) from exc
    return uri


def _try(attempt: _Attempt, prompts: Prompts, host: SetupHost) -> _Attempt | _Away:
    """Log in, and mend what keeps us from it; `other` or `none` when it shall be another broker, or none.

    A broker that wants a user gets one at once; who has none is told what else there is to do.
    """
    asked = False
    while True:
        broker = parse_broker(attempt.settings.uri)
        prompts.show(shlex.join(("mnv2-edge", "doctor", "--mqtt", printable(attempt.settings.uri))), "command")
        trouble = _log_in(attempt, host)
        if trouble is None:
            prompts.show(f"it lets {broker.user or 'us'} in", "good")
            return attempt
        if trouble.refused and not broker.user and not asked:
            asked = True
            prompts.show("It wants a user and a password. (Enter, if you have none)")
            login = _ask_login(attempt.settings, prompts)
            if parse_broker(login.settings.uri).user:
                attempt = login
                continue
        hint = "" if trouble.refused or not trouble.mend else f"; try `{trouble.mend}`"
        error = SinkError(printable(redact(f"{broker}: {trouble.why}{hint}")))
        following = prompts.recover(error, list(_ways_on(trouble, tls=broker.tls)))
        if following == "login":
            attempt = _ask_login(attempt.settings, prompts)
        elif following == "ca":
            ca_file = prompts.ask("The certificate of who signed the broker's (PEM)", _take_certificates)
            attempt = dataclasses.replace(attempt, settings=msgspec.structs.replace(attempt.settings, ca_file=ca_file))
        elif following == "keep":
            return attempt
        elif following != "again":
            return following


def _ways_on(trouble: LoginFailure, *, tls: bool) -> Iterator[Option[_Next]]:
    ways: list[Option[_Next]] = [Option("other", "another address"), Option("again", "try it again")]
    login: Option[_Next] = Option("login", "give a user and a password")
    ways = [login, *ways] if trouble.refused else [*ways, login]
    if tls:
        place = 0 if "certificate" in trouble.why and not trouble.refused else len(ways)
        ways.insert(place, Option("ca", "name a CA file", "for a broker whose certificate is of your own making"))
    yield from ways
    yield Option("keep", "keep it all the same", "it will be tried again and again")
    yield Option("none", "no broker")


def _log_in(attempt: _Attempt, host: SetupHost) -> LoginFailure | None:
    settings = attempt.settings
    broker = parse_broker(settings.uri)
    try:
        tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file) if broker.tls else None
        password = attempt.typed or read_secret(settings.password_file, host.environment.mqtt_password)
    except ConfigError as exc:
        return LoginFailure(str(exc), "")
    return host.log_in(BrokerLogin(broker, password, tls))


def _ask_login(settings: MqttSettings, prompts: Prompts) -> _Attempt:
    """Ask who logs in, and with which password."""
    broker = parse_broker(settings.uri)
    user = prompts.ask("User", str.strip, default=broker.user)
    password = ask_password(user, prompts) if user else ""
    changed = msgspec.structs.replace(settings, uri=with_user(settings.uri, user), password_file=None)
    return _Attempt(changed, password)


def _take_certificates(text: str) -> str:
    """Return the absolute path of a file with certificates. Raises ConfigError."""
    path = str(Path(text.strip()).expanduser().absolute())
    tls_context(path, None, None)
    return path
