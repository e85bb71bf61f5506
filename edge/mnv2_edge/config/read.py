"""The reader of configuration files."""

from pathlib import Path

from mnv2_edge.config.check import check_document
from mnv2_edge.config.document import MAX_BYTES, parse_document
from mnv2_edge.config.model import Config
from mnv2_edge.config.problems import Mistakes
from mnv2_edge.config.rules import Registered, registered_names
from mnv2_edge.errors import ConfigError
from mnv2_engines.files.regular_file import read_start

__all__ = ["parse_config", "read_config"]


def read_config(path: Path) -> Config:
    """Return what the file says, with a default for all that it does not.

    Raises ConfigError with a line for every mistake, each with file, line, key, what is wrong and what was expected.
    """
    try:
        data = read_start(path, MAX_BYTES + 1)
    except OSError as exc:
        hint = f"; `mnv2-edge config init {path}` writes one" if isinstance(exc, FileNotFoundError) else ""
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}{hint}") from exc
    return parse_config(data, str(path), registered_names())


def parse_config(data: bytes, file: str, registered: Registered) -> Config:
    """Return what the bytes of a configuration `file` say. Raises ConfigError as `read_config` does."""
    mistakes = Mistakes(file)
    if len(data) > MAX_BYTES:
        mistakes.add(1, "", f"is larger than {MAX_BYTES // 1024} KiB, which no configuration is")
        mistakes.raise_if_any()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        mistakes.add(data.count(b"\n", 0, exc.start) + 1, "", f"is not UTF-8 text: byte {data[exc.start]:#04x}")
        mistakes.raise_if_any()
        raise
    if not text.strip():
        mistakes.add(1, "", f"is empty; `mnv2-edge config init --force {file}` writes a file to begin with")
    return check_document(parse_document(text, mistakes), registered, mistakes)
