"""Somebody who answers the questions of `mnv2-edge setup` as a test tells them to."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from mnv2_edge.errors import EdgeError
from mnv2_edge.setup.prompts import Mark, Option

T = TypeVar("T")


class Answers:
    """Give each answer to the first question that begins with its words; Enter for every other question.

    Of options the one is taken whose label begins with the answer.
    """

    def __init__(self, *answers: tuple[str, str]) -> None:
        self.left = list(answers)
        self.lines: list[str] = []
        self.troubles: list[str] = []
        self.offered: list[list[str]] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def show(self, text: str, mark: Mark = "plain") -> None:
        self.lines.append(text)

    def choose(self, question: str, options: Sequence[Option[T]], default: int = 0) -> T:
        labels = [option.label for option in options]
        self.offered.append(labels)
        answer = self._answer(question)
        if answer is None:
            return options[default].value
        (chosen,) = [option for option in options if option.label.startswith(answer)]
        return chosen.value

    def ask(self, question: str, check: Callable[[str], T], default: str = "") -> T:
        while True:
            answer = self._answer(question)
            try:
                return check(default if answer is None else answer)
            except EdgeError as exc:
                if answer is None:
                    raise
                self.troubles.append(str(exc))

    def ask_secret(self, question: str) -> str:
        return self._answer(question) or ""

    def confirm(self, question: str, *, default: bool) -> bool:
        answer = self._answer(question)
        return default if answer is None else answer == "yes"

    def recover(self, error: Exception, options: Sequence[Option[T]]) -> T:
        self.troubles.append(str(error))
        if not any("What now?".startswith(words) for words, _ in self.left):
            raise error
        return self.choose("What now?", options)

    def _answer(self, question: str) -> str | None:
        for place, (words, answer) in enumerate(self.left):
            if question.startswith(words):
                del self.left[place]
                return answer
        return None
