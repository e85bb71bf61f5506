import numpy as np
import pytest

from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.region import Region, RegionSource
from support.fakes import FilmSource


@pytest.mark.parametrize(
    ("numbers", "box"),
    [
        ((0.25, 0, 0.5, 1), (160, 0, 480, 480)),
        ((0, 0, 1, 1), (0, 0, 640, 480)),
        ((10, 20, 30, 40), (10, 20, 40, 60)),
        ((0.999, 0.999, 0.0005, 0.0005), (639, 480 - 1, 640, 480)),
    ],
)
def test_fractions_and_pixels(numbers, box) -> None:
    assert Region.of(numbers).box(640, 480) == box


@pytest.mark.parametrize(
    "numbers", [(0, 0, 0, 1), (-1, 0, 5, 5), (0.5, 0, 0.6, 1), (0.5, 0, 100, 100), (0, 0, 1.5, 10)]
)
def test_what_is_no_region_is_refused(numbers) -> None:
    with pytest.raises(UsageError, match="region"):
        Region.of(numbers)


def test_pixels_beyond_the_picture_are_a_fault_of_the_source() -> None:
    with pytest.raises(SourceError, match="100x20"):
        Region.of((90, 0, 20, 20)).box(100, 20)


def test_a_region_is_a_view_of_the_upright_picture() -> None:
    whole = next(iter(open_source("demo?frames=2", camera_id="cam", rotate=90)))
    cut = next(iter(open_source("demo?frames=2", camera_id="cam", rotate=90, region=Region.of((0.5, 0.25, 0.5, 0.5)))))
    height, width = whole.pixels.shape[:2]
    assert cut.pixels.base is not None
    assert np.array_equal(cut.pixels, whole.pixels[height // 4 : height - height // 4, width // 2 :])


def test_it_is_what_the_other_source_is_and_closes_it() -> None:
    inner = FilmSource(3, live=True, endless=True)
    source = RegionSource(inner, Region.of((0, 0, 0.5, 0.5)))
    assert (source.live, source.endless, source.skipped) == (True, True, 0)
    source.close()
    assert inner.closed.is_set()
