"""Likely causes of a low accuracy, where the figures show one."""

from typing import Final

import numpy as np

from mnv2_engines.evaluation.result import ClassificationResult

__all__ = ["find_hints"]

_ENOUGH_PER_CLASS: Final = 5
"""With fewer pictures a renaming of the classes fits by chance."""
_BETTER: Final = 0.2
_PLAUSIBLE: Final = 0.6
"""What a network that tells its classes apart reaches; less may be any confusion."""
_ONE_CLASS: Final = 0.8
_CLEAR_CHANCE: Final = 0.05
_GUIDE: Final = "docs/own-model.md has the list of what to look at"


def find_hints(result: ClassificationResult) -> tuple[str, ...]:
    """Return the likely causes of a low accuracy, one sentence each; nothing when nothing stands out."""
    tally = result.tally
    shown = int(np.count_nonzero([figures.pictures for figures in tally.classes()]))
    hints = []
    if shown > 1 and tally.pictures >= _ENOUGH_PER_CLASS * shown:
        relabelled = tally.relabelled()
        if relabelled.value >= max(_PLAUSIBLE, tally.top1.value + _BETTER):
            hints.append(
                f"with the classes named in another order top-1 would be {100 * relabelled.value:.1f} %: is the label "
                "file in the order of training? (Keras: class_names; torchvision: classes)"
            )
        most = max(tally.classes(), key=lambda figures: figures.predicted)
        if most.predicted >= _ONE_CLASS * tally.pictures and most.pictures < _ONE_CLASS * tally.pictures / 2:
            hints.append(
                f"{most.predicted} of {tally.pictures} pictures are taken for {result.labels[most.class_id]!r}: are "
                f"mean and std, or the colour order, those of training? {_GUIDE}"
            )
    reference = result.reference
    if reference is None or reference.tally.top1.right <= tally.top1.right:
        return tuple(hints)
    if reference.paired.chance < _CLEAR_CHANCE:
        hints.append(
            "the engine is worse than its float network by more than chance: calibrate it on pictures like these "
            "(mnv2-edge build-engine --calibration DIR --report FILE.html names the layers that lose most)"
        )
    return tuple(hints)
