"""How a TFLite file is told from any other."""

from typing import Final

__all__ = ["is_tflite"]

_FILE_IDENTIFIER: Final = b"TFL3"  # `file_identifier` of its schema


def is_tflite(raw: bytes) -> bool:
    """Tell whether these are the first bytes of a TFLite flatbuffer."""
    return raw[4:8] == _FILE_IDENTIFIER
