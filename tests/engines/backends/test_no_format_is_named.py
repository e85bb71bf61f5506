"""No code asks which engine format it has: what is different about one stands in its own package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnv2_engines.backends.registry import format_names

OWN = ("engines/mnv2_engines/tflite/", "engines/mnv2_engines/tensorrt/", "engines/mnv2_engines/cuda/")
"""The packages of LiteRT and TensorRT. The compiler is LiteRT's: its float files are what every build is judged by, and
`mnv2_engines.tflite` itself may be imported by all."""

ALLOWED = {
    "edge/mnv2_edge/cli/doctor.py": "asks after the GPU where there is a Jetson",
    "edge/mnv2_edge/doctor/device/jetson.py": "looks at a Jetson's TensorRT, CUDA and memory",
    "edge/mnv2_edge/doctor/gpu/report.py": "compares the GPU with the CPU, which is what it is for",
    "edge/mnv2_edge/doctor/gpu/trial.py": "times TensorRT beside LiteRT, which is what it is for",
    "edge/mnv2_edge/setup/machine.py": "asks whether this is a Jetson, to offer what it needs",
}
BANNED = ("mnv2_engines.tensorrt", "mnv2_engines.tflite.litert")
NAMES = frozenset({"litert", "tensorrt"})


def modules(root: Path) -> Iterator[Path]:
    for folder in ("edge/mnv2_edge", "engines/mnv2_engines"):
        yield from sorted((root / folder).rglob("*.py"))


def is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in NAMES


def namings(tree: ast.AST) -> Iterator[str]:
    """Yield where a module branches on a format's name, or imports a format's package."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            parts += [one for part in parts if isinstance(part, (ast.Set, ast.Tuple, ast.List)) for one in part.elts]
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice, *(node.slice.elts if isinstance(node.slice, ast.Tuple) else ())]
        elif isinstance(node, ast.Call):
            parts = [one for arg in node.args if isinstance(arg, (ast.Set, ast.List, ast.Tuple)) for one in arg.elts]
        if any(is_name(part) for part in parts):
            yield f"line {node.lineno} asks for a format by its name"
        imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        imported += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in imported:
            if name.startswith(BANNED):
                yield f"line {node.lineno} imports {name}"


def test_nothing_but_its_own_package_names_a_format(root: Path) -> None:
    assert set(format_names()) >= NAMES
    found = {}
    for path in modules(root):
        where = path.relative_to(root).as_posix()
        if not where.startswith(OWN):
            told = list(namings(ast.parse(path.read_text(encoding="utf-8"))))
            if told:
                found[where] = told
    assert found.keys() == ALLOWED.keys(), {where: told for where, told in found.items() if where not in ALLOWED}


@pytest.mark.parametrize(
    "code",
    [
        'if kind == "litert": pass',
        'if kind in {"tensorrt", "other"}: pass',
        'BUILDERS = {"litert": 1}',
        'match kind:\n    case "tensorrt": pass',
        'Kind = Literal["litert", "tensorrt"]',
        'frozenset({"litert"})',
        "from mnv2_engines.tensorrt.runtime.backend import TensorRtBackend",
        "def f():\n    import mnv2_engines.tflite.litert.backend",
    ],
)
def test_it_would_be_noticed(code: str) -> None:
    assert list(namings(ast.parse(code)))
