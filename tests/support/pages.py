"""Hold an HTML page to being well formed and standing alone."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Notice tags that are not closed, and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href"} and not value.startswith("data:")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def check(html: str) -> Checker:
    """Return what was seen of a page in which every tag is closed and nothing is fetched."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert checker.fetched == []
    return checker
