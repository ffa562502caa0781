"""The dbt project: its unit tests pass and its marts keep the house's promises."""

import re
import shutil
import time
from pathlib import Path

import pytest
import yaml

from kith.build import dbt as build_dbt
from kith.build.dbt import dbt, parsing_ahead, target
from kith.company.folder import PUBLISHED_SCHEMAS, feed_names
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.one_table import company

MODELS = REPOSITORY / "dbt_project" / "models"
CONTRACTS = sorted(
    path for path in MODELS.rglob("*.yml") if not path.name.startswith("_")
)


def model_in(path: Path) -> dict:
    (model,) = yaml.safe_load(path.read_text())["models"]
    return model


def test_all_unit_tests_of_the_sql_pass(
    complete_journey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_HOME", str(tmp_path))
    run = new_run(REPOSITORY / "companies" / "complete_journey")
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(complete_journey / "warehouse" / "kith_build.duckdb", run.warehouse)
    dbt(run, "test", "--select", "test_type:unit")
    log = (run.run_folder / "dbt" / "output.log").read_text()
    declared = sum(
        len(yaml.safe_load(path.read_text()).get("unit_tests") or [])
        for path in CONTRACTS
    )
    assert declared > 30
    assert f"PASS={declared} " in log


def warnings(state: Path) -> list[str]:
    """Lines of dbt's output of a company's only run that warn of something."""
    (log,) = state.glob("runs/*/dbt/output.log")
    *lines, total = log.read_text().splitlines()
    assert " WARN=" in total
    words = ("warn", "deprecat", "does not support")
    # Marts are called source_warnings, churn_warnings, churn_warning_records.
    named = r"\S*(source|churn)_warning\S*"
    told = [re.sub(named, "", line).lower() for line in lines]
    found = [line for line in told if any(word in line for word in words)]
    return found if " WARN=0 " in total else [*found, total]


def test_dbt_warns_of_nothing_in_a_run_of_the_demo(demo: Path) -> None:
    assert warnings(demo) == []


def test_dbt_warns_of_nothing_in_a_run_of_the_grocer(complete_journey: Path) -> None:
    assert warnings(complete_journey) == []


def test_dbt_parses_ahead_where_it_never_did(
    kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By clocks that no other test goes by, so that no other parse holds.
    folder = company(tmp_path / "shop", time_zone="Pacific/Chatham")
    (folder / "staging").mkdir()
    run = new_run(folder)
    parse = target(run) / "partial_parse.msgpack"
    with parsing_ahead(run):
        deadline = time.monotonic() + 300
        while not parse.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert parse.exists()
    monkeypatch.setattr(build_dbt, "start", None)  # Nobody may call it again.
    with parsing_ahead(run):
        pass


def test_every_model_has_a_contract_beside_its_sql() -> None:
    described = {path.with_suffix("") for path in CONTRACTS}
    written = {
        path.with_suffix("")
        for end in ("sql", "py")
        for path in MODELS.rglob(f"*.{end}")
    }
    assert described == written


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_a_model_is_described_column_by_column(path: Path) -> None:
    model = model_in(path)
    assert model["name"] == path.stem
    assert " ".join(model["description"].split()).startswith("One row per ")
    assert [c["name"] for c in model["columns"] if not c.get("description")] == []
    if path.parent.parent.name == "marts":
        assert path.parent.name in PUBLISHED_SCHEMAS
        assert "as_of_date" in [column["name"] for column in model["columns"]]


def test_the_feeds_are_those_of_the_design() -> None:
    assert feed_names() == [
        *("assignments", "attributes", "campaigns", "competitor_offers", "consents"),
        *("contacts", "customers", "dependants", "events", "goals"),
        *("identifier_links", "lead_stages", "leads", "order_lines", "orders"),
        *("places", "posts", "presences", "products", "promises", "quotes"),
        *("survey_answers", "tickets"),
    ]
