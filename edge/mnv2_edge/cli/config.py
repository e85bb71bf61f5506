"""`mnv2-edge config`: write, check and show a configuration file."""

import json
from pathlib import Path

import click

from mnv2_edge.cli.ui.groups import HelpfulGroup

__all__ = ["command"]

_FILE = click.Path(path_type=Path, readable=False)  # the code that reads it reports faults, with the right status


@click.group(
    cls=HelpfulGroup,
    epilog="""\b
Examples:
  mnv2-edge config init mnv2-edge.yaml
  mnv2-edge config check mnv2-edge.yaml
  mnv2-edge run --config mnv2-edge.yaml
""",
)
def command() -> None:
    """Write, check and show a configuration file.

    A flag wins over the file, the file over the default. docs/configuration.md explains every key.
    """


@command.command()
@click.argument("file", type=_FILE, default=Path("mnv2-edge.yaml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(file: Path, *, force: bool) -> None:
    """Write a file to begin with.

    Every key is in it, with its default and what it means. FILE is mnv2-edge.yaml when none is given.
    """
    from mnv2_edge.config.template import write_template

    write_template(file, force=force)
    click.echo(f"{file} is written; change it, then: mnv2-edge config check {file}")


@command.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Show all mistakes in FILE.

    Each mistake comes with its line, its key and what was expected; then the exit status is 78.
    """
    from mnv2_edge.config.read import read_config

    read_config(file)
    click.echo(f"{file}: OK")


@command.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def show(file: Path | None, *, as_json: bool) -> None:
    """Print all that holds with FILE.

    Defaults are filled in, passwords are hidden. Without FILE it is the defaults.
    """
    from mnv2_edge.config.model import Config
    from mnv2_edge.config.read import read_config
    from mnv2_edge.config.show import effective, to_yaml

    config = read_config(file) if file else Config(version=1)
    click.echo(json.dumps(effective(config), indent=2) if as_json else to_yaml(config), nl=as_json)


@command.command(
    epilog="""\b
Example, for the YAML language server of an editor:
  mnv2-edge config schema > mnv2-edge.schema.json
and in the first line of the configuration:
  # yaml-language-server: $schema=mnv2-edge.schema.json
"""
)
def schema() -> None:
    """Print the JSON Schema of a configuration file."""
    from mnv2_edge.config.schema import config_schema

    click.echo(json.dumps(config_schema(), indent=2))
