"""YAML as safe_load reads it, with lines, and without what makes YAML dangerous."""

import time

import pytest
import yaml

from mnv2_edge.config.document import INVALID, MAX_BYTES, YamlNode, parse_document
from mnv2_edge.config.problems import Mistakes


def parse(text: str) -> tuple[YamlNode, list[str]]:
    mistakes = Mistakes("f.yaml")
    node = parse_document(text, mistakes)
    return node, [f"{one.line}: {one.path}: {one.message}" for one in mistakes]


def plain(node: YamlNode) -> object:
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 'y', \"z\", 1.5, true, null, ~]\nc: {d: {e: -3}}\n",
        "- 0x1F\n- 0o17\n- 1:30\n- 1_000\n- .inf\n- on\n- No\n",
        "a: |\n  two\n  lines\nb: >\n  folded\n  text\n",
        "# nothing but a comment\na: !!str 5\n",
    ],
)
def test_values_are_those_of_safe_load(text):
    node, mistakes = parse(text)
    assert mistakes == []
    assert plain(node) == yaml.safe_load(text)


def test_lines_of_values_and_keys_are_known():
    node, _ = parse("# comment\na: 1\nb:\n  - x\n  -\n    c: |\n      text\n")
    assert node.value["a"].line == 2
    assert node.value["b"].key_line == 3
    assert node.value["b"].line == 4
    assert node.value["b"].value[1].value["c"].key_line == 6


def test_a_number_keeps_its_text():
    node, _ = parse("a: 007\nb: 1_0.50\n")
    assert [node.value[name].text for name in "ab"] == ["007", "1_0.50"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: a: stands twice, first in line 1: expected once"),
        ("a: &x [1]\nb: *x\n", "2: b: aliases (*x) are not supported: write the value again"),
        ("a: !!python/object/apply:os.system [ls]\n", "1: a: the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !secret x\n", "1: a: the tag !secret is not supported"),
        ("a: 1\n---\nb: 2\n", "2: : a second document begins here"),
        ("on: 1\n", "1: : 'on' is a truth value in YAML: put the key in quotes"),
        ("? [1, 2]\n: 3\n", "1: : a key is not text"),
        ("a: 0x_\n", "1: a: '0x_' is not a whole number: put text in quotes"),
        ("a: !!bool maybe\n", "1: a: 'maybe' is not a truth value"),
        ("a: !!int ''\n", "1: a: '' is not a whole number"),
        (f"a: {'9' * 5000}\n", "1: a: '9999"),
        ("a: [1, 2\nb: 3\n", "2: : is not YAML: while parsing a flow sequence"),
        ("a:\n\tb: 1\n", "2: : is not YAML: while scanning for the next token, found character '\\t'"),
        ("a: 1\nb: \x07\n", "2: : is not YAML: character 7 is not allowed in it"),
        ("%YAML 9.1\n---\na: 1\n", "1: : is not YAML: found incompatible YAML document"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text, expected):
    _, mistakes = parse(text)
    assert len(mistakes) == 1
    assert mistakes[0].startswith(expected)


def test_mistakes_do_not_hide_each_other():
    node, mistakes = parse("a: &x 1\nb: *x\nc: {d: 0x_, d: 1}\ne: ok\n")
    assert len(mistakes) == 3
    assert node.value["b"].value is INVALID
    assert node.value["e"].value == "ok"


@pytest.mark.parametrize(
    "text",
    ["[" * MAX_BYTES, "{" * MAX_BYTES, "? " * (MAX_BYTES // 2), "- " * (MAX_BYTES // 2), "[[]," * (MAX_BYTES // 4)],
    ids=["lists", "mappings", "keys", "dashes", "pairs"],
)
def test_depth_costs_no_time_and_no_stack(text):
    """The parser alone takes minutes for some of these: its time grows with the square of the depth."""
    begun = time.monotonic()
    _, mistakes = parse(text)
    assert time.monotonic() - begun < 10
    assert len(mistakes) == 1
    assert "deeper than 16 levels" in mistakes[0]


def test_ten_lines_cannot_unfold_into_gigabytes():
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    _, mistakes = parse(laughs)
    assert len(mistakes) == 118
