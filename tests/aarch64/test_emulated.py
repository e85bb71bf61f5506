"""The package on arm64: Debian's Python 3.11 and the wheels a Raspberry Pi would get, on emulated Cortex-A72 and A76.

Times mean nothing here; bits do. XNNPACK chooses its int8 kernels by the processor (the A76 has dot products, the A72
has not), so both are run.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from mnv2_edge.demo import render, true_label
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.proof.golden import golden_input
from mnv2_engines.tensors import DTYPES

pytestmark = [pytest.mark.roots, pytest.mark.timeout(400)]

PARTS = {"cortex-a72": 0xD08, "cortex-a76": 0xD0B}
"""The part numbers that Arm gave to the processors of a Raspberry Pi 4 and 5."""

DESCRIBE = """
import json, platform, subprocess, sys
cpuinfo = open("/proc/cpuinfo").read()
child = subprocess.run([sys.executable, "-c", "import platform; print(platform.machine())"], capture_output=True)
print(json.dumps({
    "machine": platform.machine(),
    "python": platform.python_version_tuple()[:2],
    "parts": [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("CPU part")],
    "dot product": "asimddp" in cpuinfo,
    "child": child.stdout.decode().strip(),
}))
"""

IMPORT_ALL = """
import importlib, json, pkgutil
names = []
for package in ("mnv2_edge", "mnv2_engines"):
    names.append(importlib.import_module(package).__name__)
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            names.append(module.name)
print(json.dumps(names))
"""

INFER = """
import json, sys
from pathlib import Path
import numpy as np
from mnv2_engines.backends.litert import LiteRtBackend

backend = LiteRtBackend(Path(sys.argv[1]))
raw = [backend.infer_raw(picture[np.newaxis]) for picture in np.load(sys.argv[2])]
np.savez(sys.argv[3], *[np.concatenate(outputs) for outputs in zip(*raw)])
report = backend.report()
print(json.dumps({"accelerated": report.accelerated, "left": report.fallback_operators + report.postprocess_operators,
                  "runtime": report.runtime, "file": __import__("mnv2_engines").__file__}))
"""


def test_the_processor_is_the_one_that_was_asked_for(run, cpu):
    """Or all of the below would be about another one, or about this machine."""
    facts = json.loads(run("-c", DESCRIBE).stdout)
    assert facts["machine"] == facts["child"] == "aarch64"
    assert {int(part, 16) for part in facts["parts"]} == {PARTS[cpu]}
    assert facts["dot product"] == (cpu == "cortex-a76")
    assert facts["python"] == ["3", "11"]


def test_every_module_imports(run, installed):
    imported = json.loads(run("-c", IMPORT_ALL).stdout)
    assert set(imported) == _modules(installed, "mnv2_edge") | _modules(installed, "mnv2_engines")
    assert len(imported) > 90


def test_the_demo_engine_gives_the_same_bits_as_the_machine_that_built_it(run, installed, tmp_path):
    """The golden picture, as the manifest has it, and twelve frames of the film, as this machine has them."""
    engine = read_engine(demo_engine_path())
    golden = engine.manifest.golden
    here = LiteRtBackend(engine.path)
    assert here.report().accelerated, "XNNPACK does not run here, so there is nothing to compare with"
    film = [_input(render(1, index), here.input_spec) for index in range(0, 240, 20)]
    pictures = np.concatenate([golden_input(golden, here.input_spec), *film])
    expected = [
        np.concatenate(outputs) for outputs in zip(*(here.infer_raw(one[None]) for one in pictures), strict=True)
    ]

    there, report = _infer(run, installed / "mnv2_engines/demo/demo.tflite", pictures, tmp_path)

    assert report["file"].startswith(str(installed))
    assert (report["accelerated"], report["left"]) == (True, [])
    assert report["runtime"] == here.report().runtime
    (kept,) = golden.outputs
    assert there[0].dtype == np.int8
    assert there[0][0].tobytes() == kept.values
    assert len({row.tobytes() for row in there[0]}) > 10, "the outputs do not depend on the pictures"
    for mine, theirs in zip(expected, there, strict=True):
        np.testing.assert_array_equal(theirs, mine)


def test_the_demo_reads_the_film(run, tmp_path):
    """Capture thread, exchange, engine, sink and the child that loads the engine for the first time."""
    done = run("-m", "mnv2_edge", "demo", "--frames", "20", "--fps", "10")
    assert "20 right, 0 wrong" in done.stdout
    assert list(tmp_path.glob(".cache/mnv2-edge/tested/*")), "no child has passed the golden test"
    assert "not accelerated" not in done.stderr


@pytest.mark.parametrize("cpu", ["cortex-a76"], indirect=True)
def test_records_of_every_frame_come_out(run):
    done = run("-m", "mnv2_edge", "run", "--camera", "demo?frames=20&seed=3", "--pace", "max", "--format", "jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    results = [record for record in records if "predictions" in record]
    assert [record["frame"] for record in results] == list(range(20))
    assert [record["predictions"][0]["label"] for record in results] == [true_label(3, index) for index in range(20)]


@pytest.mark.parametrize("cpu", ["cortex-a72"], indirect=True)
def test_an_engine_that_is_built_on_arm64_gives_the_same_bits_here(run, installed, tmp_path):
    """The compiler runs there as on a Pi 4; it writes the same file on another machine."""
    photos = tmp_path / "photos"
    _write_film(photos, 12)
    engine = tmp_path / "built.tflite"
    model = installed / "mnv2_engines/demo/demo.onnx"
    built = run("-m", "mnv2_edge", "build-engine", model, "--calibration", photos, "--output", engine)
    assert "all on XNNPACK" in built.stdout
    manifest = read_engine(engine).manifest
    assert manifest.built_on.machine == "aarch64"

    here = LiteRtBackend(engine)
    (raw,) = here.infer_raw(golden_input(manifest.golden, here.input_spec))
    assert raw.tobytes() == manifest.golden.outputs[0].values


def _modules(folder: Path, package: str) -> set[str]:
    files = [path.relative_to(folder) for path in (folder / package).rglob("*.py") if path.name != "__main__.py"]
    return {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}


def _input(frame, spec):
    height, width = spec.size_hw
    cut = frame[:height, :width]
    assert cut.shape == (height, width, 3)
    return (cut ^ 0x80).view(DTYPES[spec.dtype])[np.newaxis]


def _infer(run, engine, pictures, folder):
    np.save(folder / "pictures.npy", pictures)
    report = json.loads(run("-c", INFER, engine, folder / "pictures.npy", folder / "outputs.npz").stdout)
    with np.load(folder / "outputs.npz") as outputs:
        return [outputs[name] for name in outputs.files], report


def _write_film(folder, count):
    import cv2

    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:03}.png"), render(7, index * 20)[..., ::-1])
