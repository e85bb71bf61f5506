"""`mnv2-edge demo`: the whole way on an embedded network and an embedded film, judged."""

from collections.abc import Callable

import click

from mnv2_edge.cli.running import leave_if_stuck, run_to_the_end
from mnv2_edge.config.model import CameraConfig, Config, EngineConfig
from mnv2_edge.exit_status import ExitStatus

__all__ = ["REQUIRED_SHARE", "command", "run_demo"]

REQUIRED_SHARE = 0.95


@click.command()
@click.option("--frames", type=click.IntRange(min=1), default=200, show_default=True, help="How many to look at.")
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**32 - 1), default=1, show_default=True, help="Which film to show."
)
@click.option("--fps", type=click.FloatRange(min=1, max=1000), default=30.0, show_default=True, help="Its rate.")
def command(frames: int, seed: int, fps: float) -> int:
    """Read road signs off a rendered film and count how many are right.

    Frames go through the same capture thread, engine and sink as a camera's. The film's truth is known to the judge
    alone. Exit status 1 when fewer than 95 % are right.
    """
    from mnv2_edge.scenes import true_label

    return run_demo(frames, seed, fps, lambda index: true_label(seed, index))


def run_demo(frames: int, seed: int, fps: float, truth: Callable[[int], str]) -> int:
    """Run the demo, print labels as they change and then the summary; return the exit status."""
    from mnv2_edge.judge import Judge
    from mnv2_edge.summary import RunMeter
    from mnv2_engines.demo import demo_engine_path

    config = Config(
        version=1,
        cameras=(CameraConfig(uri=f"demo?seed={seed}&fps={fps:g}"),),
        engine=EngineConfig(model=str(demo_engine_path())),
        sinks=({"stdout": {"format": "text"}},),
    )
    judge, meter = Judge(truth), RunMeter()
    outcome, stopped = run_to_the_end(config, observers=[judge, meter], max_frames=frames)
    summary = meter.summary()
    passed = judge.share_right >= REQUIRED_SHARE
    interrupted = stopped and outcome.results < frames
    verdict = "interrupted" if interrupted else "passed" if passed else "failed"
    click.echo(
        f"\n{summary.results} frames in {summary.seconds:.1f} s: {summary.frames_per_s:.1f} frames/s, "
        f"{outcome.dropped} dropped\n"
        f"age at publish: {summary.age}\n"
        f"inference:      {summary.infer}\n"
        f"{judge.right} right, {judge.wrong} wrong: {100 * judge.share_right:.1f} % "
        f"({verdict}, {100 * REQUIRED_SHARE:g} % are required)"
    )
    status = ExitStatus.INTERRUPTED if interrupted else ExitStatus.DONE if passed else ExitStatus.CHECK_FAILED
    leave_if_stuck(outcome, status)
    return status
