"""A loaded engine with everything that feeds it and reads its outputs."""

from dataclasses import dataclass

import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizeQuality
from mnv2_engines.tasks import Task

__all__ = ["Network"]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A loaded engine, its task and its preprocessing. Its creator closes it."""

    backend: Backend
    task: Task
    preprocess: Preprocess
    engine_id: str
    """What records call it."""
    resize_quality: ResizeQuality = "antialias"
    labels: tuple[str, ...] = ()
    """Empty when the classes have no names."""

    def make_preparer(self) -> FramePreparer:
        """Return what fills this network's buffers, for one thread. Raises ContractError when it takes no picture."""
        return FramePreparer(self.backend.input_spec, self.preprocess, self.resize_quality)

    def rehearse(self) -> None:
        """Run a grey frame all the way, so that faults show before the first real one, and memory is warm.

        Raises EnginesError, and whatever a plug-in's task or backend raises.
        """
        buffer = self.backend.allocate_input()
        view = self.make_preparer().prepare(np.full((48, 64, 3), 128, np.uint8), self.preprocess.color, buffer)
        self.task.decode(self.backend.infer(buffer), view)

    def close(self) -> None:
        """Free the engine and its buffers. Safe to call twice."""
        self.backend.close()
