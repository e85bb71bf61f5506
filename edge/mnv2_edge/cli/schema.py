"""`mnv2-edge schema`: the JSON Schema of what is published."""

import json

import click

__all__ = ["command"]


@click.command(
    epilog="""\b
Examples:
  mnv2-edge schema > records.schema.json
  mnv2-edge run --format jsonl | head -n 1 > one.json
  check-jsonschema --schemafile records.schema.json one.json
"""
)
def command() -> None:
    """Print the JSON Schema of what is published.

    Every line of `--format jsonl`, and every result, state and event on MQTT, is valid against it.
    """
    from mnv2_edge.records import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
