"""The configuration as a JSON Schema, for editors that complete and check YAML."""

from typing import Any

import msgspec

from mnv2_edge.config.model import SINK_SETTINGS, Config

__all__ = ["config_schema"]


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a configuration file.

    It knows types, bounds and names. `read_config` knows more: what contradicts itself, and which plug-ins there are.
    """
    (root, *settings), components = msgspec.json.schema_components(
        [Config, *SINK_SETTINGS.values()], ref_template="#/$defs/{name}"
    )
    ours = dict(zip(SINK_SETTINGS, settings, strict=True))
    components["Config"]["properties"]["sinks"]["items"] = {
        "anyOf": [
            {"type": "string", "description": "A sink with its defaults, as in `- stdout`."},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {name: {"anyOf": [reference, {"type": "null"}]} for name, reference in ours.items()},
                "additionalProperties": {"type": ["object", "null"]},
            },
        ]
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mnv2-edge configuration, version 1",
        **root,
        "$defs": {name: _lenient(schema) for name, schema in components.items()},
    }


def _lenient(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Allow a number where text is expected, as reading does: ``uri: 0``."""
    if isinstance(schema, dict):
        lenient = {name: _lenient(value) for name, value in schema.items()}
        if schema.get("type") == "string" and "enum" not in schema:
            lenient["type"] = ["string", "number"]
        return lenient
    return [_lenient(one) for one in schema] if isinstance(schema, (list, tuple)) else schema
