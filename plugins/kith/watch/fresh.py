"""What the watch pulls and admits: the days since the current release, of few tables.

It has a state of its own, `$KITH_HOME/watch/<company>`, so that nothing that it does
reaches the daily run, which takes these days itself once they are over.
"""

import dataclasses
import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from kith.admit.table import admit_table
from kith.build.dbt import target
from kith.company.folder import Company
from kith.deliveries.raw import KEYS, SUPPRESSED, is_suppressing
from kith.errors import ConfigurationError, TransientError
from kith.pull.connections import Connection
from kith.pull.table import pull_table
from kith.runs.run import Interval, Run, current_release, make_state
from kith.settings import load_settings

FEEDS = ("tickets", "posts")
# After a longer pause of the daily run only these are taken.
MOST_DAYS = 7
_RUNS_KEPT = 48


@dataclasses.dataclass(frozen=True)
class Watch:
    """One look at a company: its run of the watch, its daily state, and the moment."""

    run: Run
    at: dt.datetime

    @property
    def daily(self) -> Run:
        """A run of the daily pipeline, to know the places of its files."""
        return dataclasses.replace(self.run, home=self.run.home.parent)

    @property
    def release(self) -> Path:
        """The daily release that readers see now."""
        published = self.daily.published
        release = current_release(published)
        if release is None:
            raise ConfigurationError(
                f"{published}: no release yet; the watch compares with what was "
                "published: run the pipeline first"
            )
        return published / release

    def to_dict(self) -> dict[str, str]:
        """Plain values that survive the way through Airflow (`from_dict`)."""
        return {**self.run.to_dict(), "at": self.at.isoformat()}

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> "Watch":
        """Inverse of `to_dict`."""
        run = Run.from_dict({k: v for k, v in values.items() if k != "at"})
        return cls(_apart(run), dt.datetime.fromisoformat(values["at"]))


def _apart(run: Run) -> Run:
    """The run in the watch's own state, by a door that refuses rows, never a delivery.

    Of the few rows of an hour one bad one may be over the limit, and a look that sees
    most of them is better than none.
    """
    open_door = {"quarantine_limit_pct": 100}
    sources = [
        table.model_copy(update={"rules": table.rules.model_copy(update=open_door)})
        for table in run.company.sources
    ]
    company = run.company.model_copy(update={"sources": sources})
    return dataclasses.replace(run, company=company, home=run.home / "watch")


def plan_watch(company: Company, at: str | None, run_id: str) -> Watch:
    """Decide moment and days of a look: now, or `at`, ISO, by the company's clocks.

    The days are those since the as-of date of the current release. Raises
    ConfigurationError where nothing was published, or `at` lies outside of the
    company's days.
    """
    zone = ZoneInfo(company.time_zone)
    now = dt.datetime.now(zone)
    try:
        moment = dt.datetime.fromisoformat(at) if at else now
    except ValueError:
        raise ConfigurationError(
            f"at={at}: not a time; write it as 2025-06-17T15:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    day = moment.astimezone(zone).date()
    if moment > now or not company.first_day <= day <= (company.last_day or day):
        raise ConfigurationError(
            f"at={moment.isoformat()}: expected a time from {company.first_day} to "
            f"{company.last_day or 'now'}; give another with `at`"
        )
    run = _apart(Run(company, Interval(day, day), run_id, load_settings().home))
    watch = Watch(run, moment.astimezone(dt.UTC).replace(tzinfo=None))
    manifest = json.loads((watch.release / "manifest.json").read_text())
    published = dt.date.fromisoformat(manifest["as_of_date"])
    first = max(published + dt.timedelta(1), day - dt.timedelta(MOST_DAYS - 1))
    interval = Interval(min(first, day), day)
    return dataclasses.replace(watch, run=dataclasses.replace(run, interval=interval))


def tables_needed(watch: Watch) -> list[str]:
    """The source tables that the watched feeds are staged from, as dbt last read them.

    Raises ConfigurationError where the company stages none of these feeds.
    """
    path = target(watch.daily) / "manifest.json"
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    except (OSError, ValueError) as error:
        raise TransientError(
            f"{path}: cannot be read now ({error}); the daily run writes it"
        ) from None
    found, reached = set(), {f"model.kith.feed_{feed}" for feed in FEEDS}
    unseen = set(reached)
    while unseen:
        parents = nodes[unseen.pop()]["depends_on"].get("nodes", [])
        found |= {each for each in parents if each.startswith("source.")}
        new = {each for each in parents if each in nodes} - reached
        reached |= new
        unseen |= new
    names = {name.removeprefix("source.kith.") for name in found}
    tables = [t.full_name for t in watch.run.company.sources if t.full_name in names]
    if not tables:
        raise ConfigurationError(
            f"{watch.run.company.folder / 'company.yml'}: crisis_watch needs the feeds "
            f"{' or '.join(FEEDS)}, and no staging model gives them; stage one, or "
            "take crisis_watch out"
        )
    return tables


def fetch(
    watch: Watch, table: str, find_connection: Callable[[str], Connection]
) -> None:
    """Pull and admit one table for the days of the watch, in place of an earlier look.

    Raises what pull and admit raise; the watch then goes on without it.
    """
    run = watch.run
    for place in (run.raw(table), run.admitted(table), run.quarantine(table)):
        shutil.rmtree(place, ignore_errors=True)
    _suppress_as_daily(watch)
    pull_table(run, table, find_connection)
    admit_table(run, table)


def _suppress_as_daily(watch: Watch) -> None:
    """Leave out whom the daily run leaves out."""
    daily, own = watch.daily.folder, watch.run.folder
    if is_suppressing(daily):
        make_state(own)
        shutil.copy(daily / SUPPRESSED, own / SUPPRESSED)
        if (daily / KEYS).is_dir():
            shutil.copytree(daily / KEYS, own / KEYS, dirs_exist_ok=True)


def forget(watch: Watch) -> None:
    """Remove the journals of all but the latest looks."""
    runs = [path for path in watch.run.run_folder.parent.iterdir() if path.is_dir()]
    for folder in sorted(runs, key=lambda run: run.stat().st_mtime)[:-_RUNS_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
