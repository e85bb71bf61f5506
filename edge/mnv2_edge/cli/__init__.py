"""Offer the commands of `mnv2-edge`, each imported when it is called and not before.

A command is a module that holds a `click.Command` named `command`, and a line in `COMMANDS`. Its callback returns
nothing, or the exit status when that is not 0; it raises what goes wrong, and `mnv2_edge.__main__` says so. `--debug`
is added to every command here. `mnv2-edge --help` reads this table alone, so it is quick on a Pi and works where a
library is broken.
"""

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from mnv2_edge import __version__
from mnv2_edge.cli.common import accept_debug

__all__ = ["COMMANDS", "LazyGroup", "cli"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("mnv2_edge.cli.run", "Tell what a camera sees: labels on stdout, and over MQTT."),
        "demo": ("mnv2_edge.cli.demo", "Run the embedded network on embedded scenes, and judge it."),
        "cameras": ("mnv2_edge.cli.cameras", "List the cameras, and what to type for each."),
        "build-engine": ("mnv2_edge.cli.build_engine", "Turn an ONNX network into a verified engine for this device."),
        "config": ("mnv2_edge.cli.config", "Write, check and show a configuration file."),
        "schema": ("mnv2_edge.cli.schema", "Print the JSON Schema of what is published."),
        "plugins": ("mnv2_edge.cli.plugins", "List the installed sources, sinks, tasks and backends."),
        "doctor": ("mnv2_edge.cli.doctor", "Check this machine, and say how to mend it."),
    }
)
"""Command to its module and what it is for, in the order of `--help`."""

_EPILOG = """\b
Examples:
  mnv2-edge demo                              no camera needed
  mnv2-edge cameras                           what is there?
  mnv2-edge run                               the first camera that works
  mnv2-edge run --camera cat.jpg --model mobilenet.tflite --labels labels.txt
  mnv2-edge run --camera 0 --mqtt mqtt://broker.local
  mnv2-edge config init mnv2-edge.yaml && mnv2-edge run --config mnv2-edge.yaml

\b
Exit status: 0 done, 1 a check failed, 2 wrong usage, 65 bad or stale engine,
69 camera, broker or device not there, 70 our bug, 75 try again,
77 no permission, 78 wrong configuration.
"""


class LazyGroup(click.Group):
    """Know commands by name and one line of help; import one when it is called."""

    def __init__(self, *, lazy: Mapping[str, tuple[str, str]], **attrs: object) -> None:
        super().__init__(**attrs)  # type: ignore[arg-type]  # click's own, passed on as they are
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command `cmd_name`; None when the table does not have it."""
        if cmd_name not in self._lazy:
            return None
        command = importlib.import_module(self._lazy[cmd_name][0]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._lazy[cmd_name][0]}.command is {command!r}: a click.Command was expected")
        return accept_debug(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; a wrong name is answered with the nearest right one."""
        name = args[0]
        if name not in self._lazy and not name.startswith("-"):
            near = difflib.get_close_matches(name, self._lazy, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(self._lazy)}"
            raise click.UsageError(f"there is no command {name!r}: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])


@click.command(cls=LazyGroup, lazy=COMMANDS, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mnv2-edge", message="%(prog)s %(version)s")
def cli() -> None:
    """Run MobileNetV2 networks on camera frames at the edge, and publish what they see.

    LiteRT int8 on a Raspberry Pi, TensorRT FP16 on a Jetson. `mnv2-edge COMMAND --help` tells more.
    """


accept_debug(cli)
