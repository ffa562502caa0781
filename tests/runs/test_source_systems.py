"""Programs that stand for a company's real systems while Kith runs."""

import datetime as dt
from pathlib import Path

import pytest

from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError
from kith.runs.source_systems import source_systems, source_systems_script
from kith.settings import REPOSITORY

SERVES = """
import json, pathlib, sys
folder, *days = sys.argv[1:]
print(json.dumps({"SHOP_DAYS": " ".join(days), "SHOP_PORT": 7}), flush=True)
sys.stdin.read()
(pathlib.Path(folder) / "ended").touch()
"""


@pytest.fixture
def company(tmp_path: Path) -> Company:
    shop = load_company(REPOSITORY / "tests/companies/corner_shop")
    days = {"first_day": dt.date(2024, 1, 1), "last_day": dt.date(2024, 12, 31)}
    return shop.model_copy(update={"folder": tmp_path, **days})


def state(company: Company) -> Path:
    return company.folder / "home" / company.name / "source_systems"


def test_a_company_without_them_needs_no_variables(company: Company) -> None:
    assert source_systems_script(company) is None
    with source_systems(company, company.folder / "home") as variables:
        assert variables == {}


def test_they_serve_until_the_run_is_over(company: Company) -> None:
    (company.folder / "source_systems.py").write_text(SERVES)
    with source_systems(company, company.folder / "home") as variables:
        assert variables == {"SHOP_DAYS": "2024-01-01 2024-12-31", "SHOP_PORT": "7"}
        assert not (state(company) / "ended").exists()
    assert (state(company) / "ended").exists()


def test_they_end_with_a_run_that_fails(company: Company) -> None:
    (company.folder / "source_systems.py").write_text(SERVES)
    with (
        pytest.raises(KeyboardInterrupt),
        source_systems(company, company.folder / "home"),
    ):
        raise KeyboardInterrupt
    assert (state(company) / "ended").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "raise SystemExit('no room')",
            r"ended with 1 .* no room",
        ),
        ("pass", r"ended with 0 instead of serving: \(no output\)"),
        ("print('secret')", "its first line is no JSON object"),
        ("print('[1]')", "its first line is no JSON object"),
    ],
)
def test_what_does_not_come_up_is_named(
    script: str, message: str, company: Company
) -> None:
    (company.folder / "source_systems.py").write_text(script)
    with (
        pytest.raises(ConfigurationError, match=message) as caught,
        source_systems(company, company.folder / "home"),
    ):
        pass
    assert "secret" not in str(caught.value)
