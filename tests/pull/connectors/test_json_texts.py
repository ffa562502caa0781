"""Rows of JSON as text, each number as it was written."""

from pathlib import Path

import duckdb
import pytest

from kith.company.tables import Column, ColumnRules
from kith.errors import DeliveryError
from kith.pull.connectors.json_texts import read_line, row_as_text
from tests.one_table import (
    COLUMNS,
    admitted,
    company,
    run_door,
)
from tests.pull.connectors.fetching import fetched, rows

pytestmark = pytest.mark.usefixtures("kith_home")


def test_a_line_of_json_with_a_key_twice_is_rejected(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    lines = ['{"sale_id":"A"}', '{"sale_id":"B","n":1.10,"n":2}', "[]"]
    (tmp_path / "data/sales.jsonl").write_text("\n".join(lines))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [("A",)]
    rejects = f"select * from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [
        (2, "repeated key", lines[1]),
        (3, "not a JSON object", "[]"),
    ]


@pytest.mark.parametrize(
    "number",
    [
        *("1.10", "1.0", "0.1", "100.00", "-0.50", "1E2", "1.5e-7", "0.00001"),
        *("1234567890123456.78", "12345678901234567890123.45", "0.30000000000000004"),
        *("12345678901234567890", "123456789012345678901234567890", "9007199254740993"),
        *("12345678901234567890.5", "123456789012345", "12345678901234.5", "1.10  "),
    ],
)
def test_numbers_of_json_lines_keep_their_digits(number: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    nested = f'{{"x":[{number.strip()},"1.10",true]}}'
    lines = [f'{{"sale_id":{number},"n":{nested},"b":false,"t":"x"}}', '{"t":":1.0"}']
    (tmp_path / "data/sales.jsonl").write_text("\n".join(lines))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id, n, b, t") == [
        (number.strip(), nested, "false", "x"),
        (None, None, None, ":1.0"),
    ]


def test_a_number_of_json_has_a_point_whatever_is_declared(tmp_path: Path) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[3]["meta"] = {"decimal": ",", "aliases": ["Cost"], "round": True}
    company(tmp_path, "data/sales.jsonl", columns)
    prices = ["234.567", '"234,57"', "1.25", '"1.234,5"', "7", "1e3"]
    (tmp_path / "data/sales.jsonl").write_text(
        "\n".join(
            f'{{"sale_id":"{n}","sold_at":"2024-03-01","quantity":1,"cost":{price}}}'
            for n, price in enumerate(prices)
        )
    )
    company_prices = admitted(run_door(tmp_path), "price::varchar")
    assert sorted(company_prices) == [
        *(("1.25",), ("1000.00",), ("1234.50",), ("234.57",), ("234.57",), ("7.00",))
    ]


def test_a_key_of_json_without_a_name_is_refused(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    (tmp_path / "data/sales.jsonl").write_text('{"sale_id": "A", "": "7"}')
    with pytest.raises(DeliveryError, match="column 1 has no name; have it delivered"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            '{"a": 1.50, "b": null, "c": "x", "d": true}',
            '{"a": "1.50", "b": null, "c": "x", "d": "true"}',
        ),
        ('{"price": -1.5, "n": {"z": 1e2}}', '{"price": "-1,5", "n": "{\\"z\\":1e2}"}'),
        ("[1.0]", "[1.0]"),
        # A number that is none is nothing where text is declared, or nothing at all.
        ('{"price": NaN, "t": NaN}', '{"price": "NaN", "t": null}'),
        ('{"u": -Infinity, "n": [NaN]}', '{"u": null, "n": "[null]"}'),
    ],
)
def test_values_of_a_row_become_text_as_it_was_written(line: str, text: str) -> None:
    price = Column(
        name="price", data_type="decimal(18,2)", rules=ColumnRules(decimal=",")
    )
    columns = {"price": price, "t": Column(name="t", data_type="varchar")}
    assert row_as_text(read_line(line), columns) == text


def test_nan_of_json_is_no_text(tmp_path: Path) -> None:
    path = company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl"
    path.write_text('{"sale_id": NaN, "t": "NaN"}\n{"sale_id": "B", "t": NaN}\n')
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id, t") == [(None, "NaN"), ("B", None)]
