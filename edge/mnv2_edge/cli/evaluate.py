"""`mnv2-edge evaluate`: measure an engine on pictures whose truth is known."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mnv2_edge.cli.ui.common import json_option, print_error
from mnv2_edge.cli.ui.parameters import Triple, max_megapixels_option, preprocess_options
from mnv2_edge.cli.ui.report_file import require_free_place, write_report
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import AccessError, ExitStatus, UsageError
from mnv2_engines.files.disk_errors import read_only_error

if TYPE_CHECKING:
    from mnv2_engines.evaluation.result import EvaluationResult
    from mnv2_engines.preprocessing.preprocess import ColorOrder

__all__ = ["command"]

_log = logging.getLogger(__name__)

_EPILOG = """\b
Examples:
  mnv2-edge evaluate --model signs --data photos/test
  mnv2-edge evaluate --model signs --data photos/test --report signs.html
  mnv2-edge evaluate --model signs.tflite --data photos/test --float signs.onnx
  mnv2-edge evaluate --model mobilenet.tflite --labels imagenet.txt --data val/ --limit 1000
  mnv2-edge evaluate --model signs --data photos/test --min-accuracy 0.9 --json
  mnv2-edge evaluate --model people --data instances_val2017.json --pictures val2017/

\b
A classifier's DIR holds a folder for every class, called like its label, one of its
synonyms, its WordNet id or its number: photos/test/stop/1.jpg. A segmenter's DIR
holds images/NAME.jpg and masks/NAME.png. Pictures go the way of a camera's frames:
EXIF orientation, resize policy, quantisation, engine, task.
docs/own-model.md says what to do when the accuracy is lower than in training.
"""


@dataclass(frozen=True, slots=True)
class _Flags:
    """Flags given on the command line; None for each that was not given."""

    model: str | None
    data: str
    pictures: Path | None
    task: str | None
    labels: str | None
    float_model: Path | None
    no_float: bool
    limit: int | None
    threads: int | None
    max_megapixels: float
    report: Path | None
    min_accuracy: float | None
    mean: Triple | None
    std: Triple | None
    color: "ColorOrder | None"
    resize: str | None
    resize_quality: Literal["antialias", "fast"]
    as_json: bool


@click.command(epilog=_EPILOG)
@click.option(
    "--model",
    metavar="NAME|FILE",
    help="A stored engine, or an engine file. [default: the store's, else the demo network]",
)
@click.option(
    "--data",
    required=True,
    metavar="DIR|FILE",
    help="The test data: class folders, COCO's JSON, or pictures and masks.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the pictures of COCO's JSON are. [default: beside it]",
)
@click.option("--labels", metavar="FILE", help="Names of the classes, if the engine does not have them.")
@click.option(
    "--float",
    "float_model",
    type=click.Path(path_type=Path, readable=False),
    metavar="MODEL.onnx",
    help="The float network to compare with. [default: what the engine was built from, if that is beside it]",
)
@click.option(
    "--task", type=click.Choice(["classify", "detect", "segment"]), help="[default: the engine's, else classify]"
)
@click.option("--no-float", is_flag=True, help="Evaluate the engine alone.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take at most N pictures, spread over all.")
@click.option("--threads", type=click.IntRange(1, 64), help="CPU threads for the networks. [default: all cores]")
@max_megapixels_option
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write the whole result, with pictures."
)
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    metavar="F",
    help="Exit with status 1 below this top-1, AP or mean IoU.",
)
@preprocess_options
@click.option(
    "--resize-quality", type=click.Choice(["antialias", "fast"]), default="antialias", help="[default: antialias]"
)
@json_option
def command(**flags: Any) -> int:  # noqa: ANN401 - click's values, typed by _Flags
    """Evaluate an engine on pictures whose truth is known.

    Of a classifier: top-1 and top-5 with their confidence, what is taken for what, recall and precision of each class,
    and how many labels are right above each score. Of a detector COCO's average precision, of a segmenter the mean IoU.
    The float network's figures stand beside the engine's.
    """
    return _evaluate(_Flags(**flags))


def _evaluate(flags: _Flags) -> int:
    _check(flags)

    from mnv2_edge.cli.text.evaluation import summarise, to_json
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_edge.config.model import EngineConfig
    from mnv2_edge.evaluation.evaluate import evaluate
    from mnv2_edge.evaluation.subject import EvaluationOptions
    from mnv2_edge.sources.decoding.limits import PictureLimits

    threads = flags.threads or len(os.sched_getaffinity(0))
    engine = EngineConfig(
        model=flags.model,
        threads=threads,
        mean=flags.mean,
        std=flags.std,
        color=flags.color,
        resize=flags.resize,
        resize_quality=flags.resize_quality,
    )
    options = EvaluationOptions(
        engine=engine,
        data=flags.data,
        labels=flags.labels,
        float_model=flags.float_model,
        with_float=not flags.no_float,
        limit=flags.limit,
        threads=threads,
        task=flags.task,
        pictures=flags.pictures,
        picture_limits=PictureLimits(flags.max_megapixels),
    )
    with show_progress() as progress:
        result = evaluate(options, read_environment(os.environ), progress)
    click.echo(json.dumps(to_json(result)) if flags.as_json else summarise(result, flags.report))
    if flags.report is not None:
        _write_report(flags.report, result)
    return _judge(result, flags.min_accuracy)


def _check(flags: _Flags) -> None:
    """Refuse at once what would only show after minutes."""
    if flags.no_float and flags.float_model is not None:
        raise UsageError("--float and --no-float contradict each other: expected one of them")
    if flags.report is None:
        return
    require_free_place(flags.report)
    folder = flags.report.parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} for {flags.report.name}: make it with `mkdir -p {folder}`")
    if not os.access(folder, os.W_OK):
        elsewhere = "choose another place with --report FILE.html"
        closed = AccessError(f"{folder} may not be written by this user: {elsewhere}")
        raise read_only_error(folder, f"{folder} cannot be written", elsewhere) or closed


def _write_report(path: Path, result: "EvaluationResult") -> None:
    from mnv2_engines.report.evaluation import render_evaluation

    write_report(path, render_evaluation(result))


def _judge(result: "EvaluationResult", least: float | None) -> int:
    if least is None or result.accuracy >= least:
        return ExitStatus.DONE
    print_error(
        f"the accuracy is {100 * result.accuracy:.2f} %, below --min-accuracy {100 * least:g} %: "
        "docs/own-model.md has the list of what to look at"
    )
    return ExitStatus.CHECK_FAILED
