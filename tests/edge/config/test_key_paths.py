"""What is expected is said in words that a reader of the file understands."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import inspect

from mnv2_edge.config.key_paths import expected


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (Annotated[int, msgspec.Meta(ge=1, le=64)], "a whole number from 1 to 64"),
        (Annotated[int, msgspec.Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[float, msgspec.Meta(gt=0, le=1000)], "a number above 0 and of at most 1000"),
        (Annotated[float, msgspec.Meta(gt=0, lt=1)], "a number above 0 and below 1"),
        (float | None, "a number"),
        (str, "text"),
        (Annotated[str, msgspec.Meta(pattern="^a$")], "text that matches ^a$"),
        (Annotated[str, msgspec.Meta(pattern="^a$", description="the letter a")], "the letter a"),
        (bool, "true or false"),
        (Literal[1], "1"),
        (Literal["a", "b"], "one of a, b"),
        (tuple[float, float], "2 numbers, as in [1, 2]"),
        (list[str], "a list, a line with `- ` for each"),
        (dict[str, int], "a mapping, a line with `name: value` for each"),
    ],
)
def test_expected(kind, words):
    assert expected(inspect.type_info(kind)) == words
