"""Rows of JSON as rows of text: numbers keep each digit that was written."""

import json
from decimal import Decimal
from typing import Any

import simplejson
from simplejson import RawJSON

from kith.company.tables import Column
from kith.deliveries.columns import number_as_declared


def read_line(line: str) -> Any:
    """A line of JSON, its numbers as they stand there.

    Raises ValueError where the line is no JSON.
    """
    return simplejson.loads(
        line,
        parse_float=RawJSON,
        parse_int=RawJSON,
        parse_constant=RawJSON,
        allow_nan=True,
    )


def row_as_text(row: Any, columns: dict[str, Column]) -> str:
    """A row as JSON whose values are text, nested ones as JSON; no row as it is.

    A number of JSON has a point, whatever text of its column is declared to have:
    `columns` (of `columns_by_name`) tell which of them take a comma.
    """
    if not isinstance(row, dict):
        return str(simplejson.dumps(row, use_decimal=True))
    return json.dumps(
        {
            key: _value_as_text(value, columns.get(key.lower()))
            for key, value in row.items()
        }
    )


def _value_as_text(value: Any, column: Column | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, RawJSON):
        return number_as_declared(value.encoded_json, column)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return number_as_declared(str(value), column)
    return str(
        simplejson.dumps(
            value, use_decimal=True, ensure_ascii=False, separators=(",", ":")
        )
    )
