from pathlib import Path

import duckdb
import pytest

from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    HEADER,
    admitted,
    company,
    days,
    deliver,
    quarantined,
    refusal,
    run_door,
    sales,
    with_rules,
)

KEY = b"a key of the tests alone, long enough"

pytestmark = pytest.mark.usefixtures("kith_home")


def test_null_key_is_quarantined(tmp_path: Path) -> None:
    lines = sales(400)
    lines[9] = lines[9].replace("S00009", "")
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (10, "sale_id", "required_missing", None, "a value")
    ]
    lines[10:20] = [line[6:] for line in lines[10:20]]
    deliver(tmp_path, lines)
    message = refusal(tmp_path)
    assert "data/sales.csv, row 10, 11, 12 …: column sale_id: required_" in message
    assert "have the source fill the column" in message


def test_negative_quantity_is_quarantined(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(400), "X,2024-03-05 12:00,-2,1"])
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (401, "quantity", "below_minimum", "-2", ">= 0")
    ]
    assert days(run)["2024-03-05"] == (4, 1, 0)


def test_date_in_the_future_is_quarantined(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(400), "X,2999-01-01 12:00,2,1"])
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (
            *(401, "sold_at", "in_the_future", "2999-01-01 12:00"),
            "not later than the delivery",
        )
    ]
    assert sum(count for count, _, _ in days(run).values()) == 400
    assert max(days(run)) < "2025"


def test_the_first_fault_by_declared_column_is_named(tmp_path: Path) -> None:
    company(tmp_path, quarantine_limit_pct=100)
    deliver(tmp_path, ["A,soon,-1,x", ",2024-03-01,-1,x"])
    assert quarantined(run_door(tmp_path), "column_name, reason") == [
        ("sold_at", "wrong_type"),
        ("sale_id", "required_missing"),
    ]


def test_a_repeated_header_is_known_by_columns_of_numbers(
    tmp_path: Path,
) -> None:
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {"name": "_n", "data_type": "bigint"},
        {"name": "2024", "data_type": "bigint"},
    ]
    company(tmp_path, columns=columns, cursor=None, quarantine_limit_pct=100)
    lines = ["sale_id,_n,2024", "A,1,2", "sale_id,_n,2024", "B,3,4"]
    (tmp_path / "data/sales.csv").write_text("\n".join([*lines, ""]))
    run = run_door(tmp_path)
    assert admitted(run) == [("A", 1, 2), ("B", 3, 4)]
    assert quarantined(run, "row_number, reason") == [(2, "repeated_header")]


PRODUCTS = [
    {"name": "product", "data_type": "varchar"},
    {"name": "place", "data_type": "varchar"},
    {"name": "amount", "data_type": "decimal(18,2)"},
]


@pytest.mark.parametrize(
    "lines",
    [
        ["Total,,30.50"],
        [",Grand total:,30.50", "b,y,1"],
        ["TOTAL,2,30.50"],  # nothing is empty, but it is the last
        [" 合计 ,,30.50"],
        ["Subtotal,,20", "b,y,1"],
        ["Total sales,,20", "b,y,1"],
        ["Net total,7,30.50"],
        ["*** Total ***,,30.50"],
        ["7,TOTAL EUR,30.50"],
        ["3,30.50,Total (2 rows)"],
        ["30.50,本月合计,3"],
        ["Gesamtbetrag,,30.50"],
    ],
)
def test_a_line_of_totals_is_no_row(lines: list[str], tmp_path: Path) -> None:
    company(tmp_path, columns=PRODUCTS, key=[], cursor=None, quarantine_limit_pct=100)
    text = "\n".join(["product,place,amount", "a,x,10", "a,z,20.50", *lines, ""])
    (tmp_path / "data/sales.csv").write_text(text)
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, reason") == [(3, "total_line")]
    assert len(admitted(run)) == 1 + len(lines)


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("Total,Paris,30.50", {}),  # a filling station
        ("Totally,,30.50", {}),
        ("Total,,", {}),
        ("Total,x,1\nb,x,2", {}),
        ("Total,7,1\nb,x,2", {}),  # nothing is empty, and it is not the last
        ("Totals 2 you,x,30", {}),
        ("Total,,30.50", {"accepted_values": ["a", "Total"]}),
    ],
)
def test_a_row_that_only_looks_like_totals_is_one(
    line: str, rules: dict[str, list[str]], tmp_path: Path
) -> None:
    columns = [{**PRODUCTS[0], "meta": rules}, *PRODUCTS[1:]]
    company(tmp_path, columns=columns, key=[], cursor=None)
    text = f"product,place,amount\na,x,10\n{line}\n"
    (tmp_path / "data/sales.csv").write_text(text)
    assert len(admitted(run_door(tmp_path))) == 2 + line.count("\n")


def test_a_row_with_a_key_may_be_called_a_total(tmp_path: Path) -> None:
    columns = [{"name": "sku", "data_type": "bigint"}, *PRODUCTS]
    company(tmp_path, columns=columns, key=["sku"], cursor=None)
    text = "sku,product,place,amount\n1,Total 0% yoghurt,,3\n2,Fage Total,,2\n"
    (tmp_path / "data/sales.csv").write_text(text)
    assert len(admitted(run_door(tmp_path))) == 2


def test_totals_of_json_and_of_people_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY.decode())
    for rules, reason in (({}, "total_line"), ({"pii": "handle"}, "wrong_type")):
        columns = [{"name": "slip", "data_type": "varchar", "meta": rules}, PRODUCTS[2]]
        company(tmp_path, "data/s.jsonl", columns, key=[], cursor=None)
        lines = [f'{{"slip": "{slip}", "amount": 30}}\n' for slip in ("a", "Total")]
        (tmp_path / "data/s.jsonl").write_text("".join(lines))
        assert f"row 2: column slip: {reason}" in refusal(tmp_path)


def test_totals_of_a_typed_source_are_known(tmp_path: Path) -> None:
    company(tmp_path, "data/s.parquet", PRODUCTS, key=[], cursor=None)
    duckdb.sql(
        "copy (select * from (values ('a', 'x', 10.5::double), ('Total', null, 10.5)) "
        f"rows(product, place, amount)) to '{tmp_path / 'data/s.parquet'}'"
    )
    assert "row 2: column product: total_line, found 'Total'" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("decimal", "others", "longer"),
    [
        (None, ["abc", "€5.00", "1,234.50", "1e30"], ["1.005", "-.125", "1e-5"]),
        (",", ["abc", "5.00", "1.23,5"], ["1,005", "1.234,125", "1e-5"]),
    ],
)
def test_places_are_named_where_a_number_has_more(
    decimal: str | None, others: list[str], longer: list[str], tmp_path: Path
) -> None:
    columns = with_rules("price", decimal=decimal) if decimal else COLUMNS
    company(tmp_path, columns=columns, quarantine_limit_pct=100)
    values = others + longer
    deliver(tmp_path, [f'{n},2024-03-01,1,"{value}"' for n, value in enumerate(values)])
    assert quarantined(run_door(tmp_path), "value, expected") == [
        *((value, "decimal(18,2)") for value in others),
        *((value, "decimal(18,2): at most 2 places") for value in longer),
    ]


def test_an_offset_that_cannot_be_read_has_its_cure(tmp_path: Path) -> None:
    columns = with_rules("sold_at", time_zone="Europe/Paris")
    deliver(company(tmp_path, columns=columns), ["A,2024-02-29 23:59:59 CST,1,1"])
    message = refusal(tmp_path)
    assert "or with its offset such as Z or +01:00; any other form needs a " in message
    assert "format, with %z for an offset" in message


@pytest.mark.parametrize(
    ("delivered", "shown"),
    [
        ("li.na@example.com", "xx.xx@xxxxxxx.xxx"),
        ("Li Na", "xx xx"),
        ("+33 1 42 68 53 00", "+99 9 99 99 99 99"),
        ("2024-13-45", "2024-13-45"),
        ("12.5x", "99.9x"),
        ("13.55.1", "13.55.1"),
    ],
)
def test_beside_identifiers_no_value_is_shown_that_may_be_one(
    delivered: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY.decode())
    columns = [
        *COLUMNS,
        {"name": "mail", "data_type": "text", "meta": {"pii": "email"}},
    ]
    company(tmp_path, columns=columns)
    text = f"{HEADER},mail\nA,2024-03-01,1,{delivered},a@b.example\n"
    (tmp_path / "data/sales.csv").write_text(text)
    message = refusal(tmp_path)
    run = new_run(tmp_path, "2024-03-01", "2024-12-31")
    assert quarantined(run, "reason, value") == [("wrong_type", shown)]
    assert f"found '{shown}'" in message
