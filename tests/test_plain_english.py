"""Docstrings are plain English: classes are noun phrases, and nothing "is no" something."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "edge" / "mnv2_edge", ROOT / "engines" / "mnv2_engines")

IMPERATIVES = (
    "add apply ask be begin bring build call check choose collect combine compare compute connect convert copy "
    "count decide declare decode define describe do draw drop fetch find fix follow forget give go guess have hear "
    "help hide hold import judge keep know let list load look make map measure merge multiply name notice number "
    "offer open own pass pick point print publish put quantise raise read redact reduce refuse remember remove "
    "render replace resolve return run save say see send serve show speak stand start state store sum take tell try "
    "turn type use wait watch work write yield "
)
"""Verbs that begin a command. Words that are mostly nouns ("Scale", "Walk", "Cut", "Record") are not among them."""

_IS_NO = re.compile(r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|other\b)", re.IGNORECASE)
"""`there is no camera` is plain; `this is no camera` is not."""


@functools.cache
def _modules() -> list[tuple[str, ast.Module]]:
    files = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    assert len(files) > 100
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in files]


def _docstrings() -> Iterator[tuple[str, ast.AST, str]]:
    """Yield the place, the node and the docstring of every module, class and function."""
    for place, module in _modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{place}:{getattr(node, 'lineno', 1)}", node, text


def is_command(text: str) -> bool:
    """Return whether a docstring begins with a verb that tells the reader what to do."""
    word = re.match(r"([A-Za-z]+)(?! of\b|[A-Za-z,:])", text)  # "Count of the pictures" and "State, start" are nouns
    return word is not None and word.group().lower() in IMPERATIVES.split()


@pytest.mark.parametrize("text", ["Be beaten by one thread.", "Hold all of it.", "Say what went wrong."])
def test_a_command_is_recognised(text: str) -> None:
    assert is_command(text)


@pytest.mark.parametrize("text", ["Liveness counter of one worker thread.", "Count of the pictures.", "`CudaRuntime`."])
def test_a_noun_phrase_is_recognised(text: str) -> None:
    assert not is_command(text)


def test_docstrings_of_modules_and_classes_are_noun_phrases() -> None:
    """A reader who meets `Heartbeat` asks what it is, not what to do."""
    wrong = [
        f"{place} {getattr(node, 'name', '')}: {text.splitlines()[0]}"
        for place, node, text in _docstrings()
        if isinstance(node, ast.Module | ast.ClassDef) and is_command(text)
    ]
    assert not wrong, 'begin with a noun, as in "Liveness counter of one worker thread.":\n' + "\n".join(wrong)


def test_no_docstring_says_is_no() -> None:
    """`is not a key` is read at once by people whose first language is another one; `is no key` is not."""
    wrong = [
        f"{place}: {match.group()}..."
        for place, _, text in _docstrings()
        for match in _IS_NO.finditer(" ".join(text.split()))
    ]
    assert not wrong, 'write "is not a ..." or "has no ...":\n' + "\n".join(wrong)


def test_no_message_says_is_no() -> None:
    """The same holds for texts that users read."""
    wrong = []
    for place, module in _modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _IS_NO.search(node.value):
                wrong.append(f"{place}:{node.lineno}: {node.value[:80]!r}")
    assert not wrong, 'write "is not a ..." or "has no ...":\n' + "\n".join(wrong)
