"""Commands that ask what Kith knows."""

from pathlib import Path

import pytest

from kith_airflow.cli import main
from tests.kith_airflow.commands.conftest import SHOP


def test_show_asks_the_release_of_the_company(
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    monkeypatch.setenv("CUSTOMER", "c0ffee12")
    assert main(["show"]) == 1
    database = kith_home / "corner_shop" / "published" / "current" / "kith.duckdb"
    assert capsys.readouterr().err == (
        f"Failed: {database}: no release; publish one first: make run COMPANY={SHOP}\n"
    )
