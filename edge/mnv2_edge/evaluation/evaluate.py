"""Open an engine and its float network, match a data set with their classes, and judge both."""

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from mnv2_edge.app import engine_reference, load_network
from mnv2_edge.config.model import EngineConfig, TaskConfig
from mnv2_edge.environment import Environment
from mnv2_edge.errors import UsageError
from mnv2_edge.evaluation.class_folders import ClassFolders, read_class_folders
from mnv2_edge.evaluation.classify import TOP_K, choose_pictures, evaluate_classifier
from mnv2_edge.evaluation.float_network import FloatModel, choose_float_model, find_float_model, open_float_network
from mnv2_edge.network import Network
from mnv2_engines.engine import Engine
from mnv2_engines.evaluation.class_names import match_classes
from mnv2_engines.evaluation.hints import find_hints
from mnv2_engines.evaluation.result import ClassificationResult

__all__ = ["EvaluationOptions", "evaluate"]

_log = logging.getLogger(__name__)

EvaluationProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (float, evaluate), done, and in all."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to judge, and by what."""

    engine: EngineConfig
    """Its `model` is a file or the name of a stored engine; None is the default one, as for `run`."""
    data: str
    labels: str | None
    float_model: Path | None
    """None: the one that the engine was built from, if it is found."""
    with_float: bool
    limit: int | None
    threads: int


def evaluate(
    options: EvaluationOptions,
    environment: Environment,
    progress: EvaluationProgress = lambda _phase, _done, _total: None,
) -> ClassificationResult:
    """Judge an engine, and its float network where that is found, by pictures in class folders.

    Mistakes in the command are found before a network is loaded. Raises UsageError for a task that cannot be judged,
    LabelsError for folders that are no classes, and what opening an engine and reading pictures raise.
    """
    folders = read_class_folders(options.data)
    with contextlib.ExitStack() as stack:
        stored = stack.enter_context(contextlib.closing(engine_reference(options.engine, environment)))
        engine = stored.read()
        task = TaskConfig(top_k=TOP_K, score_threshold=0.0)
        network = load_network(engine, options.engine, task, options.labels, environment)
        stack.callback(network.close)
        classes = _count_classes(network)
        ids = match_classes(tuple(folders.pictures), network.labels or None, classes)
        labels = network.labels or _name_classes(ids, classes)
        notes = _describe_data(folders, network)
        progress("float", 0, 1)
        model = _find_float(options, engine, network, notes) if options.with_float else None
        reference = None
        if model is not None:
            reference = stack.enter_context(open_float_network(model, network, labels, TOP_K, options.threads))
        progress("float", 1, 1)
        result = evaluate_classifier(
            network,
            reference,
            folders,
            choose_pictures(folders, ids, options.limit),
            labels,
            lambda done, total: progress("evaluate", done, total),
        )
    return replace(result, notes=(*notes, *find_hints(result)))


def _count_classes(network: Network) -> int:
    if network.task.name != "classify":
        raise UsageError(
            f"the task of {network.engine_id} is {network.task.name}, and class folders judge classifiers only: "
            "expected an engine whose task is classify"
        )
    return math.prod(network.backend.output_specs[0].shape)


def _name_classes(ids: Mapping[str, int], classes: int) -> Sequence[str]:
    names = {class_id: folder for folder, class_id in ids.items()}
    return tuple(names.get(class_id, f"class {class_id}") for class_id in range(classes))


def _describe_data(folders: ClassFolders, network: Network) -> list[str]:
    notes = [] if network.labels else ["the engine has no labels: classes are called like the folders"]
    if folders.ignored:
        left_out = ", ".join(f"{count} {suffix}" for suffix, count in sorted(folders.ignored.items()))
        notes.append(f"files that are no pictures which are read: {left_out}")
    return notes


def _find_float(options: EvaluationOptions, engine: Engine, network: Network, notes: list[str]) -> FloatModel | None:
    """Return the float network's file, and note what the reader should know about it."""
    if options.float_model is not None:
        model = choose_float_model(options.float_model, engine, network.preprocess)
        if not model.is_origin:
            notes.append(f"the engine was not built from {model.path}, with which it is compared")
        return _as_asked(model, options)
    found = find_float_model(engine)
    if found is None:
        notes.append("the ONNX file that it was built from is not beside the engine: name it with --float MODEL.onnx")
        return None
    return _as_asked(found, options)


def _as_asked(model: FloatModel, options: EvaluationOptions) -> FloatModel:
    """Return the model with the colour order that was asked for; an engine's mean and std may not be its network's."""
    color = options.engine.color
    return model if color is None else replace(model, preprocess=replace(model.preprocess, color=color))
