"""No two modules import each other when they are loaded, not by way of others either."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "edge", ROOT / "engines")


def modules() -> dict[str, Path]:
    """Return every module of both packages by its dotted name."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in FOLDERS
        for path in folder.glob("mnv2_*/**/*.py")
    }


def loaded(body: list[ast.stmt]) -> Iterator[ast.ImportFrom | ast.Import]:
    """Yield the imports that run when a module is loaded: those of type checkers and of functions do not."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.dump(node.test):
                yield from loaded(node.body)
            yield from loaded(node.orelse)
        elif isinstance(node, ast.Try):
            yield from loaded(node.body)


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    names = set()
    for node in loaded(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            names |= {
                whole if (whole := f"{node.module}.{alias.name}") in known else node.module for alias in node.names
            }
    return names & known.keys()


def test_no_modules_import_each_other():
    known = modules()
    assert len(known) > 300
    graph = {name: imported(path, known) - {name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"these import each other: {' -> '.join(error.args[1])}") from None
