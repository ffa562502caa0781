"""Great Expectations on Spark, in a process of its own: `python -m kith.gate.gx_spark`.

Spark is where dbt has built on it (`kith.build.engines`). What is to be judged comes as
one line of JSON by standard input, and GX's results go to the file that it names.
"""

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from kith.build.spark_session import open_session, quoted, register_tables
from kith.gate.gx import context, exception_of, validate
from kith.gate.suites import load_suites
from kith.settings import environment_variable

# What GX finds by these is the same on DuckDB and on Spark, NaN and NULL included;
# test_spark tries each. GX's quantiles, regular expressions, types and others are not.
SAME = {
    *("expect_column_values_to_be_between", "expect_column_values_to_be_in_set"),
    *("expect_column_values_to_not_be_in_set", "expect_column_values_to_not_be_null"),
    *("expect_column_values_to_be_null", "expect_column_values_to_be_unique"),
    *(
        "expect_column_value_lengths_to_be_between",
        "expect_compound_columns_to_be_unique",
    ),
    *("expect_column_pair_values_a_to_be_greater_than_b",),
    *("expect_column_min_to_be_between", "expect_column_max_to_be_between"),
    *("expect_column_sum_to_be_between", "expect_column_mean_to_be_between"),
    *("expect_column_unique_value_count_to_be_between",),
    *("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"),
}
_WHOLE = ("tinyint", "smallint", "int", "bigint")


class SparkTables:
    """The tables of a session of pyspark as GX sees them."""

    def __init__(self, spark: Any) -> None:
        _compute_rows_only_where_there_are_any()
        self._spark = spark
        self._datasource = context().data_sources.add_spark("spark", persist=False)

    def validate(
        self, schema: str, table: str, expectations: list[Any]
    ) -> list[Any | None]:
        """Check one table; returns GX's results in the order of the expectations.

        None stands for an expectation that GX might take otherwise than on DuckDB. With
        a failure come at most 200 rows of a query that should return none. GX's own
        expectations bring no keys: on Spark it would collect those of all rows.
        """
        asset = self._datasource.add_dataframe_asset(f"{schema}.{table}")
        rows = self._spark.table(f"{quoted(schema)}.{quoted(table)}")
        batch = asset.get_batch(asset.build_batch_request({"dataframe": rows}))
        kinds = dict(rows.dtypes)
        judged = [
            place
            for place, expectation in enumerate(expectations)
            if _is_query(expectation) or _is_same(expectation, kinds)
        ]
        found = validate(
            batch,
            [expectations[place] for place in judged],
            {"result_format": "COMPLETE"},
            has_details=_is_query,
        )
        results: list[Any | None] = [None] * len(expectations)
        for place, result in zip(judged, found, strict=True):
            total = result.result.get("observed_value")
            # GX has made a double of it.
            if _is_sum_of_whole(expectations[place], kinds) and total is not None:
                result.result["observed_value"] = int(total)
            results[place] = result
        return results


def _is_query(expectation: Any) -> bool:
    return hasattr(expectation, "unexpected_rows_query")


def _is_same(expectation: Any, kinds: dict[str, str]) -> bool:
    """Whether GX finds the same as on DuckDB, in columns of these types.

    With a NULL in a set all values would pass, and Spark passes over values of other
    types than the column's, which DuckDB casts.
    """
    if getattr(expectation, "row_condition", None):
        return False
    kind = kinds.get(getattr(expectation, "column", ""), "")
    values = getattr(expectation, "value_set", None) or []
    return expectation.expectation_type in SAME and all(
        _is_of(kind, value) for value in values
    )


def _is_of(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in _WHOLE or kind.startswith("decimal")
    if isinstance(value, float):
        return kind == "double"
    return isinstance(value, str) and kind == "string"


def _is_sum_of_whole(expectation: Any, kinds: dict[str, str]) -> bool:
    return (
        expectation.expectation_type == "expect_column_sum_to_be_between"
        and kinds.get(expectation.column) in _WHOLE
    )


def _compute_rows_only_where_there_are_any() -> None:
    """Spare a second run of each query that returns no row, which is nearly all.

    GX asks for count and rows at once; here it asks for the count first.
    """
    from great_expectations.execution_engine import SparkDFExecutionEngine
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.query_metrics.query_table import (
        unexpected_rows_query_table as rows,
    )
    from great_expectations.validator.metric_configuration import MetricConfiguration

    # It warns of what is meant here: that a metric of GX's own is replaced.
    logging.getLogger("great_expectations.expectations.registry").setLevel("ERROR")
    count = "unexpected_rows_query.row_count"

    class RowsWhereThereAreAny(rows.UnexpectedRowsQueryTable):
        """Takes the place of GX's own metric."""

        @metric_value(engine=SparkDFExecutionEngine)
        def _spark(  # type: ignore[override]
            cls, *, metrics: dict[str, Any], **kwargs: Any
        ) -> Any:
            if metrics[count] == 0:
                return []
            return rows.UnexpectedRowsQueryTable._spark(cls, metrics=metrics, **kwargs)

        @classmethod
        def _get_evaluation_dependencies(
            cls, metric: Any, *args: Any, **kwargs: Any
        ) -> dict[str, Any]:
            return {
                count: MetricConfiguration(
                    metric_name=count,
                    metric_domain_kwargs=metric.metric_domain_kwargs,
                    metric_value_kwargs=metric.metric_value_kwargs,
                )
            }


def main() -> None:
    """Judge what standard input names.

    Where Spark is not there, or goes away, the code is that of a failure that may pass.
    """
    told = json.loads(sys.stdin.readline())
    tables = Path(environment_variable("KITH_SPARK_TABLES") or "")
    address = environment_variable("KITH_SPARK") or ""
    # Never that of a Thrift server, which has no pyspark.
    session: Any = None
    try:
        session = open_session(
            address,
            environment_variable("KITH_SPARK_MEMORY") or "",
            environment_variable("KITH_SPARK_THREADS") or "",
            tables,
        )
        _prepare(session, address)
        found = _judged(session, tables, told)
    except Exception:
        if session and _is_there(session):
            raise
        traceback.print_exc()
        sys.exit(os.EX_TEMPFAIL)
    Path(told["results"]).write_text(json.dumps(found, default=str), encoding="utf-8")


def _prepare(session: Any, address: str) -> None:
    # What means something else to Spark, such as "n" or n / 0, is read as DuckDB reads
    # it, or breaks its check: it never passes in silence.
    session.run("set spark.sql.ansi.enabled = true")
    session.run("set spark.sql.ansi.doubleQuotedIdentifiers = true")
    if address.startswith("sc://"):
        from pyspark.sql.connect.client.retries import DefaultPolicy

        # Half a minute: by default each check would wait for ten.
        policy = DefaultPolicy(max_retries=5)
        session.spark.client.set_retry_policies([policy])


def _is_there(session: Any) -> bool:
    try:
        return bool(session.listed("select 1"))
    except Exception:
        traceback.print_exc()
        return False


def _judged(
    session: Any, tables: Path, told: dict[str, Any]
) -> dict[str, list[dict[str, Any] | None]]:
    """GX's results of each table, as plain values."""
    suites = load_suites(Path(told["company"]))
    judged = {
        (schema, name): suites[kind, name] for kind, schema, name in told["tables"]
    }
    queries = [
        each.unexpected_rows_query
        for suite in judged.values()
        for each in suite
        if _is_query(each)
    ]
    # To make a table Spark reads its files: so only those are made that are named.
    named = " ".join([*(name for _, name in judged), *queries]).lower()
    register_tables(session, tables, lambda name: name.lower() in named)
    spark = SparkTables(session.spark)
    found = {}
    for (schema, name), suite in judged.items():
        results = spark.validate(schema, name, suite)
        broke = [r for r in results if r and exception_of(r.exception_info)]
        # To GX a Spark that has gone is a check that broke.
        if broke and not _is_there(session):
            raise ConnectionError("Spark went away")
        found[f"{schema}.{name}"] = [result and _plain(result) for result in results]
    return found


def _plain(result: Any) -> dict[str, Any]:
    names = ("success", "result", "exception_info")
    return {name: getattr(result, name) for name in names}


if __name__ == "__main__":
    main()
