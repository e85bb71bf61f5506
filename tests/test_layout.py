"""The layout and the names of both packages, as CONTRIBUTING.md states them."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "edge" / "mnv2_edge", ROOT / "engines" / "mnv2_engines")

MOST_IN_ROOT = 26
MOST_IN_FOLDER = 14
MOST_MODULES = 380
MOST_LINES = 300

EXEMPT = ("edge/mnv2_edge/cli",)
"""Folders that may hold more names: one module a command."""

SHARED_NAMES = {
    "archive": "a format that things travel in: reports, engines",
    "backend": "the backend of one format",
    "broker": "the MQTT broker: how a sink reaches it, how setup chooses it",
    "build": "the build of an engine: its steps, into a store, as text",
    "builder": "the builder of one format, and the interface of all",
    "cameras": "the cameras of a machine: as a command, as a check",
    "certificates": "TLS certificates: of cameras, as a check",
    "classification": "the classifier's figures: counted, as text, as a page",
    "classify": "the classifier: its task, its evaluation",
    "demo": "the demo: the command, the source",
    "detect": "the detector: its task, its evaluation",
    "detection": "the detector's figures: counted, as text",
    "engines": "the engines of a store: as a command, as text, as a check, for the service",
    "errors": "a package's errors",
    "evaluate": "the evaluation: the command, what it runs",
    "file": "one weight file of a framework",
    "files": "files of one kind: of a source, of setup, of /proc, of labels",
    "format": "an engine format: the type, and each format of that type",
    "graph": "a network as a graph: as it is inspected, as it is compiled",
    "head": "a classifier's head: as data, as Keras stores it",
    "install": "files put in place: an engine, a model",
    "jetson": "the Jetson: what it says, its checks",
    "machine": "this machine: as the doctor sees it, as setup does",
    "memory": "memory: of the machine, of a network, before a build",
    "model": "types of a configuration; a network that is chosen or read",
    "models": "the models of the catalogue: for the runtime, as a command, as text",
    "network": "a network as it is loaded or handed on",
    "onnx_file": "an ONNX file, read for one purpose",
    "pictures": "pictures: as a source, for calibration",
    "plugins": "plug-ins: how they are found, as a command",
    "reference": "a reference to an engine: a file, a name in a store; and the float reference of a compiled network",
    "request": "the request for a build: from flags, as data",
    "schema": "a JSON Schema: of the configuration, of records",
    "segment": "the segmenter: its task, its evaluation",
    "segmentation": "the segmenter's figures: counted, as text",
    "storage": "file systems: what the host says, their checks",
    "system": "the system: what the host says, its checks",
    "tensors": "descriptions of tensors: of a network, of PyTorch",
    "testing": "checks for authors of plug-ins",
    "trial": "a trial: of a camera, of a network, of a GPU",
}
"""Base names of several modules, and the part that all of them play."""

SHARED_CLASSES = {"ContractBrokenError": "the same error of `testing` in both packages, each in its own error tree"}


def modules() -> list[Path]:
    """Return every module of both packages, `__init__.py` left out."""
    found = [path for package in PACKAGES for path in sorted(package.rglob("*.py")) if path.name != "__init__.py"]
    assert len(found) > 100
    return found


def names_in(folder: Path) -> list[str]:
    """Return the modules of a folder and the folders with modules."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path.is_dir() and any(path.rglob("*.py")))
    )


def where(path: Path) -> str:
    """Return a path as it is shown."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_root_can_be_read_at_a_glance(package: Path) -> None:
    assert len(names_in(package)) <= MOST_IN_ROOT, names_in(package)


def test_a_folder_can_be_read_at_a_glance() -> None:
    folders = {path.parent for path in modules()} - set(PACKAGES)
    crowded = {
        where(folder): len(names_in(folder))
        for folder in folders
        if len(names_in(folder)) > MOST_IN_FOLDER and where(folder) not in EXEMPT
    }
    assert not crowded, f"more than {MOST_IN_FOLDER} names: make a folder of those that belong together"


def test_modules_are_few_and_short() -> None:
    assert len(modules()) <= MOST_MODULES
    long = {
        where(path): lines
        for package in PACKAGES
        for path in package.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
    }
    assert not long, f"more than {MOST_LINES} lines: a module holds one idea"


def test_a_module_name_occurs_twice_only_for_the_same_part() -> None:
    by_name = defaultdict(list)
    for path in modules():
        by_name[path.stem].append(where(path))
    twice = {name: paths for name, paths in by_name.items() if len(paths) > 1}
    new = {name: paths for name, paths in twice.items() if name not in SHARED_NAMES}
    assert not new, "another module has that name: say more, or add to SHARED_NAMES the part that both play"
    assert not set(SHARED_NAMES) - set(twice), "remove what occurs once from SHARED_NAMES"


def test_a_class_name_has_one_meaning() -> None:
    by_name = defaultdict(list)
    for path in (path for package in PACKAGES for path in sorted(package.rglob("*.py"))):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                by_name[node.name].append(where(path))
    twice = {name: paths for name, paths in by_name.items() if len(paths) > 1}
    new = {name: paths for name, paths in twice.items() if name not in SHARED_CLASSES}
    assert not new, "two classes have that name: say which one is meant, as in `BoardLimits` and `AccuracyLimits`"
    assert not set(SHARED_CLASSES) - set(twice), "remove what occurs once from SHARED_CLASSES"


_NAME = re.compile(r"(?<![\w./-])(?:mnv2_edge|mnv2_engines)(?:\.[A-Za-z]\w*)+")
_PATH = re.compile(r"(?<![\w/])(?:edge/mnv2_edge|engines/mnv2_engines)/[\w/.-]*\w")


def documents() -> list[Path]:
    """Return what names modules: the documents, pyproject.toml, and the modules themselves."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.py")]
    found = [ROOT / "pyproject.toml", *pages, *(path for package in PACKAGES for path in package.rglob("*.py"))]
    assert len(found) > 100
    return found


def is_there(dotted: str) -> bool:
    """Return whether a dotted name leads to a package, to a module, or to a word of one."""
    parts = dotted.split(".")
    place = next(package for package in PACKAGES if package.name == parts[0])
    for number, part in enumerate(parts[1:], 1):
        if (place / f"{part}.py").is_file():
            rest, text = parts[number + 1 :], (place / f"{part}.py").read_text(encoding="utf-8")
            return not rest or re.search(rf"\b{rest[0]}\b", text) is not None
        if not (place / part).is_dir():
            text = (place / "__init__.py").read_text(encoding="utf-8") if (place / "__init__.py").is_file() else ""
            return re.search(rf"\b{part}\b", text) is not None
        place = place / part
    return True


@pytest.mark.parametrize("dotted", ["mnv2_edge.nowhere", "mnv2_engines.store.nowhere", "mnv2_edge.errors.NoSuchError"])
def test_a_name_that_leads_nowhere_is_noticed(dotted: str) -> None:
    assert not is_there(dotted)


def test_documents_name_modules_that_exist() -> None:
    wrong = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        gone = {name for name in _NAME.findall(text) if not is_there(name)}
        gone |= {name for name in _PATH.findall(text) if not (ROOT / name).exists()}
        wrong += [f"{where(path)}: {name}" for name in sorted(gone)]
    assert not wrong, "these were moved or renamed:\n" + "\n".join(wrong)
