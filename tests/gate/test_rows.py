"""Queries that should return no row."""

import pytest

from kith.gate.gx_duckdb import open_warehouse
from kith.gate.rows import CRITICAL, WARNING, no_rows
from kith.runs.run import Run


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("select source, goal_id from {batch} where period_end < period_start", 0),
        ("select source, goal_id from {batch}", 1),
        ("select goals.goal_id from {batch} as goals inner join kith.run on true", 1),
    ],
)
def test_the_rows_of_the_query_are_the_failing_ones(
    query: str, count: int, candidate: Run
) -> None:
    expectation = no_rows("Nothing", WARNING, query)
    with open_warehouse(
        candidate.warehouse, scratch=candidate.folder / "scratch"
    ) as warehouse:
        (found,) = warehouse.validate("feeds", "goals", [expectation])
    assert not found.exception_info["raised_exception"]
    assert (found.success, found.result["observed_value"]) == (count == 0, count)


def test_description_and_severity_are_those_given() -> None:
    expectation = no_rows("Nothing", WARNING, "select * from {batch}")
    assert expectation.description == "Nothing"
    assert expectation.severity == WARNING != CRITICAL
