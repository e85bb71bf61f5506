"""Judge predictions about frames whose truth is known."""

from collections.abc import Callable

from mnv2_edge.records import Record, Result

__all__ = ["Judge"]


class Judge:
    """Compare the best label of every result with the truth; an observer of the pipeline.

    `truth` gives the true label of a frame by its index. It is asked here and nowhere else, so nothing on the way from
    the source to the prediction can know it.
    """

    def __init__(self, truth: Callable[[int], str]) -> None:
        self._truth = truth
        self.right = 0
        self.wrong = 0

    @property
    def share_right(self) -> float:
        """Return how many of the judged frames were right, 0 to 1; 0 before the first."""
        judged = self.right + self.wrong
        return self.right / judged if judged else 0.0

    def publish(self, record: Record) -> None:
        """Judge a result; no prediction at all is wrong."""
        if not isinstance(record, Result):
            return
        if record.predictions and record.predictions[0].label == self._truth(record.frame):
            self.right += 1
        else:
            self.wrong += 1
