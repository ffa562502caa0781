"""What a file holds, as its first bytes tell, against what its name says."""

import codecs
import json
import zipfile
from pathlib import Path

from kith.errors import DeliveryError

# Suffix of each kind that is known by its beginning.
_BEGINNINGS = {
    b"PAR1": ".parquet",
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"\xd0\xcf\x11\xe0": ".xls",
    b"PK\x03\x04": ".zip",
    b"%PDF": "a PDF document",
}
_WORDS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), "text"),
    **dict.fromkeys((".jsonl", ".ndjson"), "lines of JSON"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls"), "a workbook"),
    ".parquet": "Parquet",
    ".gz": "what gzip packed",
    ".zst": "what Zstandard packed",
    ".zip": "a zip archive",
}
_PAGES = {b"<!doctype html": "a web page", b"<html": "a web page", b"<?xml": "XML"}
_HEAD_BYTES = 1 << 12
# Control characters that stand in no text.
_NO_TEXT = bytes({*range(0x20)} - set(b"\t\n\f\r\x1a\x1b"))


def check_content(where: str, path: Path, suffix: str) -> None:
    """Raise DeliveryError where a file holds another kind than its suffix says.

    What is not known by its beginning is left to whoever reads it.
    """
    named, held = _WORDS.get(suffix), _held(path)
    if named is None or held is None or _WORDS.get(held, held) == named:
        return
    # Rows may stand below a first line that is none; and some workbooks are archives
    # of another kind than Excel's.
    if (named, held) in (("lines of JSON", ".csv"), ("a workbook", ".zip")):
        return
    cure = f"renamed so that it ends in {held}, or " if held in _WORDS else ""
    raise DeliveryError(
        f"{where}: cannot be read as {named}, since it holds {_WORDS.get(held, held)}; "
        f"have it {cure}delivered again as its name says"
    )


def _held(path: Path) -> str | None:
    """The suffix, or else the words, for what a file holds; None if nobody knows."""
    with path.open("rb") as content:
        head = content.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8)
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return _held_by_zip(path) if kind == ".zip" else kind
    text = head.strip()
    if not text or any(sign in _NO_TEXT for sign in text):
        return None
    for page, kind in _PAGES.items():
        if text.lower().startswith(page):
            return kind
    return ".jsonl" if _is_object(text.splitlines()[0]) else ".csv"


def _held_by_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            is_workbook = "xl/_rels/workbook" in "\n".join(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError):
        return None
    return ".xlsx" if is_workbook else ".zip"


def _is_object(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
