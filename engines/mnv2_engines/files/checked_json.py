"""Facts as JSON with a checksum, so that a changed bit is noticed."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["UNREADABLE", "checksum", "encode_with_checksum"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, or not what was expected: damaged ones, or ten thousand brackets."""


def encode_with_checksum(facts: msgspec.Struct) -> bytes:
    """Return a struct that has a field `checksum` as indented JSON with that field filled in."""
    tree = msgspec.to_builtins(facts)
    return msgspec.json.format(msgspec.json.encode({**tree, "checksum": checksum(tree)}), indent=1) + b"\n"


def checksum(tree: Mapping[str, object]) -> str:
    """Return the SHA-256 of what a file says, whatever its white space, with its own `checksum` empty.

    Fields that this program does not know count too: one that a later program adds must not pass as unchanged.
    """
    return hashlib.sha256(msgspec.json.encode({**tree, "checksum": ""}, order="sorted")).hexdigest()
