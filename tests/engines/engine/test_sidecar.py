from pathlib import Path

import numpy as np
import pytest

from mnv2_engines.engine.sidecar import Sidecar, choose_preprocess, read_sidecar
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts, SsdAnchors
from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy


def beside(tmp_path: Path, text: str) -> Path:
    (tmp_path / "net.yaml").write_text(text)
    return tmp_path / "net.onnx"


def test_everything_that_can_be_stated(tmp_path: Path) -> None:
    model = beside(
        tmp_path,
        """
preprocess:
  color: BGR
  mean: [123.675, 116.28, 103.53]
  std: 58
  resize: center-crop:0.875
task: classify
labels: names/labels.txt
""",
    )
    assert read_sidecar(model) == Sidecar(
        color="BGR",
        mean=(123.675, 116.28, 103.53),
        std=(58.0, 58.0, 58.0),
        resize=ResizePolicy("center-crop", 0.875),
        task="classify",
        labels_file=tmp_path / "names/labels.txt",
    )


@pytest.mark.parametrize("text", ["", "# nothing yet", "preprocess: {}"])
def test_nothing_stated_is_the_family(tmp_path: Path, text: str) -> None:
    assert choose_preprocess(read_sidecar(beside(tmp_path, text))) == Preprocess()


def test_no_sidecar_states_nothing(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "net.onnx") == Sidecar()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("preproces: {}", "no key preproces: did you mean preprocess"),
        ("preprocess: {maen: 1}", r"no key preprocess\.maen: did you mean preprocess\.mean"),
        ("version: 1\ncameras: [{uri: demo}]", "this is a configuration, .*: give it another name"),
        ("zebra: 1", "expected one of preprocess, task, labels"),
        ("preprocess: {color: GRB}", r"preprocess\.color is 'GRB', expected one of RGB, BGR"),
        ("preprocess: {mean: [1, 2]}", "mean"),
        ("preprocess: {resize: crop}", r"preprocess\.resize: resize 'crop' is unknown"),
        ("preprocess: 5", "preprocess"),
        ("[1, 2]", "expected"),
        ("task: guess", r"yaml: task is 'guess', expected one of classify, detect, segment$"),
        ("task: detection", r"expected one of classify, detect, segment; did you mean detect\?$"),
        ("task: [detect]", r"task is \['detect'\], expected one of classify, detect, segment"),
        ("detection: {scores: sigmiod}", r"detection\.scores is 'sigmiod', .*; did you mean sigmoid\?"),
        ("detection: {box_order: 5}", r"detection\.box_order is 5, expected one of yxhw, xywh"),
        ("labels: {0: cat}", r"labels`; expected e\.g\. labels: labels\.txt, or labels: \[cat, dog\]$"),
        ("labels: [1, 2]", r"labels\[0\]`; expected e\.g\. labels: "),
        ("detection: [1]", r"detection`; expected e\.g\. detection: \{anchors: ssd, "),
        ("detection: {anchors: {maps: [[4096, 4096]]}}", "maps hold up to 100663296 of them, expected at most 1048576"),
        ("segmentation: {background: -1}", r"segmentation\.background`; expected e\.g\. segmentation: "),
        ("[" * 20_000, "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        read_sidecar(beside(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "net.yaml"))
    assert "\n" not in str(caught.value)


def test_flags_win_and_the_file_completes() -> None:
    file = Sidecar(color="BGR", mean=(1.0, 1.0, 1.0), std=(2.0, 2.0, 2.0), labels=("a",), task="detect")
    flags = Sidecar(mean=(0.0, 0.0, 0.0), labels_file=Path("labels.txt"))
    both = flags.over(file)
    assert both == Sidecar(
        color="BGR", mean=(0.0, 0.0, 0.0), std=(2.0, 2.0, 2.0), labels_file=Path("labels.txt"), task="detect"
    )


@pytest.mark.parametrize("half", [Sidecar(mean=(0.0, 0.0, 0.0)), Sidecar(std=(1.0, 1.0, 1.0))])
def test_half_a_normalisation_is_refused(half: Sidecar) -> None:
    with pytest.raises(ContractError, match="state both"):
        choose_preprocess(half)


class TestDetection:
    def read(self, tmp_path: Path, text: str) -> DetectionFacts | None:
        return read_sidecar(beside(tmp_path, text)).detection

    def test_tensorflows_anchors_by_name(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "detection: {anchors: ssd}") == DetectionFacts(ssd=SsdAnchors())

    def test_everything_that_can_be_stated(self, tmp_path: Path) -> None:
        text = """
task: detect
detection:
  anchors: {maps: [[2, 3], [1, 1]], min_scale: 0.15, aspect_ratios: [1, 2]}
  box_order: xywh
  box_scales: [1, 1, 1, 1]
  scores: softmax
  background: null
  nms_iou: 0.45
  boxes_output: regressors
  scores_output: classificators
  first_class: 1
"""
        assert self.read(tmp_path, text) == DetectionFacts(
            ssd=SsdAnchors(maps=((2, 3), (1, 1)), min_scale=0.15, aspect_ratios=(1.0, 2.0)),
            box_order="xywh",
            box_scales=(1.0, 1.0, 1.0, 1.0),
            scores="softmax",
            background=None,
            nms_iou=0.45,
            boxes_output="regressors",
            scores_output="classificators",
            first_class=1,
        )

    def test_a_file_of_anchors_lies_beside_it(self, tmp_path: Path) -> None:
        anchors = np.array([[0, 0, 0.5, 1]], "<f4")
        np.save(tmp_path / "anchors.npy", anchors)
        assert self.read(tmp_path, "detection: {anchors: anchors.npy}") == DetectionFacts(anchors=anchors.tobytes())

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("detection: {ancors: ssd}", r"no key detection\.ancors: did you mean detection\.anchors"),
            ("detection: {anchors: sdd}", "sdd is not there"),
            ("detection: {anchors: {min_skale: 1}}", "min_skale"),
            ("detection: {anchors: {min_scale: 0}}", "expected 0 < min_scale"),
            ("detection: {scores: relu}", "relu"),
            ("detection: {box_scales: [1, 1]}", "box_scales"),
            ("detection: {box_scales: [1, 1, 0, 1]}", "expected four numbers above 0"),
            ("detection: {nms_iou: 2}", "nms_iou"),
            ("detection: ssd", "detection"),
            ("segmentation: {backgroud: 0}", r"did you mean segmentation\.background"),
            ("segmentation: {layout: HWC}", "HWC"),
        ],
    )
    def test_mistakes_name_the_key(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(ModelError, match=says) as caught:
            self.read(tmp_path, text)
        assert str(tmp_path / "net.yaml") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_segmentation(tmp_path: Path) -> None:
    stated = read_sidecar(beside(tmp_path, "segmentation: {background: 0, layout: NCHW}"))
    assert stated.segmentation == SegmentationFacts(background=0, layout="NCHW")
    assert Sidecar().over(stated).segmentation == stated.segmentation
