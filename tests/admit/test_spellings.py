from decimal import Decimal
from pathlib import Path

import pytest

from tests.one_table import (
    HEADER,
    admitted,
    company,
    deliver,
    report,
    run_door,
    sales,
    with_rules,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def warnings_of(folder: Path, *ids: str, **rules: bool) -> list[str]:
    company(folder, columns=with_rules("sale_id", **rules), time_zone="UTC")
    deliver(folder, [f"{each},2024-03-01,1,1" for each in ids])
    found: list[str] = report(run_door(folder))["warnings"]
    return found


def test_a_number_in_two_spellings_is_told_and_declared_away(tmp_path: Path) -> None:
    ids = ["17850", "17850.0", "17851.00", "C17852", "9.0"]
    assert warnings_of(tmp_path, *ids) == [
        "shop.sales: column sale_id: 3 values are written like 17850.0 and 1 like "
        "17850, which would be two; declare whole_numbers: true for sale_id in "
        "sources.yml to read both as 17850, or false if they are meant so"
    ]
    assert warnings_of(tmp_path, *ids, whole_numbers=False) == []
    assert warnings_of(tmp_path, *ids, whole_numbers=True) == []
    run = run_door(tmp_path)
    assert admitted(run, "distinct sale_id") == [
        *(("17850",), ("17851",), ("9",), ("C17852",))
    ]


def test_every_way_to_write_a_float_is_told(tmp_path: Path) -> None:
    (told,) = warnings_of(tmp_path, "17850", '"17850,0"', "17851")
    assert "column sale_id: 1 values are written like 17850.0 and 2 like 17850" in told
    # Three noughts could be those of thousands; nothing but the source can tell.
    for rules in ({}, {"whole_numbers": True}):
        ids = ["17850", "17850.000", '"17850,0000"', "1.000", "C1"]
        assert warnings_of(tmp_path, *ids, **rules) == [
            "shop.sales: column sale_id: 2 values are written like 17850.000 beside "
            "17850, which are two; have the source write both alike, or declare "
            "whole_numbers: false for sale_id in sources.yml if they are meant so"
        ]
    assert warnings_of(tmp_path, *ids, whole_numbers=False) == []
    (told,) = warnings_of(tmp_path, "1.39E+10", '"1,4e+10"', "13900000000", "1E5")
    assert told == (
        "shop.sales: column sale_id: 2 values are written like 1.39E+10, whose other "
        "digits are lost, so that several could be one; have the source write them in "
        "full, or declare whole_numbers: false for sale_id in sources.yml if they are "
        "meant so"
    )


def test_numbers_of_another_kind_are_not_told(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, "1.0", "1.5", "2") == []
    assert warnings_of(tmp_path, "v1.0", "2.1.0", "1.000") == []


def test_a_file_without_a_last_line_end_is_told_once(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv")
    deliver(tmp_path, sales(8), "a.csv")
    (tmp_path / "data/b.csv").write_text("\n".join([HEADER, "X,2024-03-01,1,1.50"]))
    (told,) = report(run_door(tmp_path))["warnings"]
    assert told.startswith("shop.sales: data/b.csv: the last row has no line end, so ")
    assert report(run_door(tmp_path))["warnings"] == []


def test_what_cannot_be_read_counts_as_none_where_that_is_declared(
    tmp_path: Path,
) -> None:
    lines = ["S1,2024-03-01,1,2.50", "S2,2024-03-01,2,", "S3,2024-03-02,3,ask Anna"]
    columns = with_rules("price", unreadable="drop_value")
    columns[0]["meta"] = {"unreadable": "drop_value"}
    company(tmp_path, columns=columns, time_zone="UTC")
    # Of a key nothing can be dropped.
    deliver(tmp_path, [*lines, "\ufffd,2024-03-02,3,1.00", *sales(150)])
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price")[:3] == [
        ("S00000", Decimal("1.50")),
        ("S00001", Decimal("2.50")),
        ("S00002", Decimal("3.50")),
    ]
    assert ("S3", None) in admitted(run, "sale_id, price")
    assert report(run)["quarantined"] == 1
    (told,) = report(run)["warnings"]
    assert told == (
        "shop.sales: column price: 1 values cannot be read and count as none, as "
        "`unreadable: drop_value` says; expected decimal(18,2); have the source mend "
        "them"
    )
