"""Commands for the rights of a person; what they do is in tests/rights."""

from pathlib import Path

import pytest

from kith.settings import REPOSITORY
from kith_airflow.cli import main

SHOP = REPOSITORY / "tests/companies/corner_shop"


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize("command", ["erase", "export-person"])
def test_without_a_file_nothing_is_looked_for(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    monkeypatch.setenv("TO", str(tmp_path / "handed_out"))
    monkeypatch.delenv("FILE", raising=False)
    assert main([command]) == 1
    assert "FILE" in capsys.readouterr().err
    assert not (tmp_path / "handed_out").exists()
