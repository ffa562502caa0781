"""One run: which company, which days, and where its files lie."""

import datetime as dt
import errno
import json
import logging
import os
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError, KithError, one_line
from kith.failures import explained, failure_class
from kith.runs.locks import writer_lock
from kith.runs.processes import this_process
from kith.settings import load_settings
from kith.storage import restrict

# All that a company's state holds but `published`.
_CLOSED_FOLDERS = (
    *("raw", "admitted", "quarantine", "source_systems"),
    *("warehouse", "dbt", "scratch", "runs", "history"),
)


_log = logging.getLogger(__name__)
# Paths and days stay whole.
in_lines = partial(
    textwrap.wrap, width=90, break_long_words=False, break_on_hyphens=False
)


@dataclass(frozen=True)
class Interval:
    """Whole business days, both ends included."""

    from_day: dt.date
    to_day: dt.date

    def __post_init__(self) -> None:
        if self.from_day > self.to_day:
            raise ConfigurationError(
                f"FROM={self.from_day} lies after TO={self.to_day}; give FROM <= TO"
            )

    def __contains__(self, day: dt.date) -> bool:
        return self.from_day <= day <= self.to_day

    @property
    def slug(self) -> str:
        """Folder name: `20170101-20171231`."""
        return f"{self.from_day:%Y%m%d}-{self.to_day:%Y%m%d}"

    @classmethod
    def from_slug(cls, slug: str) -> "Interval":
        """Inverse of `slug`."""
        from_text, to_text = slug.split("-")
        return cls(
            dt.datetime.strptime(from_text, "%Y%m%d").date(),
            dt.datetime.strptime(to_text, "%Y%m%d").date(),
        )

    def bounds_utc(self, time_zone: str) -> tuple[dt.datetime, dt.datetime]:
        """First instant of the interval and first instant after it, naive UTC."""
        zone = ZoneInfo(time_zone)

        def midnight(day: dt.date) -> dt.datetime:
            local = dt.datetime.combine(day, dt.time(), tzinfo=zone)
            return local.astimezone(dt.UTC).replace(tzinfo=None)

        return midnight(self.from_day), midnight(self.to_day + dt.timedelta(days=1))


def last_complete_day(company: Company) -> dt.date:
    """Yesterday, in the company's time zone."""
    return dt.datetime.now(ZoneInfo(company.time_zone)).date() - dt.timedelta(days=1)


def requested_interval(
    company: Company, from_day: dt.date, to_day: dt.date
) -> Interval:
    """The days as an interval. Raises ConfigurationError when they are not over.

    The as-of date never goes back: a slip of the pen in TO would stay for ever.
    """
    if to_day > last_complete_day(company):
        raise ConfigurationError(
            f"TO={to_day} is not over yet; the last complete day in "
            f"{company.time_zone} is {last_complete_day(company)}"
        )
    return Interval(from_day, to_day)


def make_state(state: Path) -> None:
    """Make the folders of a company's state, closed to everybody but their owner.

    Who reads releases passes through `state` to `published`, and sees nothing else.
    """
    restrict(state, 0o711)
    for name in _CLOSED_FOLDERS:
        restrict(state / name, 0o700)


@dataclass(frozen=True)
class Run:
    """One run of the pipeline, and the places of its files.

    `run_id` is Airflow's; everything of one company lies in `home/<company>`. `as_of`
    is set where the marts of a past day are made: the last day that they know.
    """

    company: Company
    interval: Interval
    run_id: str
    home: Path
    as_of: dt.date | None = None

    @property
    def folder(self) -> Path:
        """State of this company."""
        return self.home / self.company.name

    @property
    def run_folder(self) -> Path:
        """Journal, dbt's artifacts and gate results of this run."""
        return self.folder / "runs" / folder_name(self.run_id)

    @property
    def warehouse(self) -> Path:
        """The file that dbt builds. BI tools never see it."""
        return self.folder / "warehouse" / "kith_build.duckdb"

    @property
    def published(self) -> Path:
        """Releases and the pointer `current`."""
        return self.folder / "published"

    def raw(self, table: str) -> Path:
        """Raw deliveries of `<source>.<table>`: `<interval>/<attempt>/`."""
        return self.folder / "raw" / Path(*table.split("."))

    def admitted(self, table: str) -> Path:
        """Admitted rows of `<source>.<table>`: `<interval>/`."""
        return self.folder / "admitted" / Path(*table.split("."))

    def quarantine(self, table: str) -> Path:
        """Refused rows of `<source>.<table>`: `<interval>/`."""
        return self.folder / "quarantine" / Path(*table.split("."))

    def to_dict(self) -> dict[str, str]:
        """Plain values that survive the way through Airflow (`from_dict`)."""
        return {
            "company": str(self.company.folder),
            "from_day": self.interval.from_day.isoformat(),
            "to_day": self.interval.to_day.isoformat(),
            "run_id": self.run_id,
        }

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> "Run":
        """Inverse of `to_dict`; the company is what its files say now."""
        return cls(
            company=load_company(Path(values["company"])),
            interval=Interval(
                dt.date.fromisoformat(values["from_day"]),
                dt.date.fromisoformat(values["to_day"]),
            ),
            run_id=values["run_id"],
            home=load_settings().home,
        )

    @contextmanager
    def stage(self, name: str, item: str = "") -> Iterator[dict[str, Any]]:
        """Write start, end, seconds and failure of a stage to the run's journal.

        Yields a dict that the stage fills with its figures (rows, bytes …). A failure
        stands there with its reason and class; what others raise leaves the stage as
        an error of ours, where its cause is known.
        """
        figures: dict[str, Any] = {}
        started = time.time()

        def end(event: str, **more: Any) -> None:
            now = time.time()
            self._write(
                {
                    "stage": name,
                    "item": item,
                    "event": event,
                    "at": now,
                    "seconds": round(now - started, 3),
                    "reason": "",
                    **more,
                    "figures": figures,
                }
            )

        try:
            make_state(self.folder)
            begin = {"stage": name, "item": item, "event": "start", "at": started}
            self._write({**begin, "process": this_process()})
            yield figures
            end("end")
        except BaseException as error:
            known = explained(error)
            kind = type(error).__name__
            text = str(known) if known else f"{kind}: {str(error).strip() or kind}"
            reason = "; ".join([text, *getattr(error, "__notes__", ())])
            try:
                end("fail", reason=reason, failure_class=failure_class(error))
            except OSError as fault:  # Such as that of a full disk.
                _log.error("%s cannot be written: %s", self.run_folder, fault.strerror)
            # The page of a task's log cuts long lines, and so the error's own.
            for line in in_lines(one_line(reason)):
                _log.error(line)
            if known is None or known is error:
                raise
            raise known from error

    def note(self, stage: str, item: str, **figures: Any) -> None:
        """Write how a part of a stage went to the run's journal."""
        entry = {"stage": stage, "item": item, "event": "note", "at": time.time()}
        self._write({**entry, "figures": figures})

    def note_death(self, stage: str, item: str, error: KithError) -> None:
        """Write to the run's journal that the process of a stage is gone."""
        entry = {"stage": stage, "item": item, "event": "fail", "at": time.time()}
        more = {"reason": str(error), "failure_class": error.failure_class}
        self._write({**entry, "seconds": 0, **more, "figures": {}})

    def _write(self, entry: dict[str, Any]) -> None:
        self.run_folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps(entry, default=str).encode() + b"\n"
        path = self.run_folder / "journal.jsonl"
        # One write of one line in append mode: mapped tasks share the journal.
        with path.open("ab+", buffering=0) as journal:
            # A disk that was full may have taken half of the line before.
            if end := journal.tell():
                journal.seek(end - 1)
                line = line if journal.read(1) == b"\n" else b"\n" + line
            if journal.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    @contextmanager
    def writer_lock(self) -> Iterator[tuple[int, ...]]:
        """Hold the warehouse's lock; waits for another writer to end.

        Airflow's pool keeps tasks apart; this keeps people and runs apart. It is freed
        when the process dies, however it dies. Yields file descriptors for a child
        process to inherit (`kith.runs.locks.writer_lock`).
        """
        make_state(self.folder)
        with writer_lock(self.warehouse.parent) as held:
            yield held


def folder_name(run_id: str) -> str:
    """Name of a run's folder below `runs`; that of such a name is the name itself."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in run_id)


def current_release(published: Path) -> str | None:
    """Id of the release that readers see now; `published` holds the releases."""
    pointer = published / "current"
    return pointer.readlink().name if pointer.is_symlink() else None


def plan_run(
    company: Company,
    params: dict[str, Any],
    interval_start: dt.datetime | None,
    interval_end: dt.datetime | None,
    run_id: str,
) -> Run:
    """Decide the days of a run.

    `params` may hold from_day and to_day (ISO dates); days that are missing come from
    the data interval of Airflow: from the day on which it begins to the day before the
    one on which it ends, whatever the hour.
    """
    zone = ZoneInfo(company.time_zone)
    from_day = to_day = None
    if interval_start and interval_end:
        # Airflow hands over pendulum's times, whose subtraction in a zone of the
        # standard library ends in the hours of UTC.
        start, end = (
            dt.datetime.fromtimestamp(moment.timestamp(), zone)
            for moment in (interval_start, interval_end)
        )
        from_day = start.date()
        to_day = end.date() - dt.timedelta(days=1)
    if params.get("from_day"):
        from_day = dt.date.fromisoformat(params["from_day"])
    if params.get("to_day"):
        to_day = dt.date.fromisoformat(params["to_day"])
    if from_day is None or to_day is None:
        raise ConfigurationError(
            "a run without a data interval needs the params from_day and to_day"
        )
    interval = requested_interval(company, from_day, to_day)
    return Run(company, interval, run_id, load_settings().home)
