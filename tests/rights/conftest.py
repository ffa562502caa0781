"""The shop of tests/rights/shop.py, pulled once for all of these tests."""

import shutil
from pathlib import Path

import pytest

from kith.runs.run import Run
from tests.conftest import new_run
from tests.rights import shop
from tests.rights.shop import identify, pull_and_admit


@pytest.fixture(scope="session")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, pulled, admitted and identified, with a release; not to be changed."""
    folder = tmp_path_factory.mktemp("rights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(folder / "home"))
        patch.setenv("KITH_IDENTIFIER_KEY", shop.KEY)
        run = pull_and_admit(shop.write_shop(folder / "shop"))
        identify(run)
        shop.release(run)
    return folder


@pytest.fixture
def run(
    pulled: Path, kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """A copy of it."""
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", shop.KEY)
    monkeypatch.delenv("KITH_FORMER_IDENTIFIER_KEYS", raising=False)
    for name in ("home", "shop"):
        shutil.copytree(pulled / name, tmp_path / name, symlinks=True)
    return new_run(tmp_path / "shop", "2024-03-01", "2024-03-31")
