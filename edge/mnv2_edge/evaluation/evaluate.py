"""Evaluation of an engine on pictures whose truth is known, with the usual figures of each task."""

import contextlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from mnv2_edge.environment import Environment
from mnv2_edge.errors import UsageError
from mnv2_edge.evaluation.classify import evaluate_class_folders
from mnv2_edge.evaluation.detect import evaluate_coco
from mnv2_edge.evaluation.segment import evaluate_masks
from mnv2_edge.evaluation.subject import EvaluationContext, EvaluationOptions, EvaluationProgress
from mnv2_edge.inference.loading import engine_reference
from mnv2_engines.evaluation.result import EvaluationResult

__all__ = ["evaluate"]

_Judge: TypeAlias = Callable[[EvaluationContext], EvaluationResult]
_EVALUATIONS: Final[Mapping[str, _Judge]] = MappingProxyType(
    {"classify": evaluate_class_folders, "detect": evaluate_coco, "segment": evaluate_masks}
)


def evaluate(
    options: EvaluationOptions,
    environment: Environment,
    progress: EvaluationProgress = lambda _phase, _done, _total: None,
) -> EvaluationResult:
    """Evaluate an engine, and its float network where that is found.

    Data are class folders for a classifier, COCO annotations for a detector, folders of pictures and masks for a
    segmenter. They are read before a network is loaded. Raises UsageError for a task that cannot be evaluated, and what
    opening an engine and reading pictures raise.
    """
    with contextlib.closing(engine_reference(options.engine, environment)) as stored:
        engine = stored.read()
        task = options.task or engine.task or "classify"
        judge = _EVALUATIONS.get(task)
        if judge is None:
            raise UsageError(f"the task {task} cannot be evaluated: expected one of {', '.join(_EVALUATIONS)} (--task)")
        return judge(EvaluationContext(options, engine, environment, progress))
