"""Text from outside, made safe to print: it cannot steer a terminal or forge a line of a log."""

__all__ = ["printable"]


def printable(text: str, keep: str = "") -> str:
    """Return `text` with ? for all that is not a letter, figure, sign or plain space, except for what is in `keep`.

    So go control characters (escape sequences begin with one), line ends, bytes of a file name that are not text, and
    marks that turn the direction of writing round.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else "?" for char in text)
