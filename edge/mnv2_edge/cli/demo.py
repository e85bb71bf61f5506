"""`mnv2-edge demo`: the whole way on an embedded network and an embedded film, scored."""

from typing import TYPE_CHECKING, Final

import click

from mnv2_edge.cli.run_pipeline import exit_if_threads_hang, run_until_stopped, status_of_losses
from mnv2_edge.config.model import CameraConfig, Config, EngineConfig, TaskConfig
from mnv2_edge.errors import ExitStatus

if TYPE_CHECKING:
    from mnv2_edge.demo.scoring import Scorer
    from mnv2_engines.demo import DemoTask

__all__ = ["REQUIRED", "command", "make_scorer", "run_demo"]

REQUIRED: Final = {"classify": 0.95, "detect": 0.9, "segment": 0.85}
"""The share of frames named rightly; of signs found, and of detections that are right; the mean IoU."""
_FILMS: Final = {"classify": "signs", "detect": "street", "segment": "street"}


@click.command()
@click.option(
    "--task",
    type=click.Choice(["classify", "detect", "segment"]),
    default="classify",
    show_default=True,
    help="Name the one sign, find each of several, or outline them.",
)
@click.option("--frames", type=click.IntRange(min=1), default=200, show_default=True, help="How many frames to run.")
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**32 - 1), default=1, show_default=True, help="Seed of the film."
)
@click.option(
    "--fps",
    type=click.FloatRange(min=1, max=1000),
    default=30.0,
    show_default=True,
    help="Frames per second of the film.",
)
def command(task: "DemoTask", frames: int, seed: int, fps: float) -> int:
    """Recognise road signs in a rendered film and count how many are right.

    Frames go through the same capture thread, engine and sink as a camera's. The film's truth is known to the scorer
    alone. Exit status 1 when less than 95 % is named rightly, 90 % is found, or the mean IoU is below 0.85.
    """
    return run_demo(task, frames, seed, fps, make_scorer(task, seed))


def make_scorer(task: "DemoTask", seed: int) -> "Scorer":
    """Return the scorer that knows the film."""
    from mnv2_edge import demo as scenes
    from mnv2_edge.demo import scoring

    if task == "classify":
        return scoring.LabelScorer(lambda index: scenes.true_label(seed, index))
    if task == "detect":
        return scoring.BoxScorer(lambda index: scenes.true_signs(seed, index))
    labels = ("background", *scenes.SIGN_NAMES)
    return scoring.AreaScorer(lambda index, size: scenes.true_mask(seed, index, size), labels)


def run_demo(task: "DemoTask", frames: int, seed: int, fps: float, scorer: "Scorer") -> int:
    """Run the demo, print what is found as it changes and then the summary; return the exit status."""
    from mnv2_edge.pipeline.meter import RunMeter
    from mnv2_engines.demo import demo_engine_path

    config = Config(
        version=1,
        cameras=(CameraConfig(uri=f"demo?film={_FILMS[task]}&seed={seed}&fps={fps:g}"),),
        engine=EngineConfig(model=str(demo_engine_path(task))),
        task=TaskConfig(mask="rle") if task == "segment" else TaskConfig(),
        sinks=({"stdout": {"format": "text"}},),
    )
    meter = RunMeter()
    outcome, stopped = run_until_stopped(config, observers=[scorer, meter], max_frames=frames)
    summary = meter.summary()
    passed = scorer.score >= REQUIRED[task]
    interrupted = stopped and outcome.results < frames
    verdict = "interrupted" if interrupted else "passed" if passed else "failed"
    click.echo(
        f"\n{summary.results} frames in {summary.seconds:.1f} s: {summary.frames_per_s:.1f} frames/s, "
        f"{outcome.dropped} dropped\n"
        f"age at publish: {summary.age}\n"
        f"inference:      {summary.infer}\n"
        f"{scorer.verdict} ({verdict}, {100 * REQUIRED[task]:g} % are required)"
    )
    status = ExitStatus.INTERRUPTED if interrupted else ExitStatus.DONE if passed else ExitStatus.CHECK_FAILED
    status = status if status != ExitStatus.DONE else ExitStatus(status_of_losses(outcome, stopped=stopped))
    exit_if_threads_hang(outcome, status)
    return status
