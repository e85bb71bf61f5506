"""Keep text that comes from elsewhere from steering a terminal or forging a line of a log."""

__all__ = ["printable"]


def printable(text: str, keep: str = "") -> str:
    """Return `text` with ? for all that is no letter, figure, sign or plain space, except for what is in `keep`.

    So go control characters (escape sequences begin with one), line ends, bytes of a file name that are no text, and
    marks that turn the direction of writing round.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else "?" for char in text)
