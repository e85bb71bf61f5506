"""Every module imports without the heavy libraries: whoever lacks one of them loses what needs it, and nothing else."""

import subprocess
import sys
import textwrap

import pytest

BLOCKED = (
    "ai_edge_litert",
    "cryptography",
    "cuda",
    "cv2",
    "flatbuffers",
    "gi",
    "google",
    "h5py",
    "libcamera",
    "minisign",
    "onnx",
    "onnxruntime",
    "paho",
    "PIL",
    "picamera2",
    "pycocotools",
    "pycuda",
    "rich",
    "tensorrt",
    "tflite_runtime",
    "torch",
)

IMPORT_ALL = """
    import importlib, pkgutil, sys, traceback

    blocked, packages = set(sys.argv[1].split(",")), sys.argv[2].split(",")

    class Block:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in blocked:
                raise ModuleNotFoundError(f"{name} is blocked", name=name)

    sys.meta_path.insert(0, Block())
    failed = count = 0
    for package in packages:
        folder = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(folder, package + "."):
            count += 1
            try:
                importlib.import_module(module.name)
            except Exception:
                failed += 1
                print(module.name, traceback.format_exc().splitlines()[-1])
    print(f"{count} modules, {failed} failed")
"""


def run(code: str, *args: str) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("package", "least"), [("mnv2_edge", 50), ("mnv2_engines", 40)])
def test_every_module_imports_without_heavy_libraries(package, least):
    *failures, summary = run(IMPORT_ALL, ",".join(BLOCKED), package)
    assert failures == []
    assert int(summary.split()[0]) >= least


def test_the_block_blocks():
    """A block that lets everything through would let the test above pass."""
    *failures, summary = run(IMPORT_ALL, "numpy", "mnv2_engines")
    assert any(line.endswith("numpy is blocked") for line in failures)
    assert not summary.endswith(" 0 failed")


def test_configuration_and_errors_do_without_numpy():
    code = """
        import sys
        import mnv2_edge.config.read, mnv2_edge.config.show, mnv2_edge.config.schema, mnv2_edge.config.template
        import mnv2_edge.errors, mnv2_edge.errors, mnv2_edge.records, mnv2_engines.errors
        print(sorted({"numpy", "cv2"} & set(sys.modules)))
    """
    assert run(code) == ["[]"]


def test_a_run_loads_nothing_that_builds_or_fetches():
    """A service that was killed is back when Python has imported all it needs: compilers would double the time."""
    code = """
        import contextlib, sys
        from mnv2_edge.__main__ import main
        sys.argv = "mnv2-edge run --camera demo --format none --max-frames 1".split()
        with contextlib.suppress(SystemExit):
            main()
        others = ("build", "builders", "catalogue", "inspection", "networks", "tensorrt", "tflite", "weights")
        print("mnv2_edge.pipeline.pipeline" in sys.modules)
        print(sorted(name for name in others if f"mnv2_engines.{name}" in sys.modules))
    """
    assert run(code) == ["True", "[]"]


def test_the_networks_know_nothing_of_the_runtime():
    code = """
        import pkgutil, importlib, sys, mnv2_engines
        for module in pkgutil.walk_packages(mnv2_engines.__path__, "mnv2_engines."):
            importlib.import_module(module.name)
        print(sorted(name for name in sys.modules if name.startswith("mnv2_edge")))
    """
    assert run(code) == ["[]"]
