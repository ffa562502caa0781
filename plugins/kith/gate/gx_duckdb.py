"""Great Expectations on DuckDB: one module for the cure and for a file as GX sees it.

GX 1.24 gives the connection back before it fetches the rows, and DuckDB's driver then
has none left: every expectation ends in an error. GX knows dialects whose connection
it must keep, and DuckDB has to become one of them.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kith.database import configuration
from kith.gate.gx import context, validate

SAMPLE_ROWS = 10


class _Dialect(str):
    """Looks to GX like a member of its enum of dialects."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


def keep_connections_open() -> None:
    """Teach GX to keep DuckDB's connection. AttributeError when GX moved the name."""
    from great_expectations.execution_engine import (
        sqlalchemy_execution_engine as engine,
    )

    if "duckdb" not in engine._PERSISTED_CONNECTION_DIALECTS:
        engine._PERSISTED_CONNECTION_DIALECTS += (  # type: ignore[assignment]
            _Dialect("duckdb"),
        )


class Warehouse:
    """A DuckDB file as GX sees it."""

    def __init__(self, datasource: Any) -> None:
        self._datasource = datasource

    def validate(
        self,
        schema: str,
        table: str,
        expectations: list[Any],
        key: Sequence[str] = (),
    ) -> list[Any]:
        """Check one table; returns GX's results in the order of the expectations.

        With a failure come at most 200 rows of a query that should return none, or
        `key` of at most SAMPLE_ROWS rows whose value or pair of values failed.
        """
        name = f"{schema}.{table}"
        with warnings.catch_warnings():
            # GX wants one data source per schema instead.
            warnings.filterwarnings("ignore", "`schema_name` is deprecated")
            asset = self._datasource.add_table_asset(
                name, table_name=table, schema_name=schema
            )
        # Not by a batch definition: GX would write out all that it knows once more.
        batch = asset.get_batch(asset.build_batch_request())
        details = {
            "result_format": "COMPLETE",
            "partial_unexpected_count": SAMPLE_ROWS,
            **({"unexpected_index_column_names": list(key)} if key else {}),
        }
        return validate(batch, expectations, details)


@contextmanager
def open_warehouse(path: Path, *, scratch: Path) -> Iterator[Warehouse]:
    """Open a DuckDB file for GX, read-only."""
    keep_connections_open()
    datasource = context().data_sources.add_sql(
        "warehouse",
        connection_string=f"duckdb:///{path}",
        create_temp_table=False,
        kwargs={"connect_args": {"read_only": True, "config": configuration(scratch)}},
    )
    try:
        yield Warehouse(datasource)
    finally:
        # GX keeps two engines and closes neither; until then nobody may write.
        execution_engine = datasource.get_execution_engine()
        if execution_engine._connection:
            execution_engine._connection.close()
        execution_engine.engine.dispose()
        datasource.get_engine().dispose()
        context().data_sources.delete(datasource.name)
