"""An Excel workbook with one sheet, as small as the format allows."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa

_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels"
 ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType=
 "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType=
 "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
</Types>"""
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LINKS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="{office}/{kind}" Target="{target}"/>
</Relationships>"""
_BOOK = f"""<?xml version="1.0" encoding="UTF-8"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="{_OFFICE}"><sheets><sheet name="data" sheetId="1" r:id="r1"/></sheets>
</workbook>"""
_SHEET = (
    '<?xml version="1.0" encoding="UTF-8"?><worksheet '
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{}</sheetData></worksheet>"
)


def write_workbook(path: Path, columns: dict[str, pa.Array]) -> None:
    """Write a header and the rows; numbers as numbers where they are such."""
    values = [column.to_pylist() for column in columns.values()]
    rows = [list(columns), *map(list, zip(*values, strict=True))]
    sheet = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in (
            ("[Content_Types].xml", _TYPES),
            (
                "_rels/.rels",
                _LINKS.format(
                    office=_OFFICE, kind="officeDocument", target="xl/workbook.xml"
                ),
            ),
            ("xl/workbook.xml", _BOOK),
            (
                "xl/_rels/workbook.xml.rels",
                _LINKS.format(
                    office=_OFFICE, kind="worksheet", target="worksheets/sheet1.xml"
                ),
            ),
            ("xl/worksheets/sheet1.xml", _SHEET.format(sheet)),
        ):
            # A fixed date, so that the same rows are the same bytes.
            book.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text)


def _cell(value: object) -> str:
    if value is None:
        return "<c/>"
    text = str(value)
    if _is_number(text):
        return f"<c><v>{text}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
