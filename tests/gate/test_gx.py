"""The one context of Great Expectations, and what is asked of it."""

from types import SimpleNamespace
from typing import Any

import great_expectations.expectations as gxe

from kith.gate.gx import context, validate
from kith.gate.gx_duckdb import open_warehouse
from kith.runs.run import Run


def test_a_process_has_one_context(candidate: Run) -> None:
    for _ in range(2):
        with open_warehouse(candidate.warehouse, scratch=candidate.folder / "scratch"):
            assert list(context().data_sources.all()) == ["warehouse"]
    assert context.cache_info().misses == 1
    assert list(context().data_sources.all()) == []


class Batch:
    """Gives results in the wrong order, as GX does; those of large values failed."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], dict[str, Any]]] = []

    def validate(self, suite: Any, result_format: dict[str, Any]) -> SimpleNamespace:
        values = [each.value for each in suite.expectations]
        self.asked.append((values, result_format))
        results = [
            SimpleNamespace(
                success=each.value < 3,
                value=each.value,
                expectation_config=SimpleNamespace(meta=each.meta),
                result_format=result_format,
            )
            for each in suite.expectations
        ]
        return SimpleNamespace(results=results[::-1])


def test_details_are_asked_for_only_where_something_failed_that_has_them() -> None:
    batch, details = Batch(), {"result_format": "COMPLETE"}
    results = validate(
        batch,
        [gxe.ExpectTableRowCountToEqual(value=value) for value in (1, 5, 2, 4)],
        details,
        has_details=lambda expectation: expectation.value != 4,
    )
    assert batch.asked == [
        ([1, 5, 2, 4], {"result_format": "BASIC"}),
        ([5], details),
    ]
    assert [each.value for each in results] == [1, 5, 2, 4]
    assert [each.result_format == details for each in results] == [0, 1, 0, 0]
