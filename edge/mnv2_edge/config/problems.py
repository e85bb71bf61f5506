"""The mistakes in a configuration, collected so that all of them are reported at once."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mnv2_edge.errors import ConfigError
from mnv2_engines.printable import printable

__all__ = ["Mistake", "Mistakes", "did_you_mean"]

_MOST = 100
"""More mistakes than this are counted, not printed: the file is then of another kind altogether."""
_LONGEST = 400
"""Characters of one message; only a file that is not a configuration has values so long."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a file."""

    line: int
    """In the file, from 1."""
    path: str
    """Of the key, for example ``cameras[0].flip``; empty for the file as a whole."""
    message: str
    """The value, what was expected, and what to write instead."""


@dataclass(slots=True)
class Mistakes:
    """All mistakes of one file."""

    file: str
    found: list[Mistake] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Mistake]:
        return iter(sorted(self.found))

    def add(self, line: int, path: str, message: str) -> None:
        """Note one more: one line of bearable length, whatever characters the file's keys and values are made of."""
        text = printable(" ".join(message.split()))
        cut = f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text
        self.found.append(Mistake(line, printable(path[-_LONGEST:]), cut))

    def raise_if_any(self) -> None:
        """Raise a ConfigError with a line per mistake, in the order of the file; return when there is none."""
        if not self.found:
            return
        lines = [
            f"{self.file}:{mistake.line}: {f'{mistake.path}: ' if mistake.path else ''}{mistake.message}"
            for mistake in list(self)[:_MOST]
        ]
        if len(self) > _MOST:
            lines.append(
                f"{self.file}: and {len(self) - _MOST} more; `mnv2-edge config init` writes a file to begin with"
            )
        raise ConfigError("\n".join(lines))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` for the name nearest to `word`; nothing when none is near."""
    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), names, n=1)
    return f", did you mean {names[near[0]]!r}?" if near else ""
