"""Python models on the driver; that Spark's rows are the same says test_spark.

DuckDB stands in for Spark here: what models ask for, both understand.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.build.spark_models import Relation, run_model
from kith.errors import BuildError


@dataclass
class Session:
    """As much of a session on Spark as there is need of."""

    connection: duckdb.DuckDBPyConnection
    executed: list[str] = field(default_factory=list)
    given: list[pa.Table] = field(default_factory=list)

    def run(self, statement: str) -> None:
        self.executed.append(statement)
        self.given.append(pq.read_table(statement.split("`")[1]))

    def listed(self, statement: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def rows(self, query: str) -> pa.Table:
        return self.connection.sql(query).to_arrow_table()


@pytest.fixture
def session() -> Session:
    connection = duckdb.connect()
    connection.execute(
        "create table visits as select * from (values ('a', 3), ('b', 1), ('b', 1), "
        "('c', 2)) as visits (customer_id, visit_count)"
    )
    return Session(connection)


def asked_of_both(session: Session, ask: Any) -> tuple[Any, Any]:
    """What a model gets from our relation, and from DuckDB's own."""
    return (
        ask(Relation(session, "select * from visits")),
        ask(session.connection.table("visits")),
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda rows: rows.select("visit_count + 1 as more, customer_id"),
        lambda rows: rows.filter("visit_count > 1 or customer_id = 'b'"),
        lambda rows: rows.distinct(),
        lambda rows: rows.order("customer_id desc, visit_count"),
        lambda rows: rows.union(rows.filter("customer_id = 'b'")),
        lambda rows: (
            rows.select("customer_id").union(rows.select("customer_id")).distinct()
        ),
    ],
)
def test_rows_are_those_that_duckdb_gives(session: Session, ask: Any) -> None:
    ours, duckdbs = (each.to_arrow_table() for each in asked_of_both(session, ask))
    names = ours.column_names
    assert names == duckdbs.column_names
    by = [(name, "ascending") for name in names]
    assert ours.sort_by(by).to_pylist() == duckdbs.sort_by(by).to_pylist()


def test_an_order_is_kept(session: Session) -> None:
    rows = Relation(session, "select * from visits").order("visit_count desc")
    assert rows.to_arrow_table()["visit_count"].to_pylist() == [3, 2, 1, 1]


@pytest.mark.parametrize(
    "ask",
    [lambda rows: rows.max("visit_count"), lambda rows: rows.count("customer_id")],
)
def test_one_value_is_a_row(session: Session, ask: Any) -> None:
    ours, duckdbs = (each.fetchone() for each in asked_of_both(session, ask))
    assert ours == duckdbs


def test_no_row_is_none(session: Session) -> None:
    assert Relation(session, "select * from visits where false").fetchone() is None


def test_a_reader_gives_all_rows_in_batches(session: Session) -> None:
    batches = list(Relation(session, "select * from visits").to_arrow_reader(3))
    assert [batch.num_rows for batch in batches] == [3, 1]


CODE = """
def model(dbt, session):
    import pyarrow as pa
    names = dbt.ref("visits").select("customer_id").distinct().to_arrow_table()
    return pa.table({"customer_count": [names.num_rows], "nothing": pa.nulls(1)})

class dbtObj:
    def __init__(self, load):
        self.ref = load
"""
MODEL = {
    "schema": "intermediate",
    "alias": "int_counts",
    "original_file_path": "models/int_counts.py",
    "columns": {
        "nothing": {"name": "nothing", "data_type": "string"},
        "customer_count": {"name": "customer_count", "data_type": "bigint"},
    },
}


def test_a_model_writes_its_table_in_the_contracts_types(
    session: Session, tmp_path: Path
) -> None:
    folder = tmp_path / "given"
    run_model(session, folder, MODEL, CODE)
    (rows,) = session.given
    assert rows.to_pylist() == [{"customer_count": 3, "nothing": None}]
    assert rows.schema.field("nothing").type == pa.string()
    assert session.executed == [
        "create table intermediate.int_counts using parquet as select "
        "cast(nothing as string) as nothing, "
        "cast(customer_count as bigint) as customer_count "
        f"from parquet.`{folder}/intermediate.int_counts.parquet`"
    ]
    assert list(folder.iterdir()) == []


def test_a_model_that_breaks_its_contract_writes_nothing(
    session: Session, tmp_path: Path
) -> None:
    code = CODE.replace("nothing", "anything")
    with pytest.raises(BuildError, match="anything too many, nothing too few"):
        run_model(session, tmp_path, MODEL, code)
    assert session.executed == []
