"""What to tell of the spikes in the watch's release, each once."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from kith.company.folder import Company
from kith.database import connect, parquet_sql
from kith.incidents.alerts import Alert
from kith.runs.run import Interval
from kith.watch.fresh import Watch
from kith.watch.spikes import SPIKES

# A look that comes later after the end of a period does not tell of it any more.
_LATEST = dt.timedelta(hours=24)
# That on which the clocks go back.
_LONGEST_DAY = dt.timedelta(hours=25)
_KEPT = 1000
_KEY = ("signal", "grain", "period_start_at")
_NATURE = ("dimension", "value", "n", "share_of_rise_pct")
# In the order in which they are told.
_DIMENSIONS = ("reason", "product", "category", "channel", "region")


@dataclass(frozen=True)
class Spike(Alert):
    """What is told of one spike, and what it is known by."""

    key: str


def new_alerts(look: Watch) -> list[Spike]:
    """The spikes of periods that ended within a day before, and were not told yet."""
    told = set(_told(look))
    return [spike for spike in _alerts(look, told) if spike.key not in told]


def remember(look: Watch, spike: Spike) -> None:
    """Note that an alert has gone out. Killed before, it goes out again."""
    path = look.run.folder / "history" / "alerts.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps([*_told(look), spike.key][-_KEPT:]))
    unfinished.replace(path)


def _told(look: Watch) -> list[str]:
    path = look.run.folder / "history" / "alerts.json"
    return list(json.loads(path.read_text())) if path.is_file() else []


def _alerts(look: Watch, told: set[str]) -> list[Spike]:
    path = (look.run.published / "current").resolve() / SPIKES
    with connect(scratch=look.run.folder / "scratch") as connection:
        found = connection.execute(
            f"""
            select signal, grain, period_start_at, period_date, dimension, value,
                is_spike, is_new, n, usual_count, share_of_rise_pct,
                negative_share_pct, examples
            from {parquet_sql(path)}
            where period_start_at >= ?
            order by signal, period_start_at, grain desc, dimension, position
            """,
            [look.at - _LATEST - _LONGEST_DAY],
        )
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    periods: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        periods.setdefault(_key(row), []).append(row)
    new = {
        key: spikes
        for key, spikes in periods.items()
        if any(row["is_new"] for row in spikes)
    }
    due = {
        key: spikes
        for key, spikes in new.items()
        if look.at - _end(look.run.company, spikes[0]) <= _LATEST
    }
    hours = {
        (spikes[0]["signal"], spikes[0]["period_date"])
        for key, spikes in new.items()
        if spikes[0]["grain"] == "hour" and (key in due or key in told)
    }
    return [
        _alert(look.run.company, spikes)
        for spikes in due.values()
        # Its hours have told of the day.
        if spikes[0]["grain"] == "hour"
        or (spikes[0]["signal"], spikes[0]["period_date"]) not in hours
    ]


def _key(row: dict[str, Any]) -> str:
    return " ".join(str(row[part]) for part in _KEY)


def _end(company: Company, row: dict[str, Any]) -> dt.datetime:
    """First instant after the row's hour or day, naive UTC."""
    if row["grain"] == "hour":
        return row["period_start_at"] + dt.timedelta(hours=1)
    day = row["period_date"]
    return Interval(day, day).bounds_utc(company.time_zone)[1]


def _alert(company: Company, rows: list[dict[str, Any]]) -> Spike:
    """`rows` are those of one hour or day; of all together there may be none."""
    whole = next((row for row in rows if row["dimension"] == "all"), None)
    nature = [
        row
        for dimension in _DIMENSIONS
        for row in rows
        if row["dimension"] == dimension and row["is_spike"]
    ]
    first = whole or nature[0] if whole or nature else rows[0]
    zone = ZoneInfo(company.time_zone)
    start = first["period_start_at"].replace(tzinfo=dt.UTC).astimezone(zone)
    period = (
        f"{start:%Y-%m-%d %H:%M}" if first["grain"] == "hour" else f"{start:%Y-%m-%d}"
    )
    title = (
        f"{company.title}: {first['n']} {first['signal']} within the {first['grain']} "
        f"of {period}, usual are {first['usual_count']:g}"
    )
    lines = [title]
    lines += [
        f"{row['dimension']} {row['value']}: {row['n']} "
        f"({row['share_of_rise_pct']:.0f} % of the rise)"
        if row["share_of_rise_pct"] is not None
        else f"{row['dimension']} {row['value']}: {row['n']}"
        for row in nature
    ]
    if first["negative_share_pct"] is not None:
        lines.append(f"negative: {first['negative_share_pct']:.0f} %")
    lines.append(f"first: {first['examples']}")
    return Spike(
        key=_key(first),
        title=title,
        text="\n".join(lines),
        details={
            "company": company.name,
            "signal": first["signal"],
            "grain": first["grain"],
            "period_start": start.isoformat(),
            "count": first["n"],
            "usual_count": first["usual_count"],
            "nature": [{key: row[key] for key in _NATURE} for row in nature],
            "examples": first["examples"],
        },
    )
