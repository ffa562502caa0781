"""Programs that stand for a company's real systems while Kith runs."""

import datetime as dt
import json
import os
import shutil
from pathlib import Path

import pytest

from kith import stages
from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError
from kith.runs.run import Interval, Run
from kith.runs.source_systems import (
    adopt_source_systems,
    source_systems,
    source_systems_script,
    unset_variables,
)
from kith.settings import REPOSITORY, environment_variable, identifier_key

SHOP = REPOSITORY / "tests/companies/corner_shop"
SERVES = """
import json, pathlib, sys
folder, *days = sys.argv[1:]
print(json.dumps({"SHOP_DAYS": " ".join(days), "SHOP_PORT": 7}), flush=True)
sys.stdin.read()
(pathlib.Path(folder) / "ended").touch()
"""


@pytest.fixture
def company(tmp_path: Path) -> Company:
    shop = load_company(SHOP)
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


def shop(folder: Path, key: str) -> Company:
    """A corner shop whose source systems announce an identifier key."""
    shutil.copytree(SHOP, folder)
    said = json.dumps({"KITH_IDENTIFIER_KEY": key, "SHOP_FILES": str(folder)})
    (folder / "source_systems.py").write_text(
        f"import sys\nprint({said!r}, flush=True)\nsys.stdin.read()\n"
    )
    return load_company(folder).model_copy(update={"name": folder.name})


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KITH_IDENTIFIER_KEY", "SHOP_FILES"):
        monkeypatch.setenv(name, "")  # Set back after the test, whoever sets it.


def test_each_company_adopts_its_own_variables_and_no_others(tmp_path: Path) -> None:
    one, other = shop(tmp_path / "one", "1" * 32), shop(tmp_path / "other", "2" * 32)
    neighbour = load_company(SHOP)
    home = tmp_path / "home"
    with source_systems(one, home), source_systems(other, home):
        adopt_source_systems(neighbour, home)
        assert identifier_key() is None
        adopt_source_systems(one, home)
        assert identifier_key() == "1" * 32
        adopt_source_systems(other, home)
        assert identifier_key() == "2" * 32
        assert environment_variable("SHOP_FILES") == str(tmp_path / "other")
        kept = home / "one" / "source_systems" / "variables.json"
        assert kept.stat().st_mode & 0o777 == 0o600
    assert not kept.exists()


@pytest.mark.parametrize("stage", ["build", "admit"])
def test_the_stage_has_the_key_in_a_process_of_its_own(
    stage: str, tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = shop(tmp_path / "corner_shop", "1" * 32)
    year = Interval(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    run = Run(company, year, "run_1", kith_home).to_dict()
    keys = []
    for done in ("kith.build.candidate.build", "kith.admit.table.admit_table"):
        monkeypatch.setattr(done, lambda *_: keys.append(identifier_key()))
    with source_systems(company, kith_home):
        if stage == "build":
            stages.build(run)
        else:
            stages.admit(run, company.sources[0].full_name)
    assert keys == ["1" * 32]


def test_source_systems_that_do_not_run_are_named(tmp_path: Path) -> None:
    company = shop(tmp_path / "one", "1" * 32)
    before = dict(os.environ)
    with pytest.raises(ConfigurationError, match=r"source_systems\.py: does not run"):
        adopt_source_systems(company, tmp_path / "home")
    assert dict(os.environ) == before


def test_variables_of_paths_are_missed_unless_source_systems_bring_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = shop(tmp_path / "one", "1" * 32)
    table = company.sources[0]
    rules = table.rules.model_copy(update={"path": "${SHOP_FILES}/${NO_ONE}/x.csv"})
    sources = [table.model_copy(update={"rules": rules}), *company.sources[1:]]
    company = company.model_copy(update={"sources": sources})
    assert unset_variables(company) == []
    (tmp_path / "one" / "source_systems.py").unlink()
    assert unset_variables(company) == ["NO_ONE", "SHOP_FILES"]
    monkeypatch.setenv("SHOP_FILES", "/data")
    assert unset_variables(company) == ["NO_ONE"]
