"""Judge an engine by pictures whose truth is known, each task by what is usual for it."""

import contextlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from mnv2_edge.environment import Environment
from mnv2_edge.errors import UsageError
from mnv2_edge.evaluation.classify import judge_classifier
from mnv2_edge.evaluation.detect import judge_detector
from mnv2_edge.evaluation.segment import judge_segmenter
from mnv2_edge.evaluation.subject import Bench, EvaluationOptions, EvaluationProgress
from mnv2_edge.inference.loading import engine_reference
from mnv2_engines.evaluation.result import EvaluationResult

__all__ = ["evaluate"]

_Judge: TypeAlias = Callable[[Bench], EvaluationResult]
_JUDGES: Final[Mapping[str, _Judge]] = MappingProxyType(
    {"classify": judge_classifier, "detect": judge_detector, "segment": judge_segmenter}
)


def evaluate(
    options: EvaluationOptions,
    environment: Environment,
    progress: EvaluationProgress = lambda _phase, _done, _total: None,
) -> EvaluationResult:
    """Judge an engine, and its float network where that is found.

    Data are class folders for a classifier, COCO annotations for a detector, folders of pictures and masks for a
    segmenter. They are read before a network is loaded. Raises UsageError for a task that cannot be judged, and what
    opening an engine and reading pictures raise.
    """
    with contextlib.closing(engine_reference(options.engine, environment)) as stored:
        engine = stored.read()
        task = options.task or engine.task or "classify"
        judge = _JUDGES.get(task)
        if judge is None:
            raise UsageError(f"the task {task} cannot be judged: expected one of {', '.join(_JUDGES)} (--task)")
        return judge(Bench(options, engine, environment, progress))
