"""Questions to the user who sets up a device: the interface of conversation and terminal, and default answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from mnv2_edge.errors import EdgeError, UsageError
from mnv2_edge.redaction import add_secret
from mnv2_engines.printable import printable

__all__ = ["DefaultPrompts", "Mark", "Option", "Prompts", "Show", "ask_password", "with_user"]

T = TypeVar("T")
_T_co = TypeVar("_T_co", covariant=True)

Mark: TypeAlias = Literal["plain", "good", "doubt", "bad", "heading", "command"]
"""What a line is: a terminal may colour it."""
Show: TypeAlias = Callable[[str, Mark], None]


@dataclass(frozen=True, slots=True)
class Option(Generic[_T_co]):
    """One of the answers that are offered."""

    value: _T_co
    label: str
    detail: str = ""


class Prompts(Protocol):
    """Questions to the user who sets the device up. Enter takes the default of each.

    Every question may raise KeyboardInterrupt or click.Abort: the user wants to stop.
    """

    def show(self, text: str, mark: Mark = "plain") -> None:
        """Write a line."""
        ...

    def choose(self, question: str, options: Sequence[Option[T]], default: int = 0) -> T:
        """Return the value of one of the options."""
        ...

    def ask(self, question: str, check: Callable[[str], T], default: str = "") -> T:
        """Return what `check` makes of the answer; what it raises of ours is shown, and the question put again."""
        ...

    def ask_secret(self, question: str) -> str:
        """Return what is typed without showing it; empty for Enter."""
        ...

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        ...

    def recover(self, error: Exception, options: Sequence[Option[T]]) -> T:
        """Show what went wrong, and return what to do about it. Raises `error` itself when no one can be asked."""
        ...


class DefaultPrompts:
    """Default answers to every question, for `--yes`; a fault ends the setup, because no one can be asked."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def show(self, text: str, mark: Mark = "plain") -> None:
        """Write a line."""
        self._show(text, mark)

    def choose(self, question: str, options: Sequence[Option[T]], default: int = 0) -> T:
        """Return the default."""
        self._show(f"{question} {options[default].label}", "plain")
        return options[default].value

    def ask(self, question: str, check: Callable[[str], T], default: str = "") -> T:
        """Return the default. Raises UsageError when it is not an answer."""
        try:
            return check(default)
        except EdgeError as exc:
            raise UsageError(f"--yes has no answer to `{question}`: {exc}") from exc

    def ask_secret(self, question: str) -> str:  # noqa: ARG002 - none is typed
        """Return nothing."""
        return ""

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return the default."""
        self._show(f"{question} {'yes' if default else 'no'}", "plain")
        return default

    def recover(self, error: Exception, options: Sequence[Option[T]]) -> T:  # noqa: ARG002 - none is chosen
        """Raise the error."""
        raise error


def with_user(uri: str, user: str) -> str:
    """Return ``scheme://host...`` with this user and no password in it; without a user when that is empty."""
    host = urlsplit(uri).netloc.rpartition("@")[2]
    scheme, _, rest = uri.partition("://")
    after = rest[len(urlsplit(uri).netloc) :]
    return f"{scheme}://{quote(user, safe='')}@{host}{after}" if user else f"{scheme}://{host}{after}"


def ask_password(user: str, prompts: Prompts) -> str:
    """Ask for a user's password, and hide it from now on wherever it might be shown."""
    password = prompts.ask_secret(f"Password of {printable(user)}")
    add_secret(password)
    return password
