from pathlib import Path

import duckdb
import pytest

from kith.admit.table import admit_table
from tests.one_table import (
    HEADER,
    TABLE,
    admitted,
    company,
    deliver,
    refusal,
    report,
    run_door,
    sales,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def test_missing_column_stops(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    path.write_text("sale_id,sold_at,quantity\nA,2024-03-01,1\n")
    assert refusal(tmp_path) == (
        "shop.sales: data/sales.csv, header: missing column price; found sale_id, "
        "sold_at, quantity; expected sale_id, sold_at, quantity, price; have the "
        "column delivered, correct its name in sources.yml, or declare drift: "
        "{missing: warn} to go on with NULL"
    )


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("\t", "tab")])
def test_wrong_delimiter_stops(sign: str, name: str, tmp_path: Path) -> None:
    lines = [line.replace(",", sign) for line in [HEADER, *sales(8)]]
    (company(tmp_path) / "data/sales.csv").write_text("\n".join(lines))
    written = sign.replace("\t", "\\t")  # as in sources.yml
    message = refusal(tmp_path)
    assert message.startswith("shop.sales: data/sales.csv, header: missing column sale")
    assert message.endswith(
        f'the delimiter looks like "{written}" ({name}): set options.delimiter in '
        "sources.yml"
    )


@pytest.mark.parametrize("policy", ["evolve", "warn", "stop"])
def test_new_column_is_as_declared(policy: str, tmp_path: Path) -> None:
    path = company(tmp_path, drift={"new": policy}) / "data/sales.csv"
    path.write_text(f"{HEADER},colour\nA,2024-03-01,1,1,red\n")
    if policy == "stop":
        assert "header: new column colour; found sale_id" in refusal(tmp_path)
        return
    run = run_door(tmp_path)
    assert len(report(run)["warnings"]) == (policy == "warn")
    assert admitted(run, "columns('colour|sale_id')") == [
        ("A", "red") if policy == "evolve" else ("A",)
    ]


def test_missing_column_goes_on_as_null_where_declared(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv", drift={"missing": "warn"})
    deliver(tmp_path, sales(2), "a.csv")
    narrow = "sale_id,sold_at,quantity\nB,2024-03-01,1\n"
    (tmp_path / "data/b.csv").write_text(narrow)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price::varchar") == [
        *(("B", None), ("S00000", "1.50"), ("S00001", "2.50"))
    ]
    (warning,) = report(run)["warnings"]
    assert "data/b.csv, header: missing column price" in warning
    (tmp_path / "data/b.csv").write_text("sale_id,sold_at,price\nB,2024-03-01,1\n")
    assert "no row may lack quantity" in refusal(tmp_path)


def test_a_type_is_compared_with_that_of_the_delivery_before(tmp_path: Path) -> None:
    path = company(tmp_path, "data/s.parquet") / "data/s.parquet"
    runs = []
    for day, kind in (("2024-03-01", "bigint"), ("2024-03-02", "double")):
        duckdb.sql(
            f"copy (select '{day}' as sale_id, timestamp '{day} 12:00' as sold_at, "
            f"1::{kind} as quantity, 1::decimal(18,2) as price) to '{path}'"
        )
        runs.append(run_door(tmp_path, day, day))
    first, second = runs
    assert report(second)["warnings"] == [
        "shop.sales: type of column changed since the last delivery: quantity from "
        "BIGINT to DOUBLE"
    ]
    admit_table(first, TABLE)
    assert report(first)["warnings"] == []


def test_a_cursor_under_a_new_name_is_guessed_by_its_place(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    path.write_text("sale_id,when,quantity,price\nA,2024-03-01,1,1\n")
    assert "when looks like sold_at renamed (it stands in its place" in refusal(
        tmp_path
    )


@pytest.mark.parametrize("missing", ["stop", "warn"])
def test_a_file_without_a_header_is_named(missing: str, tmp_path: Path) -> None:
    company(tmp_path, key=[], cursor=None, drift={"missing": missing})
    lines = ["558742,2024-03-01 08:00:00,3,1.50", "558743,2024-03-02 08:00:00,4,1.50"]
    (tmp_path / "data/sales.csv").write_text("\n".join([*lines, ""]))
    message = refusal(tmp_path)
    assert message.endswith(
        "; no name is known, and '558742' looks like a value: without a header the "
        "first row would be lost; have the file delivered with one"
    )
    assert "aliases" not in message
