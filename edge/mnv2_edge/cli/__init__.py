"""The commands of `mnv2-edge`; each is imported only when it is called.

A command is a module that holds a `click.Command` named `command`, and a line in `COMMANDS`. Its callback returns
nothing, or the exit status when that is not 0; it raises what goes wrong, and `mnv2_edge.__main__` says so. `--debug`
is added to every command here. `mnv2-edge --help` reads this table alone, so it is quick on a Pi and works where a
library is broken.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from mnv2_edge import __version__
from mnv2_edge.cli.ui.common import accept_debug
from mnv2_edge.cli.ui.groups import LazyGroup

__all__ = ["COMMANDS", "cli"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("mnv2_edge.cli.run", "Run the network on a camera: labels on stdout, and over MQTT."),
        "demo": ("mnv2_edge.cli.demo", "Run the embedded network on embedded scenes, and score it."),
        "setup": ("mnv2_edge.cli.setup", "Pick camera, model and broker, try each, write the configuration."),
        "cameras": ("mnv2_edge.cli.cameras", "List the cameras, and what to type for each."),
        "build-engine": ("mnv2_edge.cli.build_engine", "Turn an ONNX network into a verified engine for this device."),
        "engines": ("mnv2_edge.cli.engines", "List, check, export, import and remove stored engines."),
        "models": ("mnv2_edge.cli.models", "List, pull, add and remove networks."),
        "import-weights": ("mnv2_edge.cli.import_weights", "Turn PyTorch or Keras weights into an ONNX network."),
        "evaluate": ("mnv2_edge.cli.evaluate", "Evaluate an engine on pictures whose truth is known."),
        "inspect": ("mnv2_edge.cli.inspect", "Show layers, work and memory of an ONNX or TFLite file."),
        "config": ("mnv2_edge.cli.config", "Write, check and show a configuration file."),
        "service": ("mnv2_edge.cli.service", "Run configurations under systemd, and show their state."),
        "schema": ("mnv2_edge.cli.schema", "Print the JSON Schema of what is published."),
        "plugins": ("mnv2_edge.cli.plugins", "List the installed sources, sinks, tasks and backends."),
        "doctor": ("mnv2_edge.cli.doctor", "Check this machine, and show how to repair it."),
    }
)
"""Command to its module and what it is for, in the order of `--help`."""

_EPILOG = """\b
Examples:
  mnv2-edge demo                              no camera needed
  mnv2-edge setup                             from nothing to a configuration
  mnv2-edge cameras                           what is there?
  mnv2-edge run                               the first camera that works
  mnv2-edge run --camera cat.jpg --model mobilenet.tflite --labels labels.txt
  mnv2-edge run --camera 0 --mqtt mqtt://broker.local
  mnv2-edge config init mnv2-edge.yaml && mnv2-edge run --config mnv2-edge.yaml

\b
Exit status: 0 done, 1 a check failed, 2 wrong usage, 65 bad or stale engine,
69 camera, broker, network or device not there, 70 our bug, 75 try again,
77 no permission, 78 wrong configuration.
"""


@click.command(cls=LazyGroup, lazy=COMMANDS, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mnv2-edge", message="%(prog)s %(version)s")
def cli() -> None:
    """Run MobileNetV2 networks on camera frames at the edge, and publish what they see.

    Networks run as int8 engines of LiteRT or, on a Jetson, as FP16 plans of TensorRT; `build-engine` makes either from
    ONNX. `mnv2-edge COMMAND --help` tells more.
    """


accept_debug(cli)
