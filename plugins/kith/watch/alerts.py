"""What to tell of the spikes in the watch's release, each once."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from kith.company.folder import Company
from kith.database import connect, parquet_sql
from kith.incidents.alerts import Alert
from kith.watch.fresh import Watch
from kith.watch.spikes import SPIKES

# A look that comes later than this does not tell of it any more.
_LATEST = dt.timedelta(hours=24)
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
    """The spikes that began since, or within a day before, and were not told yet."""
    told = set(_told(look))
    return [spike for spike in _alerts(look) if spike.key not in told]


def remember(look: Watch, spike: Spike) -> None:
    """Note that an alert has gone out. Killed before, it goes out again."""
    path = look.run.folder / "history" / "alerts.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps([*_told(look), spike.key][-_KEPT:]))
    unfinished.replace(path)


def _told(look: Watch) -> list[str]:
    path = look.run.folder / "history" / "alerts.json"
    return list(json.loads(path.read_text())) if path.is_file() else []


def _alerts(look: Watch) -> list[Spike]:
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
            [look.at - _LATEST - dt.timedelta(hours=1)],
        )
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    periods: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = (row["signal"], row["grain"], row["period_start_at"])
        periods.setdefault(key, []).append(row)
    hours = {
        (signal, spikes[0]["period_date"])
        for (signal, grain, _), spikes in periods.items()
        if grain == "hour" and any(row["is_new"] for row in spikes)
    }
    return [
        _alert(look.run.company, spikes)
        for (signal, grain, _), spikes in periods.items()
        if any(row["is_new"] for row in spikes)
        # Its hours have told of the day.
        and not (grain == "day" and (signal, spikes[0]["period_date"]) in hours)
    ]


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
        key=" ".join(str(first[part]) for part in _KEY),
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
