"""Incidents, for the pages, and what journals say of a failure."""

from pathlib import Path
from typing import Any

from kith.build.failing_rows import without_persons
from kith.errors import FailureClass, one_line
from kith.incidents import history
from kith.incidents.texts import QUOTE_ROWS, safe


def open_incidents(state: Path) -> list[str]:
    """A line for each incident of a company that has not recovered."""
    return [
        f"{each.severity}: {each.task} failed: {each.cause} "
        f"({each.failure_class}, {each.seen})"
        for each in history.open_incidents(state)
    ]


def incidents_of(state: Path, run_id: str, task: str, table: str) -> list[list[str]]:
    """The incidents of a run, and the open ones of a task and table, in full."""
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
    kind: FailureClass = failure.get("failure_class") or "bug"
    reason = one_line(failure["reason"])
    if kind in QUOTE_ROWS:
        reason = reason.partition("; ")[0]
    return without_persons(safe(reason, kind))
