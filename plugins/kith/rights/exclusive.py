"""Who else is at work on a company's state while somebody is to be erased from it."""

import datetime as dt
import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from kith.errors import TransientError
from kith.runs.journal import Journal
from kith.runs.locks import is_busy, writer_lock
from kith.runs.processes import is_gone
from kith.runs.run import Run

# Between two tasks of a run nobody holds a lock.
_BETWEEN_TASKS = dt.timedelta(minutes=2)


@contextmanager
def exclusive(run: Run) -> Iterator[None]:
    """Keep runs and other erasures of the company away.

    Raises TransientError where one is in progress: nothing waits, so that nobody is
    erased in the middle of a run.
    """
    if busy := _run_in_progress(run):
        raise TransientError(
            f"{run.company.name}: {busy}; expected none; wait until it has ended, or "
            "stop it, and try again"
        )
    watch = run.home / "watch" / run.company.name / "warehouse"
    with ExitStack() as stack:
        for place in (run.warehouse.parent, *([watch] if watch.is_dir() else [])):
            stack.enter_context(writer_lock(place, waits=False))
        for table in run.company.sources:
            for folder in (run.raw(table.full_name), run.admitted(table.full_name)):
                if folder.is_dir():
                    _take(stack.enter_context((folder / ".lock").open("w")))
        yield


def _take(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise is_busy(Path(lock.name)) from None


def _run_in_progress(run: Run) -> str:
    """Which run goes on, if one does."""
    now = time.time()
    watch = run.home / "watch" / run.company.name
    for folder in (run.folder / "runs", watch / "runs"):
        for path in folder.glob("[!.]*"):
            journal = Journal(path)
            entries = list(journal.new_entries())
            for begun in journal.begun():
                if is_gone(begun.get("process")) is False:
                    return f"run {path.name} is in progress ({begun['stage']})"
            if not entries or journal.failed() or journal.has_ended("publish"):
                continue
            planned = any(entry["stage"] == "plan" for entry in entries)
            idle = now - journal.last_at()
            is_daily = folder.parent == run.folder
            if planned and is_daily and idle < _BETWEEN_TASKS.total_seconds():
                return (
                    f"run {path.name} was at work {idle:.0f} s ago, between two tasks"
                )
    return ""
