"""Cells of an .xlsx that hold an error such as #N/A, or a formula without a result.

calamine gives them as empty cells, which would turn a failed formula into a missing
value without a word. So they are looked up in the file itself. Programs that do not
calculate write formulas without results.
"""

import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO
from xml.etree import ElementTree

_CHUNK_BYTES = 1 << 20
# What such a cell looks like at least: several expressions, each with a beginning of
# its own, are quicker than one.
_NO_VALUE = rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"
_SIGNS = [
    re.compile(sign)
    for sign in (rb"""t=["']e["']""", rb"f>" + _NO_VALUE, rb"/>" + _NO_VALUE)
]
_NO_RESULT = "a formula without a stored result"
_SIGN_BYTES = 64
_REFERENCE = re.compile(r"([A-Z]+)(\d+)")

Cells = dict[tuple[int, int], str]


def error_cells(path: Path, sheet: str) -> Cells:
    """Error shown by each such cell, by row and column counted from 0."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            return {}
        part = _part_of_sheet(archive, sheet)
        # To search is a hundred times as quick as to parse, and errors are rare.
        with archive.open(part) as content:
            if not _has_signs(content):
                return {}
        with archive.open(part) as content:
            return _read(content)


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


def _has_signs(content: IO[bytes]) -> bool:
    tail = b""
    while chunk := content.read(_CHUNK_BYTES):
        if any(sign.search(tail + chunk) for sign in _SIGNS):
            return True
        tail = chunk[-_SIGN_BYTES:]
    return False


def _part_of_sheet(archive: zipfile.ZipFile, sheet: str) -> str:
    """Name of the XML of a sheet, by way of its relation."""
    targets = {
        relation.get("Id"): relation.get("Target", "")
        for relation in _parsed(archive, "xl/_rels/workbook.xml.rels")
    }
    (target,) = (
        targets[value]
        for element in _parsed(archive, "xl/workbook.xml").findall(".//{*}sheet")
        if element.get("name") == sheet
        for name, value in element.items()
        if name.rpartition("}")[2] == "id"
    )
    return target[1:] if target.startswith("/") else str(PurePosixPath("xl") / target)


def _parsed(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    with archive.open(part) as content:
        return ElementTree.parse(content).getroot()  # noqa: S314


def _read(content: IO[bytes]) -> Cells:
    found: Cells = {}
    row = -1
    for _, element in ElementTree.iterparse(content):  # noqa: S314
        if element.tag.rpartition("}")[2] != "row":
            continue
        row, column = int(element.get("r", row + 2)) - 1, -1
        for cell in element:
            named = _REFERENCE.fullmatch(cell.get("r", ""))
            column = column_number(named[1]) if named else column + 1
            kind = cell.get("t")
            inside = {each.tag.rpartition("}")[2]: each.text for each in cell}
            result = inside.get("v") or ""
            if kind == "e":
                found[row, column] = result
            # The result of a formula that gives text may be empty.
            elif "f" in inside and not result and kind != "str":
                found[row, column] = _NO_RESULT
        element.clear()
    return found
