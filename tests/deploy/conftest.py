"""What the tests of the installer share."""

from pathlib import Path

import pytest

from support.laid_over import make_given


@pytest.fixture(scope="package")
def given(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what is to be installed on a system laid over this one, and what is planted there."""
    folder = tmp_path_factory.mktemp("given")
    make_given(root, folder)
    return folder
