"""YAML, read as `yaml.safe_load` does, with the line of every value.

A configuration is trusted no more than any other file: its size and depth are bounded, aliases (which let ten lines
unfold into gigabytes) are refused, tags make no objects, and a key that stands twice is a mistake.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from mnv2_edge.config.problems import Mistakes

__all__ = ["INVALID", "MAX_BYTES", "MAX_DEPTH", "Invalid", "Scalar", "YamlNode", "parse_document"]

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
_LONGEST_NUMBER: Final = 64
_TAG: Final = "tag:yaml.org,2002:"
_KINDS: Final = {"int": "whole number", "float": "number", "bool": "truth value", "null": "empty value"}


class Invalid:
    """Placeholder for a value of the document that is already among the mistakes."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()
Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class YamlNode:
    """One value of the document and its position."""

    value: "Scalar | list[YamlNode] | dict[str, YamlNode] | Invalid"
    line: int
    """From 1."""
    text: str = ""
    """A scalar as it is written."""
    key_line: int = 0
    """Where the key stands whose value this is; 0 where there is none."""


def parse_document(text: str, mistakes: Mistakes) -> YamlNode:
    """Return the one document that `text` holds; whatever cannot be read is added to `mistakes`, its node INVALID.

    An empty document is an empty mapping.
    """
    try:
        return _Builder(text, mistakes).build()
    except _TooDeepError as exc:
        mistakes.add(exc.line, "", f"is nested deeper than {MAX_DEPTH} levels: nothing behind this line was read")
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        reason = ", ".join(part for part in (exc.context, exc.problem) if part)
        mistakes.add(mark.line + 1 if mark else 1, "", f"is not YAML: {reason}")
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        mistakes.add(line, "", f"is not YAML: character {exc.character!r} is not allowed in it")
    return YamlNode(INVALID, 1)


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(slots=True)
class _Builder:
    """Builder of nodes from the parser's events, without recursion and with bounded memory."""

    text: str
    mistakes: Mistakes
    _loader: yaml.SafeLoader = field(init=False)

    def __post_init__(self) -> None:
        self._loader = yaml.SafeLoader(self.text)

    def build(self) -> YamlNode:
        self._next()  # the start of the stream
        root = YamlNode({}, 1)
        documents = 0
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            documents += 1
            if documents > 1:
                self.mistakes.add(_line(event), "", "a second document begins here: expected one")
                break
            root = self._value(self._next(), "", 0)
            self._next()  # the end of the document
        if root.value is None:
            return YamlNode({}, root.line)
        return root

    def _next(self) -> yaml.Event:
        event: yaml.Event = self._loader.get_event()  # type: ignore[no-untyped-call]
        return event

    def _value(self, event: yaml.Event, path: str, depth: int) -> YamlNode:
        if isinstance(event, yaml.AliasEvent):
            self.mistakes.add(_line(event), path, f"aliases (*{event.anchor}) are not supported: write the value again")
            return YamlNode(INVALID, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if depth >= MAX_DEPTH:  # ends here: the parser takes time that grows with the square of the depth
            raise _TooDeepError(_line(event))
        if isinstance(event, yaml.CollectionStartEvent) and event.tag not in {None, "!", f"{_TAG}seq", f"{_TAG}map"}:
            self._refuse_tag(event.tag, _line(event), path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, path, depth)
        return self._mapping(event, path, depth)

    def _refuse_tag(self, tag: str, line: int, path: str) -> None:
        self.mistakes.add(line, path, f"the tag {tag} is not supported: expected a plain value")

    def _sequence(self, start: yaml.Event, path: str, depth: int) -> YamlNode:
        items: list[YamlNode] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, f"{path}[{len(items)}]", depth + 1))
        return YamlNode(items, _line(start))

    def _mapping(self, start: yaml.Event, path: str, depth: int) -> YamlNode:
        entries: dict[str, YamlNode] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._value(event, path, depth + 1)
            name = self._key_name(key, path)
            where = f"{path}.{name}" if path else name
            value = self._value(self._next(), where, depth + 1)
            if name in entries:
                first = entries[name].key_line
                self.mistakes.add(key.line, where, f"stands twice, first in line {first}: expected once")
            elif name:
                entries[name] = YamlNode(value.value, value.line, value.text, key.line)
        return YamlNode(entries, _line(start))

    def _key_name(self, key: YamlNode, path: str) -> str:
        """Return the key as text; empty when it is none, which is then among the mistakes."""
        if isinstance(key.value, Invalid):
            return ""
        if isinstance(key.value, (list, dict)) or not key.text:
            self.mistakes.add(key.line, path, "a key is not text: expected `name: value`")
            return ""
        if isinstance(key.value, bool):
            self.mistakes.add(key.line, path, f"{key.text!r} is a truth value in YAML: put the key in quotes")
            return ""
        return key.text

    def _scalar(self, event: yaml.ScalarEvent, path: str) -> YamlNode:
        line = _line(event)
        tag: str | None = event.tag
        if tag is None or tag == "!":
            tag = str(self._loader.resolve(yaml.ScalarNode, event.value, event.implicit))  # type: ignore[no-untyped-call]
        kind = tag.removeprefix(_TAG)
        if kind in {"str", "timestamp", "merge", "value"}:  # a date is text here: no key holds one
            return YamlNode(event.value, line, event.value)
        if kind not in _KINDS:
            self._refuse_tag(tag, line, path)
            return YamlNode(INVALID, line, event.value)
        try:
            if len(event.value) > _LONGEST_NUMBER:
                raise ValueError("too long")  # noqa: TRY301 - as any other text that is not a number
            value = self._loader.construct_object(yaml.ScalarNode(tag, event.value))
        except (
            ValueError,
            LookupError,
        ):  # `0x_` looks like a number and is not one, `!!bool maybe` is not a truth value
            self.mistakes.add(
                line, path, f"{event.value[:_LONGEST_NUMBER]!r} is not a {_KINDS[kind]}: put text in quotes"
            )
            return YamlNode(INVALID, line, event.value)
        return YamlNode(value, line, event.value)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
