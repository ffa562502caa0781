from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.company.tables import Column, ColumnRules, SourceTable, TableRules
from kith.errors import DeliveryError
from kith.pull.connectors.landing import columns_of
from kith.pull.connectors.request import Fetched
from kith.pull.twins import find_twins


def table(*columns: Column, **rules: Any) -> SourceTable:
    return SourceTable(
        source="shop",
        name="slips",
        rules=TableRules(connector="files", path="*", **rules),
        columns=list(columns),
    )


def twins(
    folder: Path, queries: dict[str, str], *columns: Column, **rules: Any
) -> dict[str, str]:
    """The twins among files that hold what these queries give."""
    connection = duckdb.connect()
    fetched = []
    for name, query in queries.items():
        path = folder / f"{name}.parquet"
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")
        (count,) = connection.execute(f"select count(*) from '{path}'").fetchall()[0]
        kinds = columns_of(connection, path)
        fetched.append(Fetched(name, path, False, count, kinds))
    return find_twins(connection, table(*columns, **rules), fetched)


AMOUNT = Column(name="amount", data_type="decimal(18,2)")
DAY = Column(
    name="day",
    data_type="date",
    rules=ColumnRules(aliases=["on"], format=["%d.%m.%Y", "%Y-%m-%d"]),
)


def test_values_count_as_admission_reads_them(tmp_path: Path) -> None:
    queries = {
        "a": "select '1.50' as amount, '02.03.2024' as day union all select '2', null",
        "b": "select date '2024-03-02' as \"ON\", 1.5::double as Amount union all "
        "select null, 2",
        "c": "select '2' as amount, null as day union all select '1.5', '2024-03-02'",
        "other_day": "select '1.5' as amount, '2024-02-03' as day union all "
        "select '2', null",
        "one_row": "select '1.50' as amount, '02.03.2024' as day",
    }
    assert twins(tmp_path, queries, AMOUNT, DAY) == {"b": "a", "c": "a"}
    assert twins(tmp_path, queries, AMOUNT, DAY, cursor="day") == {"b": "a", "c": "a"}


def test_what_cannot_be_read_counts_as_it_came(tmp_path: Path) -> None:
    queries = {
        "a": "select 'x' as amount",
        "b": "select 'y' as amount",
        "c": "select ' x' as amount",
        "nothing": "select '' as amount",
    }
    assert twins(tmp_path, queries, AMOUNT) == {"c": "a"}


def test_a_person_is_the_same_in_any_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    card = Column(name="card", data_type="varchar", rules=ColumnRules(pii="card"))
    queries = {
        "a": "select 'VIP 7' as card",
        "b": "select 'vip-7' as Card",
        "c": "select 'VIP 8' as card",
    }
    assert twins(tmp_path, queries, card) == {"b": "a"}


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = "select '1' as amount from range(2)"
    path = tmp_path / "a.parquet"
    twins(tmp_path, {"a": whole, "b": whole}, AMOUNT)
    connection = duckdb.connect()
    kinds = columns_of(connection, path)
    path.write_bytes(bytes(path.stat().st_size))
    pair = [
        Fetched(name, tmp_path / f"{name}.parquet", False, 2, kinds) for name in "ab"
    ]
    with pytest.raises(DeliveryError, match=r"^shop.slips: a: cannot be read"):
        find_twins(connection, table(AMOUNT), pair)
