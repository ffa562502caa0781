"""dbt's Python models on Spark: on the driver, by the functions that DuckDB calls.

dbt-spark would send them to Databricks. Here dbt calls them in its own process, in the
order of its graph: what a model reads comes from Spark as Arrow, and what it returns
goes back as a table with the columns and types of the model's contract. A model asks
for its rows as it asks DuckDB; this is the part of DuckDB's relations that they use.

What a model reads stands on the driver, in Arrow, whole.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from kith.build.spark_session import Session
from kith.errors import BuildError


class Relation:
    """Rows of a query on Spark, asked for as DuckDB's relations are."""

    def __init__(self, session: Session, query: str) -> None:
        self._session = session
        self._query = query

    def _of(self, columns: str, rest: str = "") -> "Relation":
        return Relation(
            self._session, f"select {columns} from ({self._query}) as asked {rest}"
        )

    def select(self, *columns: str) -> "Relation":
        """The same rows in these columns: names, or one text of expressions."""
        return self._of(", ".join(columns))

    def filter(self, condition: str) -> "Relation":
        """The rows for which the condition holds."""
        return self._of("*", f"where {condition}")

    def distinct(self) -> "Relation":
        """The rows, each once."""
        return self._of("distinct *")

    def order(self, columns: str) -> "Relation":
        """The rows in an order."""
        return self._of("*", f"order by {columns}")

    def union(self, other: "Relation") -> "Relation":
        """The rows of both, as often as they come."""
        return Relation(self._session, f"{self._query} union all {other._query}")

    def max(self, column: str) -> "Relation":
        """One row: the greatest value."""
        return self._of(f"max({column})")

    def count(self, column: str) -> "Relation":
        """One row: how many values there are."""
        return self._of(f"count({column})")

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row."""
        rows = self._session.rows(f"{self._query} limit 1").to_pylist()
        return tuple(rows[0].values()) if rows else None

    def to_arrow_table(self) -> pa.Table:
        """All rows; timestamps have no zone, and mean UTC."""
        return self._session.rows(self._query)

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """All rows, in batches of at most so many."""
        table = self.to_arrow_table()
        return pa.RecordBatchReader.from_batches(
            table.schema, table.to_batches(max_chunksize=batch_size)
        )


def run_model(session: Session, folder: Path, model: dict[str, Any], code: str) -> None:
    """Call a Python model, and write what it returns as its table.

    `model` is dbt's node of it, `code` what dbt compiled. Its rows pass to Spark by a
    file in `folder`. Raises BuildError where the columns are not those of the contract.
    """
    namespace: dict[str, Any] = {}
    exec(compile(code, model["original_file_path"], "exec"), namespace)  # noqa: S102
    asked = namespace["dbtObj"](lambda name: Relation(session, f"select * from {name}"))
    rows = namespace["model"](asked, session)
    name = f"{model['schema']}.{model['alias']}"
    types = {
        column["name"]: column["data_type"] for column in model["columns"].values()
    }
    _check_columns(name, rows.column_names, list(types))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    columns = ", ".join(
        f"cast({each} as {kind}) as {each}" for each, kind in types.items()
    )
    try:
        pyarrow.parquet.write_table(_with_types(rows), path)
        session.run(
            f"create table {name} using parquet as select {columns} "
            f"from parquet.`{path}`"
        )
    finally:
        path.unlink(missing_ok=True)


def _check_columns(name: str, given: Sequence[str], wanted: Sequence[str]) -> None:
    if sorted(given) != sorted(wanted):
        surplus, lacking = set(given) - set(wanted), set(wanted) - set(given)
        raise BuildError(
            f"{name}: its function returned other columns than the contract has: "
            f"{', '.join(sorted(surplus)) or 'none'} too many, "
            f"{', '.join(sorted(lacking)) or 'none'} too few"
        )


def _with_types(rows: pa.Table) -> pa.Table:
    """The table with a type for each column: where nothing is known, there is none."""
    return rows.cast(
        pa.schema(
            [
                field.with_type(pa.string()) if pa.types.is_null(field.type) else field
                for field in rows.schema
            ]
        )
    )


def serve_python_models(session: Session, tables: Path) -> None:
    """Let dbt-spark, in this process, run Python models on the driver.

    `tables` is the folder of Spark's tables.
    """
    from dbt.adapters.spark.impl import SparkAdapter

    class OnDriver:
        """What dbt calls to run a Python model."""

        def __init__(self, model: dict[str, Any], credentials: Any) -> None:
            self.model = model

        def submit(self, compiled_code: str) -> None:
            # Behind the model's own code dbt-spark has written how to save a table.
            code = self.model["compiled_code"]
            run_model(session, tables / "given", self.model, code)

    method = "driver"
    SparkAdapter.default_python_submission_method = method
    SparkAdapter.python_submission_helpers = {method: OnDriver}
