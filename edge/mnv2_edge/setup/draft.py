"""The choices made so far."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.environment import Environment
from mnv2_edge.redaction import read_secret
from mnv2_edge.sinks.settings import MqttSettings

__all__ = ["ConfigDraft"]


@dataclass(frozen=True, slots=True)
class ConfigDraft:
    """A configuration that is not written yet, and the passwords that were typed for it."""

    config: Config
    is_new: bool
    """Nothing was given to begin with."""
    camera_passwords: Mapping[int, str] = field(default_factory=dict, repr=False)
    """By the camera's place in the list."""
    mqtt_password: str = field(default="", repr=False)
    untried: frozenset[int] = frozenset()
    """Cameras that gave no picture and were kept all the same."""
    put_off: tuple[str, ...] = ()
    """Commands that are left for later."""

    def camera_secret(self, index: int, environment: Environment) -> str:
        """Return a camera's password: what was typed, else what the environment or its file says."""
        file = self.config.cameras[index].password_file
        return self.camera_passwords.get(index) or read_secret(file, environment.camera_password)

    def with_camera(self, index: int, camera: CameraConfig, password: str, *, tried: bool) -> "ConfigDraft":
        """Return the draft with a camera at a place; one place after the last adds it."""
        cameras = list(self.config.cameras)
        cameras[index : index + 1] = [camera]
        passwords = {**self.camera_passwords, index: password}
        return dataclasses.replace(
            self,
            config=msgspec.structs.replace(self.config, cameras=tuple(cameras)),
            camera_passwords={place: known for place, known in passwords.items() if known},
            untried=self.untried - {index} if tried else self.untried | {index},
        )

    def with_config(self, **changes: object) -> "ConfigDraft":
        """Return the draft with other values at the top of the configuration."""
        return dataclasses.replace(self, config=msgspec.structs.replace(self.config, **changes))

    def putting_off(self, *commands: str) -> "ConfigDraft":
        """Return the draft with commands that are left for later."""
        return dataclasses.replace(self, put_off=(*self.put_off, *commands))

    @property
    def broker(self) -> MqttSettings | None:
        """Return the options of the first sink that is a broker."""
        options = next((sink["mqtt"] for sink in self.config.sinks if "mqtt" in sink), None)
        return None if options is None else msgspec.convert(options, MqttSettings)

    def with_broker(self, broker: MqttSettings | None, password: str) -> "ConfigDraft":
        """Return the draft with another broker in the place of the first one, or without it."""
        if broker == self.broker:  # and so does not lose what it says of defaults
            return dataclasses.replace(self, mqtt_password=password)
        place = next((index for index, sink in enumerate(self.config.sinks) if "mqtt" in sink), len(self.config.sinks))
        sinks = list(self.config.sinks)
        sinks[place : place + 1] = [] if broker is None else [{"mqtt": _without_defaults(broker)}]
        return dataclasses.replace(self.with_config(sinks=tuple(sinks)), mqtt_password=password)


def _without_defaults(settings: MqttSettings) -> dict[str, object]:
    default = msgspec.to_builtins(MqttSettings(uri=""))
    return {name: value for name, value in msgspec.to_builtins(settings).items() if value != default[name]}
