import pytest

from mnv2_engines.printable import printable


@pytest.mark.parametrize("text", ["", "a cat", "Ägyptische Katze, 猫 🐈", "50 %; #1"])
def test_what_can_be_shown_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "?[2J?]0;owned?"),
        ("cat\r\nmnv2-edge: all is well", "cat??mnv2-edge: all is well"),
        ("\x9b31m", "?31m"),  # one character is enough for an escape sequence
        ("gnp.\u202etac", "gnp.?tac"),
        ("caf\udce9.jpg", "caf?.jpg"),
        ("\0", "?"),
    ],
)
def test_what_steers_does_not(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_some_may_be_kept() -> None:
    assert printable("one\n\ttwo\x1b", keep="\n\t") == "one\n\ttwo?"
