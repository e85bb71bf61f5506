"""`mnv2-edge plugins`: the installed sources, sinks, tasks and backends."""

import json
from dataclasses import asdict

import click

from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.tables import print_table

__all__ = ["command"]


@click.command(
    epilog="""\b
Examples:
  mnv2-edge plugins
  mnv2-edge plugins --json | jq -r '.[].name'
"""
)
@json_option
def command(*, as_json: bool) -> None:
    """List the installed sources, sinks, tasks and backends.

    Nothing is imported: a plug-in that is listed may still fail when it is named. docs/plugins.md tells how to write
    one.
    """
    from mnv2_edge.plugins import installed_plugins

    plugins = installed_plugins()
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in plugins], indent=2))
        return
    print_table(
        ("group", "name", "package", "factory"),
        [(plugin.group, plugin.name, plugin.distribution, plugin.target) for plugin in plugins],
    )
