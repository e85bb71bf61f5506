"""A server, a home, and a retry policy that does not take a test's time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mnv2_engines.catalogue import ModelHome, RetryPolicy
from support.file_server import FileServer, file_server


@dataclass
class Waits:
    """Take the place of `time.sleep`: remember how long a pull would have waited."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def retries(waits) -> RetryPolicy:
    return RetryPolicy(timeout_s=10, tries=3, wait=waits)


@pytest.fixture
def home(tmp_path) -> ModelHome:
    return ModelHome(tmp_path / "home" / "models")
