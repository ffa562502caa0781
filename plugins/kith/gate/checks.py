"""Checks: what each expectation finds in its table of the candidate."""

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from kith.build.failing_rows import in_words, shown
from kith.failures import lack_in
from kith.gate.gx import exception_of
from kith.gate.gx_duckdb import SAMPLE_ROWS, Warehouse, open_warehouse
from kith.gate.on_spark import OnSpark, validate_on_spark
from kith.gate.suites import Suites
from kith.gate.tables import Table
from kith.runs.run import Run


@dataclass
class Check:
    """Outcome of one expectation: a row of operations.gate_results, and more.

    `cure` is what to do about it, `query` the SQL that finds its failing rows.
    """

    table_name: str
    expectation: str
    severity: str
    outcome: str
    column_name: str | None = None
    observed: str | None = None
    unexpected_count: int | None = None
    row_count: int | None = None
    sample: str | None = None
    cure: str | None = None
    query: str | None = None
    checked_at: dt.datetime = field(
        default_factory=lambda: dt.datetime.now(dt.UTC).replace(tzinfo=None)
    )


def check_tables(run: Run, tables: list[Table], suites: Suites) -> list[Check]:
    """Run all suites on the candidate, read-only; where Spark has built, there."""
    missing = suites.keys() - {(table.kind, table.name) for table in tables}
    checks = [
        Check(f"{kind}.{name}", "The table was built", "critical", "broken")
        for kind, name in missing
    ]
    on_spark = validate_on_spark(run, [t for t in tables if _is_judged(t, suites)])
    with open_warehouse(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        for table in tables:
            suite = suites.get((table.kind, table.name), [])
            if not suite:
                name = f"expectations/{table.kind}/{table.name}.py holds a check"
                checks.append(Check(table.full_name, name, "critical", "broken"))
            elif not _is_judged(table, suites):
                checks += [_begin(table, e, "not_applicable") for e in suite]
            else:
                results = _validate(warehouse, table, suite, on_spark)
                checks += [
                    _judge(table, expectation, result)
                    for expectation, result in zip(suite, results, strict=True)
                ]
    return sorted(checks, key=lambda c: (c.table_name, c.expectation))


def _is_judged(table: Table, suites: Suites) -> bool:
    """Whether its suite says anything about a table: of an empty feed it does not."""
    has_rows = table.kind != "feeds" or table.row_count > 0
    return has_rows and bool(suites.get((table.kind, table.name)))


def _validate(
    warehouse: Warehouse, table: Table, suite: list[Any], on_spark: OnSpark
) -> list[Any]:
    """GX's results in the order of the suite: those of Spark, the others of DuckDB.

    Where an expectation of GX's own failed on Spark, keys and SQL of the failing rows
    come from the candidate's file, in whose SQL a reader looks further.
    """
    results = list(on_spark.get(table.full_name) or [None] * len(suite))
    asked = [
        place
        for place, found in enumerate(results)
        if not found or (not found.success and "unexpected_count" in found.result)
    ]
    if not asked:
        return results
    answers = warehouse.validate(
        table.schema, table.name, [suite[place] for place in asked], table.key
    )
    for place, answer in zip(asked, answers, strict=True):
        if found := results[place]:
            for each in ("unexpected_index_list", "unexpected_index_query"):
                found.result[each] = answer.result.get(each)
        else:
            results[place] = answer
    return results


def failures(checks: list[Check], severity: str) -> list[Check]:
    """Checks of that severity that the data did not meet."""
    return [c for c in checks if c.outcome == "failed" and c.severity == severity]


def stops(checks: list[Check]) -> list[Check]:
    """Checks that forbid publication."""
    broken = [check for check in checks if check.outcome == "broken"]
    return broken + failures(checks, "critical")


def _begin(table: Table, expectation: Any, outcome: str) -> Check:
    # GX knows `info` as well; only critical stops.
    is_critical = expectation.severity.value == "critical"
    return Check(
        table_name=table.full_name,
        expectation=expectation.description or expectation.expectation_type,
        severity="critical" if is_critical else "warning",
        outcome=outcome,
        column_name=getattr(expectation, "column", None),
        row_count=table.row_count,
        cure=(expectation.meta or {}).get("cure"),
    )


def _judge(table: Table, expectation: Any, result: Any) -> Check:
    error = exception_of(result.exception_info)
    if error:
        # GX hands on what DuckDB said as text: then the check is as good as before.
        if lack := lack_in(error):
            raise lack
        check = _begin(table, expectation, "broken")
        check.observed = " ".join(error.split())[:200]
        return check
    check = _begin(table, expectation, "passed" if result.success else "failed")
    found = result.result
    failing_rows = found.get("unexpected_index_list")
    if hasattr(expectation, "unexpected_rows_query"):
        failing_rows = found.get("details", {}).get("unexpected_rows")
        check.unexpected_count = found["observed_value"]
        check.observed = f"{check.unexpected_count} rows"
    elif "element_count" in found:
        check.unexpected_count = found["unexpected_count"] or 0
        count = found["element_count"] - found.get("missing_count", 0)
        check.observed = f"{check.unexpected_count} of {count} values"
    else:
        check.observed = shown(found.get("observed_value"))
    if not result.success:
        check.query = _query(expectation, table, found)
        _add_sample(check, table, failing_rows or [])
    return check


def _query(expectation: Any, table: Table, found: dict[str, Any]) -> str | None:
    """SQL of the failing rows, where there are any: the check's own, or GX's."""
    if query := getattr(expectation, "unexpected_rows_query", None):
        return str(query).replace("{batch}", table.full_name)
    return found.get("unexpected_index_query")


def _add_sample(check: Check, table: Table, rows: list[dict[str, Any]]) -> None:
    """Note keys of failing rows and what the check itself computed, nothing else.

    Other columns of the table may hold what is known of a person.
    """
    glimpses = [
        {
            column: value
            for column, value in row.items()
            if column in table.key or column not in table.columns
        }
        for row in rows
    ]
    sample = sorted(
        filter(None, glimpses), key=lambda row: [str(value) for value in row.values()]
    )[:SAMPLE_ROWS]
    if any(column in table.key for row in sample for column in row):
        check.sample = json.dumps(sample, default=str)
    elif sample:
        check.observed = in_words(sample)
