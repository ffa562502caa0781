"""Cells of a workbook that hold an error such as #N/A, or a formula without a result.

calamine gives them as empty cells, which would turn a failed formula into a missing
value without a word. So they are looked up in the file itself, where that is XML: in
.xlsx and .ods. Programs that do not calculate write formulas of .xlsx without results.
"""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO
from xml.parsers import expat

_CHUNK_BYTES = 1 << 20
# What such a cell looks like at least: several expressions, each with a beginning of
# its own, are quicker than one.
_NO_VALUE = rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"
_SIGNS_OF_XLSX = [
    re.compile(sign)
    for sign in (rb"""t=["']e["']""", rb"f>" + _NO_VALUE, rb"/>" + _NO_VALUE)
]
_SIGNS_OF_ODS = [re.compile(rb"""value-type=["']error["']""")]
_NO_RESULT = "a formula without a stored result"
_SIGN_BYTES = 64
_REFERENCE = re.compile(r"([A-Z]+)(\d+)")

Cells = dict[tuple[int, int], str]


def error_cells(path: Path, sheet: str) -> Cells:
    """Error shown by each such cell, by row and column counted from 0."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "xl/workbook.xml" in names:
            part, signs = _part_of_sheet(archive, sheet), _SIGNS_OF_XLSX
        elif "content.xml" in names:
            part, signs = "content.xml", _SIGNS_OF_ODS
        else:
            return {}
        # To search is a hundred times as quick as to parse, and errors are rare.
        with archive.open(part) as content:
            if not _contains(content, signs):
                return {}
        with archive.open(part) as content:
            if signs is _SIGNS_OF_XLSX:
                return _read_xlsx(content)
            return _read_ods(content, sheet)


def column_number(letters: str) -> int:
    """Number of a column from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def column_letters(number: int) -> str:
    """Inverse of `column_number`."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _contains(content: IO[bytes], signs: list[re.Pattern[bytes]]) -> bool:
    tail = b""
    while chunk := content.read(_CHUNK_BYTES):
        if any(sign.search(tail + chunk) for sign in signs):
            return True
        tail = chunk[-_SIGN_BYTES:]
    return False


def _part_of_sheet(archive: zipfile.ZipFile, sheet: str) -> str:
    """Name of the XML of a sheet, by way of its relation."""
    ids: dict[str, str] = {}
    targets: dict[str, str] = {}

    def collect(element: str, values: dict[str, str]) -> None:
        plain = {_local(name): value for name, value in values.items()}
        if _local(element) == "sheet":
            ids[plain["name"]] = plain["id"]
        elif _local(element) == "Relationship":
            targets[plain["Id"]] = plain["Target"]

    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        with archive.open(part) as content:
            _parse(content, collect)
    target = targets[ids[sheet]]
    return target[1:] if target.startswith("/") else str(PurePosixPath("xl") / target)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parse(
    content: IO[bytes],
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _: None,
    text: Callable[[str], None] = lambda _: None,
) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.ParseFile(content)


def _read_xlsx(content: IO[bytes]) -> Cells:
    found: Cells = {}
    row, column, kind, has_formula, result, shown = -1, -1, "", False, "", ""

    def start(element: str, values: dict[str, str]) -> None:
        nonlocal row, column, kind, has_formula, result, shown
        element = _local(element)
        if element == "row":
            row, column = int(values.get("r", row + 2)) - 1, -1
        elif element == "c":
            named = _REFERENCE.fullmatch(values.get("r", ""))
            column = column_number(named[1]) if named else column + 1
            kind, has_formula, result = values.get("t", ""), False, ""
        elif element == "f":
            has_formula = True
        shown = ""

    def end(element: str) -> None:
        nonlocal result
        element = _local(element)
        if element == "v":
            result = shown
        elif element == "c" and kind == "e":
            found[row, column] = result
        # The result of a formula that gives text may be empty.
        elif element == "c" and has_formula and not result and kind != "str":
            found[row, column] = _NO_RESULT

    def text(value: str) -> None:
        nonlocal shown
        shown += value

    _parse(content, start, end, text)
    return found


def _read_ods(content: IO[bytes], sheet: str) -> Cells:
    found: Cells = {}
    is_ours, is_error, shown = False, False, ""
    row = column = 0
    rows = columns = 1

    def start(element: str, values: dict[str, str]) -> None:
        nonlocal is_ours, is_error, shown, row, column, rows, columns
        plain = {_local(name): value for name, value in values.items()}
        element = _local(element)
        if element == "table":
            is_ours, row = plain.get("name") == sheet, 0
        elif element == "table-row":
            rows, column = int(plain.get("number-rows-repeated", 1)), 0
        elif element in ("table-cell", "covered-table-cell"):
            columns, shown = int(plain.get("number-columns-repeated", 1)), ""
            # An own attribute of LibreOffice beside the value type of the standard.
            is_error = is_ours and "error" in (
                values.get("calcext:value-type"),
                values.get("office:value-type"),
            )

    def end(element: str) -> None:
        nonlocal is_ours, is_error, row, column
        element = _local(element)
        if element in ("table-cell", "covered-table-cell"):
            if is_error:
                found.update(
                    ((y, x), shown)
                    for y in range(row, row + rows)
                    for x in range(column, column + columns)
                )
            column, is_error = column + columns, False
        elif element == "table-row":
            row += rows
        elif element == "table":
            is_ours = False

    def text(value: str) -> None:
        nonlocal shown
        shown += value

    _parse(content, start, end, text)
    return found
