"""Rows of JSON as rows of text: numbers keep each digit that was written."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import simplejson
from simplejson import RawJSON

from kith.company.tables import Column
from kith.database import literal, quote, write_parquet
from kith.deliveries.columns import (
    ROW_NUMBER,
    checked_names,
    is_text,
    number_as_declared,
)
from kith.pull.connectors.request import FetchRequest

# SQL that tells whether `line` is a JSON object. A case, since `and` does not keep
# json_type from a line that is no JSON.
IS_OBJECT = "case when json_valid(line) then json_type(line) = 'OBJECT' else false end"
_HAS_EACH_KEY_ONCE = (
    f"case when {IS_OBJECT} then len(json_keys(line)) = "
    "len(list_distinct(json_keys(line))) else false end"
)
# SQL of the keys of `line`, NULL where it is no JSON object.
KEYS = f"case when {IS_OBJECT} then json_keys(line) end"


def read_line(line: str) -> Any:
    """A line of JSON, its numbers as they stand there.

    Raises ValueError where the line is no JSON.
    """
    return simplejson.loads(
        line,
        parse_float=RawJSON,
        parse_int=RawJSON,
        parse_constant=float,
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
    if isinstance(value, float) and not math.isfinite(value):
        # Programs write a number that is missing so. In a column of numbers it is
        # shown to admission.
        return None if column is None or is_text(column) else json.dumps(value)
    return str(
        simplejson.dumps(
            value,
            use_decimal=True,
            ensure_ascii=False,
            separators=(",", ":"),
            ignore_nan=True,
        )
    )


def unfold(
    request: FetchRequest,
    where: str,
    shapes: Sequence[list[str] | None],
    lines: str,
    target: Path,
    text: str = "line",
) -> None:
    """Write JSON objects to a Parquet file, each key as a column of text.

    `lines` is an SQL relation of `line` and `_kith_row`, `shapes` holds the different
    `KEYS` in it, and `text` is SQL of a line whose numbers are to be read. Lines that
    are no JSON object or have a key twice are added to the table `rejects`.
    """
    connection = request.duckdb
    objects = [keys for keys in shapes if keys is not None]
    proper = [keys for keys in objects if len(set(keys)) == len(keys)]
    is_row = IS_OBJECT if len(proper) == len(objects) else _HAS_EACH_KEY_ONCE
    keys = sorted({key for keys in proper for key in keys})
    names = checked_names(request.table, where, keys)
    shape = literal(json.dumps(dict.fromkeys(keys, "VARCHAR")))
    values = f"unnest(json_transform({text}, {shape}))," if keys else ""
    named = "".join(
        f"{quote(key)} as {quote(name)}, "
        for key, name in zip(keys, names, strict=True)
    )
    write_parquet(
        connection,
        f"""
        select {named} {ROW_NUMBER}
        from (select {values} {ROW_NUMBER} from {lines} where {is_row})
        """,
        target,
    )
    if len(proper) < len(shapes):
        connection.execute(
            f"""
            insert into rejects
            select
                {ROW_NUMBER},
                if({IS_OBJECT}, 'repeated key', 'not a JSON object'),
                line
            from {lines} where line is not null and not {is_row}
            """
        )
