"""Workbooks as office programs write them, made by hand: no library here writes any."""

import datetime as dt
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

Rows = Mapping[int, Sequence[Any]]  # by the number of the row, from 1
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class Formula(NamedTuple):
    """A cell with a formula: attributes of the cell, and its result as it is stored."""

    attributes: str
    result: str


def write_xlsx(
    path: Path, sheets: Mapping[str, Rows], merged: str = "", hidden: Sequence[str] = ()
) -> None:
    """Write sheets by their names; text that starts with # is an error."""
    relations = "".join(
        f'<Relationship Id="s{number}" Type="{_DOCUMENT}/worksheet" '
        f'Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(sheets, 1)
    )
    hide = ' state="hidden"'
    names = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="s{number}"'
        f"{hide if name in hidden else ''}/>"
        for number, name in enumerate(sheets, 1)
    )
    merge = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default '
            'Extension="xml" ContentType="application/xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship '
            f'Id="r" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "xl/workbook.xml",
            f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>{names}'
            "</sheets></workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
            f'<Relationship Id="y" Type="{_DOCUMENT}/styles" Target="styles.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "xl/styles.xml",
            f'{_HEAD}<styleSheet xmlns="{_MAIN}"><cellXfs count="3"><xf numFmtId="0"/>'
            '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        )
        for number, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{row}">'
                + "".join(
                    _xlsx_cell(f"{chr(65 + column)}{row}", value)
                    for column, value in enumerate(values)
                )
                + "</row>"
                for row, values in rows.items()
            )
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData>'
                f"{merge if merged else ''}</worksheet>",
            )


def _xlsx_cell(reference: str, value: Any) -> str:
    if value is None:
        return f'<c r="{reference}" s="1"/>'  # formatted, but empty
    if isinstance(value, Formula):
        return f'<c r="{reference}" {value.attributes}><f>1+1</f>{value.result}</c>'
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, dt.date):
        is_day = not isinstance(value, dt.datetime)
        moment = dt.datetime.combine(value, dt.time()) if is_day else value
        serial = (moment - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
        return f'<c r="{reference}" s="{1 if is_day else 2}"><v>{serial!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value!r}</v></c>'
    if value.startswith("#"):
        return f'<c r="{reference}" t="e"><f>1/0</f><v>{value}</v></c>'
    return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
