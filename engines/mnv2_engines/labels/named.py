"""Label lists that come with the package: the classes of ImageNet, COCO and Pascal VOC.

They are facts, in the order of the networks' outputs:

* `imagenet`: the 1000 classes of ILSVRC 2012 in the order of their WordNet ids, as in torchvision and Keras; each is
  called by the first word of its synset. Where two are called alike the name says which: the crane that flies (134) and
  the one that lifts (517), the corgi (264) and the knitwear (474), the two maillots (638, 639). Networks trained with
  TensorFlow's slim have 1001 outputs: a background class comes first.
* `coco`: the 90 ids of the 2014 to 2017 annotations less 1, so that a person is 0; ten of them were never used.
* `pascal-voc`: background and the 20 classes of VOC 2012.
"""

from pathlib import Path
from typing import Final

__all__ = ["BACKGROUND", "LISTS", "list_path"]

LISTS: Final = ("imagenet", "coco", "pascal-voc")
"""What may stand in the place of a label file."""

BACKGROUND: Final = "background"


def list_path(name: str) -> Path:
    """Return the file of a list, one name a line."""
    return Path(__file__).with_name("lists") / f"{name}.txt"
