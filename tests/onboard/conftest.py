from pathlib import Path

import pytest

from kith.onboard.scaffold import Scaffolded, scaffold
from tests.onboard.strangers import (
    Make,
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def make(tmp_path: Path, files: Path, kith_home: Path) -> Make:
    """Scaffold the files as company `shop`."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")

    def scaffolded(name: str = "shop") -> Scaffolded:
        return scaffold(name, files, tmp_path / "companies" / name)

    yield scaffolded
    monkey.undo()
