"""The subject of an evaluation: an engine, and the float network that it was built from."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mnv2_edge.config.model import EngineConfig, TaskConfig
from mnv2_edge.environment import Environment
from mnv2_edge.evaluation.float_network import FloatModel, choose_float_model, find_float_model, open_float_network
from mnv2_edge.inference.loading import load_network, make_task
from mnv2_edge.inference.network import Network
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_engines.engine.engine import Engine

__all__ = ["EvaluationContext", "EvaluationOptions", "EvaluationProgress"]

EvaluationProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (float, evaluate), done, and in all."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is evaluated, and with which data."""

    engine: EngineConfig
    """Its `model` is a file or the name of a stored engine; None is the default one, as for `run`."""
    data: str
    labels: str | None
    float_model: Path | None
    """None: the one that the engine was built from, if it is found."""
    with_float: bool
    limit: int | None
    threads: int
    task: str | None = None
    """None: the engine's own, else `classify`."""
    pictures: Path | None = None
    """Where the pictures of a COCO file are, when they are not beside it."""
    picture_limits: PictureLimits = DEFAULT_LIMITS
    """How large pictures and masks may be."""


@dataclass(slots=True)
class EvaluationContext:
    """What every evaluation needs: the engine, how to open it, and notes for the reader of the result."""

    options: EvaluationOptions
    engine: Engine
    environment: Environment
    on_progress: EvaluationProgress
    notes: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def open_engine(self, task: TaskConfig) -> Iterator[Network]:
        """Load the engine as `run` does. Raises what that raises."""
        options = self.options
        network = load_network(self.engine, options.engine, task, options.labels, self.environment)
        with contextlib.closing(network):
            yield network

    @contextlib.contextmanager
    def open_reference(self, network: Network, task: TaskConfig) -> Iterator[Network | None]:
        """Open the float network, or give None and note why. Raises ModelError, ContractError."""
        self.on_progress("float", 0, 1)
        model = self._find_float(network) if self.options.with_float else None
        if model is None:
            self.on_progress("float", 1, 1)
            yield None
            return
        with open_float_network(
            model,
            network,
            lambda backend: make_task(task, self.engine, backend, network.labels or None, "the engine's labels"),
            self.options.threads,
        ) as reference:
            self.on_progress("float", 1, 1)
            yield reference

    def progress(self, done: int, total: int) -> None:
        """Report how many pictures are done."""
        self.on_progress("evaluate", done, total)

    def _find_float(self, network: Network) -> FloatModel | None:
        if self.options.float_model is not None:
            model = choose_float_model(self.options.float_model, self.engine, network.preprocess)
            if not model.is_origin:
                self.notes.append(f"the engine was not built from {model.path}, with which it is compared")
            return self._as_asked(model)
        found = find_float_model(self.engine)
        if found is None:
            self.notes.append(
                "the ONNX file that it was built from is not beside the engine: name it with --float MODEL.onnx"
            )
            return None
        return self._as_asked(found)

    def _as_asked(self, model: FloatModel) -> FloatModel:
        """Return the model with the colour order that was asked for; mean and std may be folded into the engine."""
        color = self.options.engine.color
        return model if color is None else replace(model, preprocess=replace(model.preprocess, color=color))
