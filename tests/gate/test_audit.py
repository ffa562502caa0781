"""What the gate lets through, what it stops, and what it says."""

import json
import shutil
from pathlib import Path

import duckdb
import great_expectations.expectations as gxe
import pytest
from great_expectations.execution_engine import sqlalchemy_execution_engine

from kith.errors import BrokenCheckError, ConfigurationError, GateError
from kith.gate.audit import audit, check_tables, list_tables, load_suites, permit_path
from kith.gate.gx_duckdb import keep_connections_open, open_warehouse
from kith.runs.run import Run
from tests.candidate import COMPANY, candidate, make_run

__all__ = ["candidate"]  # a fixture


@pytest.fixture
def run(candidate: Path, kith_home: Path, tmp_path: Path) -> Run:
    """A run whose candidate is a copy of the good one, and whose company has a folder
    of the test's own."""
    made = make_run(candidate)
    folder = shutil.copytree(COMPANY, tmp_path / "company")
    company = made.company.model_copy(update={"folder": folder})
    return Run(company, made.interval, made.run_id, made.home)


def spoil(run: Run, sql: str) -> None:
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(sql)


def add_suite(run: Run, name: str, *expectations: str) -> None:
    path = run.company.folder / "expectations" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "import great_expectations.expectations as gxe\n\n"
        f"EXPECTATIONS = [{', '.join(expectations)}]\n"
    )


def results(run: Run) -> dict[str, tuple[object, ...]]:
    """This run's rows of gate_results: outcome, observed, count and sample by check."""
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select expectation, outcome, observed, unexpected_count, sample "
            "from operations.gate_results where run_id = ?",
            [run.run_id],
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_great_expectations_still_has_the_list_that_the_cure_extends() -> None:
    keep_connections_open()
    dialects = sqlalchemy_execution_engine._PERSISTED_CONNECTION_DIALECTS
    assert [d.value for d in dialects].count("duckdb") == 1
    assert "duckdb" in dialects
    keep_connections_open()
    assert [d.value for d in dialects].count("duckdb") == 1


def test_gx_reads_a_read_only_file_and_leaves_it_free_to_be_written(run: Run) -> None:
    with open_warehouse(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        within = warehouse.validate(
            "segment",
            "rfm_scores",
            [
                gxe.UnexpectedRowsExpectation(
                    unexpected_rows_query="from {batch} where r_score = 5"
                ),
                gxe.ExpectColumnValuesToBeBetween(column="r_score", min_value=1),
                gxe.ExpectColumnMaxToBeBetween(column="r_score", max_value=4),
                gxe.ExpectTableRowCountToEqual(value=2),
            ],
        )
        with pytest.raises(duckdb.Error):
            spoil(run, "create table main.x (i int)")
    assert [result.success for result in within] == [False, True, False, True]
    assert within[0].result["observed_value"] == 1
    spoil(run, "create table main.x (i int)")


def test_a_good_candidate_gets_the_permit_and_its_results_are_kept(run: Run) -> None:
    audit(run)
    permit = json.loads(permit_path(run).read_text())
    found = results(run)
    assert permit["passed"] > 80
    assert permit["failed_warnings"] == []
    assert {row[0] for row in found.values()} == {"passed"}
    kept = duckdb.sql(
        f"select count(*), count(distinct run_id) "
        f"from '{run.folder}/history/gate_results/*.parquet'"
    ).fetchall()
    assert kept == [(permit["passed"], 1)]
    assert (run.run_folder / "gate_results.parquet").is_file()
    summary = (run.run_folder / "gate_summary.md").read_text()
    assert summary.startswith("# Gate: passed\n")
    assert "| customer.customer_values | 4 | 5 | 0 | 0 | 0 |" in summary


def test_an_audit_tried_again_replaces_its_results(run: Run) -> None:
    audit(run)
    once = json.loads(permit_path(run).read_text())["passed"]
    audit(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select run_id, count(*) from operations.gate_results group by 1 order by 1"
        ).fetchall()
    assert rows == [("run_0", 1), ("run_1", once)]


def test_a_critical_failure_stops_with_table_check_figures_and_place(run: Run) -> None:
    spoil(
        run,
        "update feeds.order_lines set line_amount = 61 where order_line_id = 'l1'",
    )
    with pytest.raises(GateError) as stopped:
        audit(run)
    message = str(stopped.value)
    for part in (
        "customer.customer_values",
        "Revenue and lines are those of the feeds' orders",
        "revenue 790.00",
        "revenue_of_feeds 791.00",
        str(run.run_folder / "gate_summary.md"),
        "`current` is unchanged",
    ):
        assert part in message
    assert "\n" not in message
    assert not isinstance(stopped.value, BrokenCheckError)
    assert not permit_path(run).exists()
    summary = (run.run_folder / "gate_summary.md").read_text()
    assert "## Stopped by" in summary and "revenue 790.00" in summary
    assert len(list((run.folder / "history" / "gate_results").glob("*.parquet"))) == 1


def test_a_permit_of_an_earlier_try_does_not_survive_a_failure(run: Run) -> None:
    audit(run)
    spoil(run, "update segment.concentrations set gini = 2")
    with pytest.raises(GateError):
        audit(run)
    assert not permit_path(run).exists()


def test_a_failed_warning_is_noted_and_goes_on(run: Run) -> None:
    spoil(run, "update feeds.goals set period_end = '2023-12-31'")
    audit(run)
    assert json.loads(permit_path(run).read_text())["failed_warnings"] == [
        "feeds.goals: No period ends before it begins"
    ]
    assert results(run)["No period ends before it begins"][0] == "failed"
    assert "passed with 1 warning" in (run.run_folder / "gate_summary.md").read_text()


def test_the_sample_holds_ten_keys_and_nothing_about_the_person(run: Run) -> None:
    spoil(
        run,
        "insert into customer.customers by name select 'n' || i as customer_id, "
        "'Secret' as city, date '1850-01-01' as birth_date, date '2024-12-31' "
        "as as_of_date from range(25) as t (i)",
    )
    add_suite(
        run,
        "marts/customers",
        "gxe.UnexpectedRowsExpectation(description='all columns', severity='warning', "
        "unexpected_rows_query='from {batch} where year(birth_date) < 1900')",
    )
    with pytest.raises(GateError):
        audit(run)
    for name in ("all columns", "Birth dates lie within the last 120 years"):
        _, _, count, sample = results(run)[name]
        rows = json.loads(str(sample))
        assert (count, len(rows)) == (25, 10)
        assert {tuple(row) for row in rows} == {("customer_id",)}
    written = (run.run_folder / "gate_summary.md").read_text()
    assert "Secret" not in written and "1850" not in written


def test_keys_of_values_out_of_range_are_sampled(run: Run) -> None:
    spoil(run, "update segment.cohorts set retention_pct = 101 where period_number = 3")
    with pytest.raises(GateError, match="1 of 7 values"):
        audit(run)
    sample = results(run)["Retention from 0 to 100 %"][3]
    assert json.loads(str(sample)) == [
        {"cohort_month": "2024-09-01", "period_number": 3}
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "gxe.UnexpectedRowsExpectation(description='x', severity='warning', "
        "unexpected_rows_query='select no_column from {batch}')",
        "gxe.ExpectColumnMeanToBeBetween(column='no_column', severity='warning')",
    ],
)
def test_a_check_that_broke_stops_even_when_it_only_warns(
    run: Run, broken: str
) -> None:
    add_suite(run, "marts/cohorts", broken)
    with pytest.raises(BrokenCheckError, match=r"segment\.cohorts.*no_column"):
        audit(run)
    assert not permit_path(run).exists()
    assert "broken" in (run.run_folder / "gate_summary.md").read_text()


def test_a_mart_without_a_suite_stops(run: Run) -> None:
    spoil(run, "create table segment.new_marts as select 1 as i")
    with pytest.raises(BrokenCheckError, match=r"segment\.new_marts: 'expectations/"):
        audit(run)


def test_a_mart_that_was_not_built_stops(run: Run) -> None:
    spoil(run, "drop table segment.cohorts")
    with pytest.raises(
        BrokenCheckError, match=r"marts\.cohorts: 'The table was built'"
    ):
        audit(run)


def test_checks_of_an_empty_feed_are_not_applicable(run: Run) -> None:
    spoil(run, "delete from feeds.goals")
    audit(run)
    assert results(run)["No period ends before it begins"][0] == "not_applicable"


def test_a_company_adds_checks_to_those_of_kith(run: Run) -> None:
    kith = len(load_suites(COMPANY)["marts", "customers"])
    add_suite(run, "marts/customers", "gxe.ExpectTableRowCountToEqual(value=4)")
    assert len(load_suites(run.company.folder)["marts", "customers"]) == kith + 1
    with pytest.raises(
        GateError,
        match=r"customer\.customers: 'expect_table_row_count_to_equal' failed",
    ):
        audit(run)


def test_a_company_s_suite_for_no_table_is_refused(run: Run) -> None:
    add_suite(run, "marts/custommers", "gxe.ExpectTableRowCountToEqual(value=4)")
    with pytest.raises(ConfigurationError, match=r"custommers\.py: there is no table"):
        load_suites(run.company.folder)


@pytest.mark.parametrize(
    "expectation", ["gxe.ExpectTableRowCountToEqualOrSo(value=4)", "gxe"]
)
def test_a_misspelt_expectation_does_not_pass(run: Run, expectation: str) -> None:
    add_suite(run, "marts/customers", expectation)
    with pytest.raises(BrokenCheckError):
        audit(run)


def test_a_candidate_of_another_run_is_not_judged(run: Run) -> None:
    spoil(run, "update kith.run set run_id = 'run_2'")
    with pytest.raises(GateError, match="was built by run run_2, not by run_1"):
        audit(run)


def test_no_table_is_left_out(run: Run) -> None:
    tables = list_tables(run)
    assert len(tables) == 40
    checks = check_tables(run, tables, load_suites(run.company.folder))
    assert {check.table_name for check in checks} == {t.full_name for t in tables}
    values = next(t for t in tables if t.full_name == "customer.customer_months")
    assert values.key == ("customer_id", "month")
