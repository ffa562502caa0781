"""Workbooks (.xlsx, .xlsb, .xls, .ods): one sheet of them as a table.

The first row that is not empty, below those of options.skip_lines, is the header. A
cell keeps its type where the column is declared as such and its cells are all of that
kind; otherwise the column comes as text, written as `sources.yml` says that text is
written. Rows with an error such as #N/A are
handed over as unreadable, unless `null_values` names it, and so are those with a number
of which a workbook cannot hold all digits.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from kith.company.tables import Column, SourceTable
from kith.deliveries.casts import declared_types, is_fraction, is_number, is_time
from kith.deliveries.columns import (
    ROW_NUMBER,
    checked_names,
    columns_by_name,
    number_as_declared,
    shown_names,
)
from kith.errors import DeliveryError
from kith.pull.connectors.request import FetchRequest
from kith.pull.connectors.workbook_errors import Cells, column_letters, error_cells

# Beyond, a float does not tell one integer from the next.
_EXACT = 2**53


# Lines above a header among which it is looked for.
_LINES_ABOVE = 20


def convert_workbook(
    request: FetchRequest, where: str, path: Path, target: Path
) -> None:
    """Write a sheet's rows, with their numbers, to a Parquet file.

    Its unreadable rows go to a table `rejects` of the request's DuckDB connection.
    Raises DeliveryError when the sheet has no proper header.
    """
    table = request.table
    sheet = _open_sheet(table, where, path)
    rows = sheet.to_python(skip_empty_area=False)
    errors = error_cells(path, sheet.name)
    # The last rows may be nothing but cells with errors, which calamine leaves out.
    rows += [[]] * (max((y for y, _ in errors), default=-1) + 1 - len(rows))
    above = int(table.rules.options.get("skip_lines", "0"))
    header = next((n for n in range(above, len(rows)) if any(rows[n])), None)
    if header is None or not _known_names(table, rows[header]):
        _check_passed(table, where, sheet, rows[:above])
    if header is None:
        raise DeliveryError(
            f"{where}: sheet '{sheet.name}' is empty, not even a header was found; "
            f"expected the columns {_expected(table)}; have it delivered again"
        )
    names = _header(table, where, sheet, rows, header)
    declared = columns_by_name(table)
    columns = {x: declared.get(name.lower()) for x, name in names.items()}
    kinds = declared_types(table)
    errors |= _inexact_cells(rows, columns, kinds)
    rejected: dict[int, list[str]] = {}
    for (y, x), error in sorted(errors.items()):
        column = columns.get(x)
        if y > header and not (column and error in column.rules.null_values):
            rejected.setdefault(y, []).append(f"{error} in {_reference(y, x)}")
    # Rows without a cell are ghosts of the program that made the sheet.
    kept = [
        y
        for y in range(header + 1, len(rows))
        if y not in rejected and any(cell != "" for cell in rows[y])
    ]
    arrays = {
        name: _array([rows[y][x] for y in kept], column, kinds)
        for (x, name), column in zip(names.items(), columns.values(), strict=True)
    }
    numbers = pa.array([y - header for y in kept], pa.int64())
    pq.write_table(pa.table({**arrays, ROW_NUMBER: numbers}), target)
    lines = pa.table(
        {
            "row_number": pa.array([y - header for y in rejected], pa.int64()),
            "error": pa.array(
                [f"cell error: {', '.join(found)}" for found in rejected.values()],
                pa.string(),
            ),
            "text": pa.array(
                ["\t".join(map(_text, rows[y])) for y in rejected], pa.string()
            ),
        }
    )
    request.duckdb.register("rejected_rows", lines)
    request.duckdb.execute("create or replace temp table rejects as from rejected_rows")
    request.duckdb.unregister("rejected_rows")


def _expected(table: SourceTable) -> str:
    return ", ".join(column.name for column in table.columns)


def _open_sheet(table: SourceTable, where: str, path: Path) -> CalamineSheet:
    try:
        with path.open("rb") as stream:
            workbook = CalamineWorkbook.from_filelike(stream)
        sheets = [
            sheet
            for sheet in workbook.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]
        chosen = table.rules.options.get("sheet")
        visible = [
            sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible
        ]
        if chosen is None and len(visible) == 1:
            (chosen,) = visible
        if chosen is None or chosen not in [sheet.name for sheet in sheets]:
            wanted = f"no sheet '{chosen}'" if chosen else "more than one sheet"
            raise DeliveryError(
                f"{where}: {wanted} among {', '.join(sheet.name for sheet in sheets)}; "
                "name the one to be read as options.sheet in sources.yml"
            )
        return workbook.get_sheet_by_name(chosen)
    except PasswordError:
        raise DeliveryError(
            f"{where}: is protected by a password; have it delivered without"
        ) from None
    except CalamineError as error:
        raise OSError(str(error)) from error


def _header(
    table: SourceTable,
    where: str,
    sheet: CalamineSheet,
    rows: list[list[Any]],
    header: int,
) -> dict[int, str]:
    """Name of each column that has one; raises where one with values has none."""
    names = {x: _text(cell).strip() for x, cell in enumerate(rows[header])}
    names = {x: name for x, name in names.items() if name}
    filled = {x for row in rows[header:] for x, cell in enumerate(row) if cell != ""}
    unnamed = sorted(filled - set(names))
    ranges = [
        (top, left < right, f"{_reference(top, left)}:{_reference(bottom, right)}")
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or []
        if bottom >= header
        and any(cell != "" for row in rows[top : top + 1] for cell in row[left:][:1])
    ]
    merged = [name for top, is_wide, name in ranges if top <= header and is_wide]
    below_it = _header_below(table, rows, header)
    if unnamed or merged or below_it:
        found = shown_names(table, list(names.values()))
        fault = f"merged over {merged[0]}" if merged else "as its only names"
        letters = ", ".join(map(column_letters, unnamed[:5]))
        more = f", but values without a name in column {letters}" if unnamed else ""
        number = f" ({below_it})" if below_it else ""
        raise DeliveryError(
            f"{where}: sheet '{sheet.name}', row {header + 1}: found {found} {fault}"
            f"{more}; expected the header {_expected(table)}; set options.skip_lines "
            f"in sources.yml to the number of lines above the header{number}, or have "
            "them removed, and each column named"
        )
    below = [name for top, _, name in ranges if top > header]
    if below:
        raise DeliveryError(
            f"{where}: sheet '{sheet.name}': cells are merged below the header, "
            f"{', '.join(below[:5])}; expected a value of its own in each, since that "
            "of the others cannot be known; have them separated"
        )
    return dict(zip(names, checked_names(table, where, names.values()), strict=True))


def _check_passed(
    table: SourceTable, where: str, sheet: CalamineSheet, passed: list[list[Any]]
) -> None:
    """Raise DeliveryError where the header is among the lines that were passed over."""
    found = [y for y, row in enumerate(passed) if _is_header(table, row)]
    if found:
        raise DeliveryError(
            f"{where}: sheet '{sheet.name}': options.skip_lines: "
            f"{table.rules.options['skip_lines']} passes over the header, which stands "
            f"in row {found[0] + 1}; set options.skip_lines: {found[0]} in sources.yml"
        )


def _header_below(table: SourceTable, rows: list[list[Any]], header: int) -> int | None:
    """Number of lines above the row that names the columns; None where it does not."""
    if _known_names(table, rows[header]):
        return None
    further = range(header + 1, min(len(rows), header + _LINES_ABOVE))
    return next((y for y in further if _is_header(table, rows[y])), None)


def _is_header(table: SourceTable, row: list[Any]) -> bool:
    return 0 < len(table.columns) <= 2 * _known_names(table, row)


def _known_names(table: SourceTable, row: list[Any]) -> int:
    known = columns_by_name(table)
    return sum(_text(cell).strip().lower() in known for cell in row)


def _reference(row: int, column: int) -> str:
    return f"{column_letters(column)}{row + 1}"


def _inexact_cells(
    rows: list[list[Any]], columns: dict[int, Column | None], kinds: dict[str, str]
) -> Cells:
    """Whole numbers that a float does not tell from the next ones, and no identifiers.

    Those are fractions where somebody is named.
    """
    exact = [
        x
        for x, column in columns.items()
        if column is None or kinds[column.name] not in ("FLOAT", "DOUBLE")
    ]
    named = [x for x, column in columns.items() if column and column.rules.pii]
    fractions = {
        (y, x): "a fraction in place of an identifier"
        for y, row in enumerate(rows)
        for x in named
        if x < len(row) and isinstance(row[x], float) and row[x] % 1
    }
    return fractions | {
        (y, x): "a number of more digits than a cell keeps"
        for y, row in enumerate(rows)
        for x in exact
        if x < len(row) and isinstance(row[x], float | int) and abs(row[x]) > _EXACT
    }


def _array(cells: list[Any], column: Column | None, kinds: dict[str, str]) -> pa.Array:
    """Cells of a column in the declared kind, if all are of it, else as text."""
    kind = kinds[column.name] if column else "VARCHAR"
    values = [None if cell == "" else cell for cell in cells]
    found = {type(value) for value in values} - {type(None)}
    if is_number(kind) and found <= {int, float}:
        if is_fraction(kind) or any(value % 1 for value in values if value is not None):
            return pa.array(values, pa.float64(), from_pandas=False)
        return pa.array(values, pa.float64()).cast(pa.int64())
    if is_time(kind) and found <= {dt.date, dt.datetime}:
        if kind == "DATE" and dt.datetime not in found:
            return pa.array(values, pa.date32())
        # Calamine tells a whole day from a time of day, cell by cell.
        return pa.array(
            [value and _as_moment(value) for value in values], pa.timestamp("us")
        )
    if kind == "BOOLEAN" and found <= {bool}:
        return pa.array(values, pa.bool_())
    return pa.array(
        [None if value is None else _text(value, column) for value in values],
        pa.string(),
    )


def _as_moment(value: dt.date) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    return dt.datetime.combine(value, dt.time())


def _written(moment: dt.datetime, column: Column) -> str:
    """A time in the first declared format that loses nothing of it, else as a cell's.

    `casts` reads that one whatever the declared formats are.
    """
    for pattern in column.rules.format:
        text = moment.strftime(pattern)
        try:
            # To leave out a leading nought is a matter of writing alone.
            if dt.datetime.strptime(text, pattern.replace("%-", "%")) == moment:
                return text
        except ValueError:
            continue
    return moment.isoformat(timespec="microseconds")


def _text(value: Any, column: Column | None = None) -> str:
    """A cell as a text file would hold it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = str(int(value)) if value % 1 == 0 else repr(value)
        return number_as_declared(text, column)
    if isinstance(value, dt.date) and column:
        return (
            _written(_as_moment(value), column) if column.rules.format else str(value)
        )
    return str(value)
