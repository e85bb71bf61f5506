"""Write facts as JSON that notices when a bit of it changes."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["UNREADABLE", "checksum", "encode_sealed"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not what was expected: rotten ones, and ten thousand brackets."""


def encode_sealed(facts: msgspec.Struct) -> bytes:
    """Return a struct that has a field `checksum` as indented JSON with that field filled in."""
    tree = msgspec.to_builtins(facts)
    return msgspec.json.format(msgspec.json.encode({**tree, "checksum": checksum(tree)}), indent=1) + b"\n"


def checksum(tree: Mapping[str, object]) -> str:
    """Return the SHA-256 of what a file says, whatever its white space, with its own `checksum` empty.

    Fields that this program does not know count too: one that a later program adds must not pass as unchanged.
    """
    return hashlib.sha256(msgspec.json.encode({**tree, "checksum": ""}, order="sorted")).hexdigest()
