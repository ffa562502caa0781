"""Great Expectations on DuckDB: one module for the cure and for all contact with GX.

GX 1.24 gives the connection back before it fetches the rows, and DuckDB's driver then
has none left: every expectation ends in an error. GX knows dialects whose connection
it must keep, and DuckDB has to become one of them.
"""

import functools
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kith.database import configuration
from kith.settings import switch_telemetry_off

switch_telemetry_off()  # GX reads it once, when the first suite imports it
# A thousand lines about its own keys would hide in a task's log what the gate says.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

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
        results = self._results(batch, expectations, {"result_format": "BASIC"})
        # GX computes all of a query's rows, or of the failing keys, a second time: so
        # they are asked for only where something failed.
        failed = [place for place, result in enumerate(results) if not result.success]
        result_format = {
            "result_format": "COMPLETE",
            "partial_unexpected_count": SAMPLE_ROWS,
            **({"unexpected_index_column_names": list(key)} if key else {}),
        }
        samples = self._results(
            batch, [expectations[place] for place in failed], result_format
        )
        for place, sample in zip(failed, samples, strict=True):
            results[place] = sample
        return results

    def _results(
        self, batch: Any, expectations: list[Any], result_format: dict[str, Any]
    ) -> list[Any]:
        """GX's results in the order of the expectations."""
        from great_expectations import ExpectationSuite

        if not expectations:
            return []
        # GX returns broken checks first, and refuses an expectation that already has
        # an id: so each goes in as a copy that knows its place.
        suite = ExpectationSuite(
            name="suite",
            expectations=[
                expectation.copy(update={"id": None, "meta": {"place": place}})
                for place, expectation in enumerate(expectations)
            ],
        )
        results = batch.validate(suite, result_format=result_format).results
        return sorted(results, key=lambda r: r.expectation_config.meta["place"])


@functools.cache
def _context() -> Any:
    """The one context of the process. The import of GX takes 4 to 8 seconds."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    keep_connections_open()
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            # Else each context leaves a folder for documents behind in /tmp.
            store_backend_defaults=InMemoryStoreBackendDefaults(
                init_temp_docs_sites=False
            ),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


@contextmanager
def open_warehouse(path: Path, *, scratch: Path) -> Iterator[Warehouse]:
    """Open a DuckDB file for GX, read-only."""
    datasource = _context().data_sources.add_sql(
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
        _context().data_sources.delete(datasource.name)
