import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.errors import ConfigurationError
from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    HEADER,
    TABLE,
    admitted,
    company,
    days,
    deliver,
    quarantined,
    refusal,
    report,
    run_door,
    sales,
    with_rules,
)

pytestmark = pytest.mark.usefixtures("kith_home")


@pytest.mark.parametrize(("empty", "admits"), [("warn", True), ("stop", False)])
def test_delivery_without_rows_is_as_declared(
    empty: str, admits: bool, tmp_path: Path
) -> None:
    deliver(company(tmp_path, empty=empty), [])
    if admits:
        run = run_door(tmp_path, "2024-03-01", "2024-03-02")
        assert admitted(run) == []
        warning = "shop.sales: data/sales.csv: no row for 2024-03-01 to 2024-03-02"
        assert report(run)["warnings"] == [warning]
        assert days(run) == {}
    else:
        assert "no row for 2024-03-01 to 2024-12-31; expected some" in refusal(tmp_path)


def test_each_file_is_read_by_its_own_types(tmp_path: Path) -> None:
    # Read together, DuckDB would make floats of the keys and UTC of the local times.
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {
            "name": "sold_at",
            "data_type": "timestamp",
            "meta": {"time_zone": "Europe/Paris"},
        },
        {"name": "price", "data_type": "decimal(38,2)", "meta": {"decimal": ","}},
    ]
    company(tmp_path, "data/*", columns)
    local, zoned = (
        "timestamp '2024-07-01 12:00'",
        "'2024-07-01 12:00:00+00'::timestamptz",
    )
    for name, sale_id, sold_at, price in (
        ("a", "9007199254740993", local, "12345678901234567.89::decimal(38,2)"),
        ("b", "7::double", zoned, "1.13::double"),
        ("c", "1234567.5::double", local, "'1.234,5'"),
        ("d", "'x'::blob", zoned, "7::integer"),
        ("e", "uuid '00000000-0000-0000-0000-000000000001'", local, "null::date"),
    ):
        duckdb.sql(
            f"copy (select {sale_id} as sale_id, {sold_at} as sold_at, "
            f"{price} as price) to '{tmp_path}/data/{name}.parquet'"
        )
    assert admitted(run_door(tmp_path), "sale_id, hour(sold_at), price::varchar") == [
        ("00000000-0000-0000-0000-000000000001", 10, None),
        ("1234567.5", 10, "1234.50"),
        ("7", 12, "1.13"),
        ("9007199254740993", 10, "12345678901234567.89"),
        ("x", 12, "7.00"),
    ]


def test_rows_that_a_file_cannot_know_of_are_quarantined(tmp_path: Path) -> None:
    # Files of a day in UTC reach two hours into the next day of Paris, not further.
    company(tmp_path, "data/s_{date:%Y-%m-%d}.csv", quarantine_limit_pct=60)
    (tmp_path / "data/s_2024-06-01.csv").write_text(
        f"{HEADER}\nA,2024-06-01 10:00:00,1,1\nB,2024-06-01 22:30:00,1,1\n"
        "C,2024-06-04 10:00:00,1,1\n"
    )
    (tmp_path / "data/s_2024-06-04.csv").write_text(
        f"{HEADER}\nD,2024-06-04 10:00:00,1,1\n"
    )
    at_once = run_door(tmp_path, "2024-06-01", "2024-06-04")
    assert admitted(at_once, "sale_id") == [("A",), ("B",), ("D",)]
    assert quarantined(at_once, "file, row_number, reason") == [
        ("data/s_2024-06-01.csv", 3, "in_the_future")
    ]
    found = []
    for day in range(1, 5):
        run = run_door(tmp_path, f"2024-06-0{day}", f"2024-06-0{day}")
        found += admitted(run, "sale_id")
    assert found == [("A",), ("B",), ("D",)]


def test_columns_may_bear_names_of_our_own_sql(tmp_path: Path) -> None:
    columns = [*COLUMNS, {"name": "quarter", "data_type": "varchar"}]
    company(tmp_path, columns=columns)
    text = f"{HEADER},quarter\nA,2024-03-01,1,1.5,Q1\n"
    (tmp_path / "data/sales.csv").write_text(text)
    assert admitted(run_door(tmp_path), "sale_id, quarter") == [("A", "Q1")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            with_rules("price", "string64"),
            r"column price: data_type 'string64' is unkn",
        ),
        (with_rules("price", "hugeint"), r"column price: Parquet keeps no hugeint"),
        (with_rules("sale_id", minimum=1), r"column sale_id: minimum and maximum are"),
        (
            [*COLUMNS, {"name": "loaded_at", "data_type": "timestamp"}],
            r"column loaded_at: admission adds a column of that name",
        ),
    ],
)
def test_wrong_declaration_is_named(
    columns: list[Any], message: str, tmp_path: Path
) -> None:
    company(tmp_path, columns=columns, drift={"missing": "warn"})
    deliver(tmp_path, sales(4))
    with pytest.raises(ConfigurationError, match=message):
        run_door(tmp_path)


def test_truncated_parquet_stops(tmp_path: Path) -> None:
    path = company(tmp_path, "data/sales.parquet") / "data/sales.parquet"
    duckdb.sql(f"copy (select 1 as sale_id from range(1000)) to '{path}'")
    path.write_bytes(path.read_bytes()[:-100])
    assert re.fullmatch(
        r"shop.sales: data/sales.parquet: cannot be read, it seems truncated "
        r"or damaged \(.*\); have it delivered again",
        refusal(tmp_path),
    )


def test_texts_are_texts_again_once_declared_otherwise(tmp_path: Path) -> None:
    folder = company(tmp_path)
    lines = ["A,2024-03-01 10:00:00,12,12.00", "B,2024-03-01 11:00:00,007,12.50"]
    deliver(folder, lines)
    run = run_door(folder)
    company(
        folder,
        columns=[
            *COLUMNS[:2],
            {"name": "quantity", "data_type": "varchar"},
            {"name": "price", "data_type": "varchar"},
        ],
    )
    run = new_run(folder, "2024-03-01", "2024-12-31")
    admit_table(run, TABLE)
    assert admitted(run, "quantity, price") == [("007", "12.50"), ("12", "12.00")]
