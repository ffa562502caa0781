"""Which companies Airflow shows, under which names, and which of them can run."""

import shutil
from pathlib import Path

import pytest

from kith.errors import ConfigurationError
from kith.settings import REPOSITORY, load_settings
from kith_airflow import companies
from kith_airflow.companies import (
    by_name,
    dag_id,
    known_companies,
    runnable_company,
    write_dag_files,
)

SHOP = REPOSITORY / "tests/companies/corner_shop"
VARIABLES = ("KITH_COMPANIES", "KITH_COMPANY", "KITH_SFO_SURVEY", "KITH_SERVICE_DESK")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def known() -> dict[str, Path]:
    return known_companies(load_settings())


def test_by_default_those_are_shown_that_can_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The demo's variables are set by its own source systems.
    assert set(known()) == {"complete_journey", "demo"}
    monkeypatch.setenv("KITH_SFO_SURVEY", "/data")
    assert set(known()) == {"complete_journey", "demo", "sfo_survey"}
    monkeypatch.setenv("KITH_COMPANY", str(SHOP))
    assert known()["corner_shop"] == SHOP


def test_a_broken_company_is_shown_by_its_folders_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broken", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "company.yml").write_text("name: [")
    monkeypatch.setattr(companies, "COMPANIES", tmp_path)
    assert set(known()) == {"broken", "demo"}


def test_who_is_named_is_shown_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_COMPANIES", f"companies/sfo_survey, {SHOP}")
    assert known() == {
        "sfo_survey": REPOSITORY / "companies" / "sfo_survey",
        "corner_shop": SHOP,
    }


def test_a_name_is_given_once(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SHOP, tmp_path / "copy"))
    assert by_name([SHOP, copy]) == {"corner_shop": SHOP, "copy": copy}
    with pytest.raises(
        ConfigurationError, match=r"copy/company\.yml: name: corner_shop is not copy"
    ):
        runnable_company("copy", str(copy))
    same = Path(shutil.copytree(SHOP, tmp_path / "other" / "corner_shop"))
    with pytest.raises(ConfigurationError, match=f"the name of {SHOP} as well"):
        by_name([SHOP, same])


def test_a_company_without_its_variables_cannot_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = str(REPOSITORY / "companies" / "service_desk")
    with pytest.raises(
        ConfigurationError, match=r"sources\.yml: .*KITH_SERVICE_DESK is not set"
    ):
        runnable_company("service_desk", folder)
    monkeypatch.setenv("KITH_SERVICE_DESK", "/data")
    assert runnable_company("service_desk", folder).title == "IT service desk"


def test_dag_files_are_written_only_where_they_change(tmp_path: Path) -> None:
    quoted = Path("/companies/it's")
    write_dag_files(tmp_path, {"shop": SHOP, "quoted": quoted})
    file = tmp_path / f"{dag_id('shop')}.py"
    before = file.stat().st_mtime_ns
    assert "customer_marts('shop'," in file.read_text()
    assert repr(str(quoted)) in (tmp_path / f"{dag_id('quoted')}.py").read_text()
    write_dag_files(tmp_path, {"shop": SHOP})
    assert [file] == list(tmp_path.iterdir())
    assert file.stat().st_mtime_ns == before


def test_logs_of_one_company_are_not_those_of_another(kith_home: Path) -> None:
    logs = kith_home / "airflow" / "logs"
    for name in (
        *("dag_id=customer_marts__shop/run_id=a", "dag_id=customer_marts__x/run_id=b"),
        *("dag_id=customer_marts__my_shop/run_id=c", "dag_processor/2024-01-01"),
    ):
        (logs / name).mkdir(parents=True)
    for name in ("run_shop-2024.log", "run_my_shop-2024.log", "run_2024.log"):
        (logs / name).touch()
    found = [
        path for folder, like in companies.logs_of("shop") for path in folder.glob(like)
    ]
    assert sorted(str(path.relative_to(logs)) for path in found) == [
        "dag_id=customer_marts__shop/run_id=a",
        "dag_processor/2024-01-01",
        "run_2024.log",
        "run_shop-2024.log",
    ]
