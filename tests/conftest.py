"""Fixtures that every test may use."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Mind Ctrl-C also when a shell has started the tests with `&`: it lets such processes ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _store_of_their_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the engines of whoever runs them."""
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path_factory.getbasetemp() / "no-engines"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real models and photographs that lies beside the checkout, or skip."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip(f"{folder} with real models and photographs is not beside the checkout")
    return folder
