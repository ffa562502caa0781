"""A dbt project that a test may break."""

import shutil
from pathlib import Path

import pytest

from kith.build import dbt as dbt_module
from kith.build import unfinished
from kith.settings import REPOSITORY


@pytest.fixture
def project(kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dbt project of the test's own."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(REPOSITORY / "dbt_project", copy)
    for module in (dbt_module, unfinished):
        monkeypatch.setattr(module, "DBT_PROJECT", copy)
    return copy
