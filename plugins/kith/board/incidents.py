"""Incidents and promises, for the pages, as `kith.incidents` tells of them.

Where that room is not part of this Kith, the pages show what journals say.
"""

import datetime as dt
import importlib
from pathlib import Path
from typing import Any

from kith.build.failing_rows import without_persons
from kith.company.folder import Company
from kith.errors import one_line

# What these say after the first clause quotes what a source delivered.
_QUOTE_ROWS = ("contract", "bug")


def _room(name: str) -> Any:
    try:
        return importlib.import_module(f"kith.incidents.{name}")
    except ModuleNotFoundError:
        return None


def open_incidents(state: Path) -> list[str]:
    """A line for each incident of a company that has not recovered."""
    history = _room("history")
    if history is None:
        return []
    return [
        f"{each.severity}: {each.task} failed: {each.cause} "
        f"({each.failure_class}, {each.failure_count} times since "
        f"{each.first_seen_at:%Y-%m-%d %H:%M} UTC)"
        for each in history.open_incidents(state)
    ]


def incidents_of(state: Path, run_id: str, task: str, table: str) -> list[list[str]]:
    """The incidents of a run, and the open ones of a task and table, in full."""
    history = _room("history")
    if history is None:
        return []
    return [
        each.lines()
        for each in history.incidents(state)
        if each.run_id == run_id
        or (each.recovered_at is None and (task, table) in each.broken)
    ]


def reason_of(failure: dict[str, Any]) -> str:
    """Why a stage failed, by its journal, without a person and without secrets.

    Of a class that quotes rows it is the first clause: the page has the rows, masked.
    """
    kind, reason = str(failure.get("failure_class") or ""), one_line(failure["reason"])
    if kind in _QUOTE_ROWS:
        reason = reason.partition("; ")[0]
    if texts := _room("texts"):
        reason = str(texts.safe(reason, kind))
    return without_persons(reason)


def standing(state: Path, company: Company | None) -> tuple[bool | None, str] | None:
    """Whether readers have what they were promised, and in words; None if unknown."""
    readers = _room("readers")
    if readers is None:
        return None
    found = readers.standing(state, company, dt.datetime.now(dt.UTC))
    return found.is_fresh, found.text
