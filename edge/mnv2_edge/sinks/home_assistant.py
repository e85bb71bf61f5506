"""Home Assistant's discovery document of this device, with a sensor per camera.

Device-based discovery needs Home Assistant 2024.11 or newer.
Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import json
from collections.abc import Sequence
from typing import Final

from mnv2_edge import __version__
from mnv2_edge.sinks.broker import Topics

__all__ = ["discovery_document", "discovery_topic", "status_topic"]

_SUMMARY: Final = "{{ value_json.summary[:255] or 'nothing' }}"
"""A state has at most 255 characters."""
_ATTRIBUTES: Final = (
    "{{ {'score': ((value_json.predictions + value_json.detections) | map(attribute='score') | list + [0]) | first, "
    "'predictions': value_json.predictions, 'detections': value_json.detections, 'segments': value_json.segments, "
    "'frame': value_json.frame, 'time': value_json.captured.time} | tojson }}"
)
_CAMERA_AVAILABLE: Final = "{{ 'online' if value_json.state == 'streaming' else 'offline' }}"


def status_topic(prefix: str) -> str:
    """Return where Home Assistant says `online` when it has started and wants to be told again."""
    return f"{prefix}/status"


def discovery_topic(prefix: str, device: str) -> str:
    """Return where the document is retained."""
    return f"{prefix}/device/{_object_id(device)}/config"


def discovery_document(topics: Topics, device_name: str, cameras: Sequence[str]) -> bytes:
    """Return the document as JSON: who this device is, and a label sensor with its score for every camera.

    A sensor is available while the runtime is online and its camera is streaming.
    """
    node = _object_id(topics.device)
    document = {
        "dev": {"ids": [node], "name": device_name, "mf": "mnv2-edge", "mdl": "vision runtime", "sw": __version__},
        "o": {"name": "mnv2-edge", "sw": __version__},
        "cmps": {f"{camera}_label": _label_sensor(topics, node, camera) for camera in cameras},
        "qos": 0,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _label_sensor(topics: Topics, node: str, camera: str) -> dict[str, object]:
    return {
        "p": "sensor",
        "unique_id": f"{node}_{camera}_label",
        "name": f"{camera} label",
        "icon": "mdi:eye",
        "state_topic": topics.result(camera),
        "value_template": _SUMMARY,
        "json_attributes_topic": topics.result(camera),
        "json_attributes_template": _ATTRIBUTES,
        "availability_mode": "all",
        "availability": [
            {"topic": topics.status},
            {"topic": topics.state(camera), "value_template": _CAMERA_AVAILABLE},
        ],
    }


def _object_id(device: str) -> str:
    """Return an id of letters, digits, `_` and `-`, as `mnv2_edge.host.identity` makes device ids anyway."""
    return "mnv2-edge-" + "".join(
        char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in device
    )
