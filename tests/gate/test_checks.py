"""What becomes of each expectation, and which rows are shown."""

import json
from types import SimpleNamespace

import pytest

from kith.errors import BrokenCheckError, GateError
from kith.gate.audit import audit, permit_path
from kith.gate.suites import load_suites
from kith.runs.run import Run
from tests.gate.conftest import add_suite, results, spoil


def test_the_sample_holds_ten_keys_and_nothing_about_the_person(candidate: Run) -> None:
    spoil(
        candidate,
        "insert into customer.customers select * exclude (i) replace ("
        "'n' || i as customer_id, 'Secret' as city, date '1850-01-01' as birth_date) "
        "from (from customer.customers limit 1), range(25) as t (i)",
    )
    add_suite(
        candidate,
        "marts/customers",
        "gxe.UnexpectedRowsExpectation(description='all columns', severity='warning', "
        "unexpected_rows_query='from {batch} where year(birth_date) < 1900')",
    )
    with pytest.raises(GateError):
        audit(candidate)
    for name in ("all columns", "Birth dates lie within the last 120 years"):
        _, _, count, sample = results(candidate)[name]
        rows = json.loads(str(sample))
        assert (count, len(rows)) == (25, 10)
        assert {tuple(row) for row in rows} == {("customer_id",)}
    written = (candidate.run_folder / "gate_summary.md").read_text()
    assert "Secret" not in written and "1850" not in written


def test_keys_of_values_out_of_range_are_sampled(candidate: Run) -> None:
    spoil(
        candidate,
        "update segment.cohorts set retention_pct = 101 "
        "where period_number = 3 and cohort = '2024-01'",
    )
    with pytest.raises(
        GateError,
        match=r"1 of \d\d rows, first: cohort 2024-01, period_number 3; ",
    ):
        audit(candidate)
    sample = results(candidate)["Retention from 0 to 100 %"][3]
    assert json.loads(str(sample)) == [{"cohort": "2024-01", "period_number": 3}]


def test_keys_of_pairs_and_of_values_out_of_their_set_are_sampled(
    candidate: Run,
) -> None:
    spoil(
        candidate,
        "update feeds.orders set delivered_at = '2023-12-31' "
        "where order_id in ('R3', 'R20')",
    )
    spoil(candidate, "update feeds.customers set customer_kind = 'Person'")
    audit(candidate)
    found = results(candidate)
    assert found["No order is delivered before it was made"] == (
        "failed",
        "2 of 2 values",
        2,
        '[{"source": "shop", "order_id": "R20"}, {"source": "shop", "order_id": "R3"}]',
    )
    _, observed, count, sample = found["Customers are persons or organisations"]
    assert (observed, count) == ("40 of 40 values", 40)
    assert {tuple(row) for row in json.loads(str(sample))} == {
        ("source", "customer_record_id")
    }
    assert len(json.loads(str(sample))) == 10


def test_numbers_are_those_of_spark_and_keys_those_of_the_candidate(
    candidate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Retention from 0 to 100 %"
    suite = load_suites(candidate.company.folder)["marts", "cohorts"]
    failed = SimpleNamespace(
        success=False,
        result={"element_count": 99, "unexpected_count": 7},
        exception_info={"raised_exception": False},
    )
    on_spark = {
        "segment.cohorts": [failed if e.description == name else None for e in suite]
    }
    monkeypatch.setattr(
        "kith.gate.checks.validate_on_spark", lambda run, tables: on_spark
    )
    spoil(
        candidate,
        "update segment.cohorts set retention_pct = 101 "
        "where period_number = 3 and cohort = '2024-01'",
    )
    with pytest.raises(GateError) as stopped:
        audit(candidate)
    assert "segment.cohorts" in stopped.value.evidence.query
    found = results(candidate)
    assert found[name] == (
        *("failed", "7 of 99 values", 7),
        '[{"cohort": "2024-01", "period_number": 3}]',
    )
    assert found["Unbounded retention from 0 to 100 %"][0] == "passed"


def test_a_share_within_its_limit_passes_and_is_told(candidate: Run) -> None:
    # One line becomes a return of what costs nothing; the revenue stays what it was.
    spoil(
        candidate,
        "update feeds.order_lines set line_amount = line_amount + "
        "(select sum(line_amount) from feeds.order_lines where order_id = 'R3') "
        "where order_line_id = 'R4-1'; "
        "update feeds.order_lines set quantity = -1, line_amount = 0 "
        "where order_id = 'R3'",
    )
    audit(candidate)
    assert results(candidate)["At most one line in five is a return"] == (
        "passed",
        "1 of 1200 values",
        1,
        None,
    )


@pytest.mark.parametrize(
    "broken",
    [
        "gxe.UnexpectedRowsExpectation(description='x', severity='warning', "
        "unexpected_rows_query='select no_column from {batch}')",
        "gxe.ExpectColumnMeanToBeBetween(column='no_column', severity='warning')",
    ],
)
def test_a_check_that_broke_stops_even_when_it_only_warns(
    candidate: Run, broken: str
) -> None:
    add_suite(candidate, "marts/cohorts", broken)
    with pytest.raises(BrokenCheckError, match=r"segment\.cohorts.*no_column"):
        audit(candidate)
    assert not permit_path(candidate).exists()
    assert "broken" in (candidate.run_folder / "gate_summary.md").read_text()


def test_a_mart_without_a_suite_stops(candidate: Run) -> None:
    spoil(candidate, "create table segment.new_marts as select 1 as i")
    with pytest.raises(BrokenCheckError, match=r"segment\.new_marts: 'expectations/"):
        audit(candidate)


def test_an_empty_feed_without_a_suite_stops_too(candidate: Run) -> None:
    spoil(candidate, "create table feeds.new_feeds as select 1 as i where false")
    with pytest.raises(BrokenCheckError, match=r"feeds\.new_feeds: 'expectations/"):
        audit(candidate)


def test_a_mart_that_was_not_built_stops(candidate: Run) -> None:
    spoil(candidate, "drop table segment.cohorts")
    with pytest.raises(
        BrokenCheckError, match=r"marts\.cohorts: 'The table was built'"
    ):
        audit(candidate)


def test_checks_of_an_empty_feed_are_not_applicable(candidate: Run) -> None:
    spoil(candidate, "delete from feeds.goals")
    audit(candidate)
    assert results(candidate)["No period ends before it begins"][0] == "not_applicable"
