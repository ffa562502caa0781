"""Great Expectations on DuckDB: the cure, and what GX gives back."""

import duckdb
import great_expectations.expectations as gxe
import pytest
from great_expectations.execution_engine import sqlalchemy_execution_engine

from kith.gate.gx_duckdb import keep_connections_open, open_warehouse
from kith.runs.run import Run
from tests.gate.conftest import spoil


def test_great_expectations_still_has_the_list_that_the_cure_extends() -> None:
    keep_connections_open()
    dialects = sqlalchemy_execution_engine._PERSISTED_CONNECTION_DIALECTS
    assert [d.value for d in dialects].count("duckdb") == 1
    assert "duckdb" in dialects
    keep_connections_open()
    assert [d.value for d in dialects].count("duckdb") == 1


def test_gx_reads_a_read_only_file_and_leaves_it_free_to_be_written(
    candidate: Run,
) -> None:
    with open_warehouse(
        candidate.warehouse, scratch=candidate.folder / "scratch"
    ) as warehouse:
        within = warehouse.validate(
            "segment",
            "rfm_scores",
            [
                gxe.UnexpectedRowsExpectation(
                    unexpected_rows_query="from {batch} where r_score = 5"
                ),
                gxe.ExpectColumnValuesToBeBetween(column="r_score", min_value=1),
                gxe.ExpectColumnMaxToBeBetween(column="r_score", max_value=4),
                gxe.ExpectTableRowCountToEqual(value=40),
            ],
        )
        with pytest.raises(duckdb.Error):
            spoil(candidate, "create table main.x (i int)")
    assert [result.success for result in within] == [False, True, False, True]
    assert within[0].result["observed_value"] == 8
    spoil(candidate, "create table main.x (i int)")


def test_however_many_rows_fail_few_come_back_and_gx_says_nothing_itself(
    candidate: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with open_warehouse(
        candidate.warehouse, scratch=candidate.folder / "scratch"
    ) as warehouse:
        by_query, by_value, by_pair = warehouse.validate(
            "customer",
            "sessions",
            [
                gxe.UnexpectedRowsExpectation(
                    unexpected_rows_query="select * from {batch}"
                ),
                gxe.ExpectColumnValuesToBeBetween(column="event_count", max_value=0),
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A="started_at", column_B="ended_at"
                ),
            ],
            ["session_id"],
        )
    assert by_query.result["observed_value"] == 1201
    assert len(by_query.result["details"]["unexpected_rows"]) == 200
    for found in (by_value.result, by_pair.result):
        assert found["unexpected_count"] == 1201
        assert len(found["unexpected_index_list"]) == 10
        assert max(len(x) for x in found.values() if isinstance(x, list)) <= 200
    assert [r for r in caplog.records if r.name.startswith("great_")] == []
