"""Real trained networks: the accuracy, speed and memory that this project promises of its compiler."""

import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.boxes import overlaps
from mnv2_engines.tasks.detect import make_detect
from mnv2_engines.tasks.segment import make_segment
from mnv2_engines.tflite import compile_model, run_float, run_int8
from mnv2_engines.tflite.runner import Runner
from support.onnx_networks import run_onnx

PLAIN = Preprocess()
WHOLE_300, WHOLE_513 = (plan_view(side, side, side, side, ResizePolicy("stretch")) for side in (300, 513))


def pictures(paths, size):
    """Return the largest centred square of each picture, resized, RGB."""
    found = []
    for path in paths:
        picture = cv2.imread(str(path))
        side = min(picture.shape[:2])
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        picture = picture[top : top + side, left : left + side]
        shrink = side > size
        fitted = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
        found.append(cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB))
    return found


def crops(shared, *, even):
    return sorted((shared / "calibration").glob("*.png"))[0 if even else 1 :: 2]


def delegates(tflite):
    with Runner(tflite, threads=1) as runner:
        return runner.operators().count("DELEGATE")


def outputs(run, compiled, images):
    return [np.array(column) for column in zip(*run(compiled, images), strict=True)]


def mean_sqnr_db(exact, rounded):
    """Return the mean over pictures of the SQNR of one output."""
    pairs = zip(exact.reshape(len(exact), -1), rounded.reshape(len(rounded), -1), strict=True)
    return float(np.mean([10 * np.log10((e**2).sum() / ((e - r) ** 2).sum()) for e, r in pairs]))


def float_sqnr_db(path, compiled, picture):
    real = np.ascontiguousarray(((picture.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None])
    reference = run_onnx(path, real)
    ours = next(run_float(compiled, [picture]))
    return [
        10 * np.log10((r.astype(float) ** 2).sum() / ((r - o) ** 2).sum()) for r, o in zip(reference, ours, strict=True)
    ]


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224", "mobilenet_v2_1.0_224_inat_bird"])
def test_classifiers(shared, name):
    path = shared / "models" / f"{name}.onnx"
    compiled = compile_model(path, pictures=pictures(crops(shared, even=True), 224), preprocess=PLAIN)
    judged = pictures(crops(shared, even=False) + sorted((shared / "images").glob("*.jpg")), 224)
    (exact,), (rounded,) = (outputs(run, compiled, judged) for run in (run_float, run_int8))
    ordered = np.sort(exact[:, 0], axis=1)
    clear = ordered[:, -2] < 0.9 * ordered[:, -1]  # nothing decides between near-ties
    same = exact[:, 0].argmax(axis=1) == rounded[:, 0].argmax(axis=1)
    assert min(float_sqnr_db(path, compiled, judged[-1])) > 100
    assert mean_sqnr_db(exact, rounded) > (27 if name == "mobilenet_v2_1.0_224" else 25)
    assert same[clear].mean() >= (0.98 if name == "mobilenet_v2_1.0_224" else 0.9)  # bird species on anything but birds
    assert clear.sum() > 40
    assert delegates(compiled.tflite) == 1
    assert len(compiled.tflite) < 4.2e6


def test_the_detector_keeps_its_boxes(shared):
    path = shared / "models" / "ped_ssdlite_300.onnx"
    compiled = compile_model(path, pictures=pictures(crops(shared, even=True), 300), preprocess=PLAIN)
    assert delegates(compiled.tflite) == 1
    assert [(spec.name, spec.shape) for spec in compiled.outputs] == [
        ("concat:0", (1, 1917, 1, 4)),
        ("concat_1:0", (1, 1917, 2)),
    ]
    reference = np.load(shared / "models" / "ped_ref.npz")
    anchors = DetectionFacts(ssd=SsdAnchors())
    detect = make_detect(
        TaskOptions(outputs=compiled.outputs, input=compiled.input, score_threshold=0.25, detection=anchors)
    )
    for name in ("bus", "zidane", "astronaut"):
        boxes, scores = next(run_float(compiled, [reference[f"{name}_img"]]))
        assert np.allclose(boxes, reference[f"{name}_rb"], atol=1e-3)
        assert np.allclose(scores, reference[f"{name}_rc"], atol=1e-3)
        found = detect.decode(next(run_int8(compiled, [reference[f"{name}_img"]])), WHOLE_300).detections
        boxes = [one.box_fraction for one in found]
        corners = np.array([[box.top, box.left, box.bottom, box.right] for box in boxes], np.float32)
        for wanted in reference[f"{name}_boxes"][reference[f"{name}_scores"] > 0.3]:
            assert overlaps(wanted, corners).max() >= 0.9


def test_the_segmenter_agrees_with_float(shared):
    path = shared / "models" / "deeplabv3_mnv2_dm05_pascal.onnx"
    compiled = compile_model(path, pictures=pictures(crops(shared, even=True)[:12], 513), preprocess=PLAIN)
    bird = pictures([shared / "images" / "bird_segmentation.bmp"], 513)
    (exact,), (rounded,) = (outputs(run, compiled, bird) for run in (run_float, run_int8))
    truth = cv2.imread(str(shared / "images" / "bird_segmentation_mask.bmp"), cv2.IMREAD_UNCHANGED) == 3
    segment = make_segment(TaskOptions(outputs=compiled.outputs, input=compiled.input))
    of_float, of_int8 = (
        intersection_over_union(segment.decode([numbers], WHOLE_513).class_map.pixels == 3, truth)
        for numbers in (exact[0].astype(np.float32), rounded[0].astype(np.float32))
    )
    assert of_float == pytest.approx(0.857, abs=0.001)
    assert of_int8 >= of_float - 0.02
    assert (exact == rounded).mean() >= 0.97
    assert delegates(compiled.tflite) == 1


def intersection_over_union(one, other):
    return (one & other).sum() / (one | other).sum()


MEASURE = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from mnv2_engines.preprocessing.preprocess import Preprocess
    from mnv2_engines.tflite import compile_model
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (224, 224, 3), dtype=np.uint8) for _ in range(50)]
    compile_model(Path(sys.argv[1]), pictures=pictures, preprocess=Preprocess())
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024, time.process_time())
"""


def test_a_build_stays_small(shared):
    model = shared / "models" / "mobilenet_v2_1.0_224.onnx"
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), str(model)], capture_output=True, text=True, check=True
    )
    peak_mib, cpu_seconds = map(float, result.stdout.split())
    assert peak_mib < 180
    assert cpu_seconds < 12  # about 2 s on an idle machine; processor time, because tests share theirs
