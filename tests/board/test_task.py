"""The page of a task reads what real stages left of a delivery that was refused."""

import json
from pathlib import Path

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.board.companies import company_view
from kith.board.page import companies_page, task_page
from kith.board.task import TaskView, task_view
from kith.company.folder import load_company
from kith.errors import DeliveryError
from kith.pull.table import pull_table
from kith.runs.provenance import keep_provenance
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver, sales

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def refused(tmp_path: Path, kith_home: Path) -> Run:
    """A run whose admission refused rows, one of them with a script."""
    folder = company(tmp_path)
    bad = [f"S9,2024-03-02 08:00:00,{SCRIPT},1.00", "S8,2024-03-02 09:00:00,-4,1.00"]
    deliver(folder, [*sales(10), *bad])
    run = new_run(folder, "2024-03-01", "2024-03-31")
    keep_provenance(run)
    pull_table(run, TABLE)
    with pytest.raises(DeliveryError):
        admit_table(run, TABLE)
    return run


def view_of(run: Run, task: str, table: str = "") -> TaskView:
    return task_view(run.folder, "shop", run.company, run.run_id, task, table)


def test_refused_rows_their_delivery_and_the_command_are_shown(refused: Run) -> None:
    view = view_of(refused, "admit", TABLE)
    assert (view.state, view.days) == ("failed", "2024-03-01 to 2024-03-31")
    ((place, kind, reason),) = view.failures
    assert (place, kind) == ("admit shop.sales", "contract")
    assert reason.startswith("shop.sales: 2 of 12 rows are bad")
    assert "found" not in reason
    (rows,) = view.refused
    assert rows.title == "shop.sales: 2 refused rows"
    place, value = rows.columns.index("row_number"), rows.columns.index("value")
    assert {(row[place], row[value]) for row in rows.rows} == {
        ("11", "<xxxxxx>xxxxx(9)</xxxxxx>"),
        ("12", "-4"),
    }
    assert "quarantine/shop/sales/20240301-20240331/rows.parquet" in rows.query
    assert view.deliveries
    ((table, days, _, file, count, _, mark),) = view.deliveries.rows
    assert (table, days) == (TABLE, "2024-03-01 to 2024-03-31")
    assert file == "data/sales.csv"
    assert (count, mark) == ("12", "judged by this run")
    commands = dict(view.commands).values()
    assert f"make reproduce COMPANY={refused.company.folder} RUN={refused.run_id}" in (
        commands
    )


def test_no_person_of_a_refused_row_is_shown(tmp_path: Path, kith_home: Path) -> None:
    planted = (
        "Anna Meyer",
        "anna@example.com",
        "+49 171 2345678",
        "4111 1111 1111 1111",
    )
    folder = company(tmp_path)
    lines = [f"S{n},2024-03-02 08:00:00,{p},1.00" for n, p in enumerate(planted)]
    deliver(folder, lines)
    run = new_run(folder, "2024-03-01", "2024-03-31")
    pull_table(run, TABLE)
    keep_provenance(run)
    with pytest.raises(DeliveryError, match="Anna"):
        admit_table(run, TABLE)
    pages = task_page(view_of(run, "admit", TABLE)) + companies_page(
        [company_view(run.folder, "shop", run.company)]
    )
    assert "4 × wrong_type quantity" in pages
    for text in (*planted, "Anna", "Meyer", "example.com", "2345678"):
        assert text not in pages, text


def test_another_task_of_the_run_tells_its_own_state(refused: Run) -> None:
    assert view_of(refused, "pull", TABLE).state == "succeeded"
    build = view_of(refused, "build")
    assert build.state == "has left nothing in the run's journal"
    assert build.failures == view_of(refused, "admit", TABLE).failures


def test_checks_that_stopped_a_run_are_shown_with_keys_and_query(refused: Run) -> None:
    check = {
        "table_name": "customer.orders",
        "expectation": "Amounts are not negative",
        "severity": "critical",
        "outcome": "failed",
        "observed": "anna@example.com has 3",
        "unexpected_count": 3,
        "row_count": 1200,
        "sample": json.dumps([{"order_id": SCRIPT, "customer_id": "ab12cd34" * 4}]),
        "cure": "look at returns",
        "query": "select 1",
    }
    (refused.run_folder / "failed_checks.json").write_text(json.dumps([check]))
    results = refused.run_folder / "gate_results.parquet"
    duckdb.sql(
        "select unnest(['passed', 'passed', 'failed', 'failed']) as outcome, "
        "unnest(['critical', 'warning', 'critical', 'warning']) as severity"
    ).write_parquet(str(results))
    assert view_of(refused, "audit").gate == (
        "1 failed (critical), 1 failed (warning), 2 passed"
    )
    (rows,) = view_of(refused, "audit").checks
    assert rows.title == "customer.orders: Amounts are not negative"
    assert "3 of 1,200 rows; look at returns" in rows.note
    assert "anna" not in rows.note
    assert rows.columns == ["order_id", "customer_id"]
    assert rows.rows == [[SCRIPT, "ab12cd34…"]]
    assert rows.query == "select 1"


def test_of_a_run_that_left_nothing_the_page_still_tells_of_readers(
    refused: Run,
) -> None:
    view = task_view(refused.folder, "shop", None, "../../etc", "plan", "../x")
    assert (view.title, view.table, view.failures) == ("shop", "", [])
    assert view.readers == "Readers have no release yet"
    assert (view.commands, view.files, view.deliveries) == ([], [], None)


def test_a_table_that_is_none_names_no_file(refused: Run) -> None:
    assert view_of(refused, "admit", "..").table == ""
    assert load_company(refused.company.folder).name == "shop"
