"""Take the code out of a guide."""

import re


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return language and content of every fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
