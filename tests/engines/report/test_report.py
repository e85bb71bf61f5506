"""The report stands alone: well formed, nothing fetched, everything escaped."""

import base64
import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_engines.building.build import BuildRequest, BuildResult, Pictures, build_engine
from mnv2_engines.building.verification import AccuracyLimits, PictureVerdict
from mnv2_engines.engine.facts import LayerFacts
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.report import render_report
from mnv2_engines.report.gallery import draw_gallery
from mnv2_engines.report.loss_plot import draw_layers
from support.pages import check


@pytest.fixture(scope="module")
def built(signs_model: Path, signs_pictures, tmp_path_factory) -> tuple[BuildRequest, BuildResult]:
    request = BuildRequest(
        model=signs_model,
        output=tmp_path_factory.mktemp("built") / "signs.tflite",
        preprocess=Preprocess(),
        calibration=Pictures("scenes", signs_pictures[:24]),
        validation=Pictures("<others>", signs_pictures[24:]),
        name="signs",
        labels=tuple(f"<sign {index}>" for index in range(12)),
        limits=AccuracyLimits(sqnr_db=90.0),
    )
    return request, build_engine(request)


def test_it_stands_alone_and_says_why(built) -> None:
    request, result = built
    html = render_report(request, result)
    checker = check(html)
    assert "script" not in checker.tags
    assert checker.tags.count("circle") == len(result.verification.facts.layers)
    assert "90 dB are needed" in html
    assert "&lt;others&gt;" in html
    assert "<others>" not in html
    assert result.manifest.engine.sha256 in html


def test_pictures_on_which_they_disagree_are_embedded_in_true_colors(built) -> None:
    request, result = built
    verdict = PictureVerdict(2, 0.0, near_tie=True, float_class=3, float_score=0.5, engine_class=4, engine_score=0.45)
    found = dataclasses.replace(result.verification, pictures=(verdict,))
    html = render_report(request, dataclasses.replace(result, verification=found))
    check(html)
    assert "float <b>&lt;sign 3&gt; 0.50</b>, engine <b>&lt;sign 4&gt; 0.45</b>" in html
    assert "near tie" in html
    embedded = re.search(r"data:image/jpeg;base64,([^\"]+)", html)
    assert embedded is not None
    jpeg = cv2.imdecode(np.frombuffer(base64.b64decode(embedded[1]), np.uint8), cv2.IMREAD_COLOR)
    seen = request.validation.items[2][:, :, ::-1].astype(int)
    assert np.abs(jpeg.astype(int) - seen).mean() < 6.0


def test_the_worst_pictures_come_first_and_there_is_an_end_of_them() -> None:
    pictures = [np.zeros((4, 4, 3), np.uint8)] * 60
    verdicts = [PictureVerdict(index, 0.9 - index / 100, near_tie=False) for index in range(60)]
    html = draw_gallery(verdicts, pictures, "RGB", None)
    assert html.count("<img") == 48
    assert "and 12 more" in html
    assert html.index("#59:") < html.index("#58:")


@pytest.mark.parametrize(
    ("verdicts", "says"), [((), "not classes"), ((PictureVerdict(0, 1.0, near_tie=False),), "None: both networks")]
)
def test_nothing_to_show_is_said(verdicts, says) -> None:
    assert says in draw_gallery(verdicts, [np.zeros((4, 4, 3), np.uint8)], "RGB", None)


def test_the_plot_has_every_layer_in_its_place() -> None:
    levels = [30.0, None, -5.0, 12.0, -100.0]
    layers = [LayerFacts(name=f"<{at}>", operator="CONV_2D", sqnr_db=level) for at, level in enumerate(levels)]
    svg = draw_layers(layers)
    check(svg)
    heights = [float(value) for value in re.findall(r'cy="([-\d.]+)"', svg)]
    assert heights[1] <= heights[0] < heights[3] < heights[2] <= heights[4]
    assert "no loss" in svg
