"""Replay: what was refused or admitted under another declaration is judged anew."""

import dataclasses
from pathlib import Path

from kith.company.tables import SourceTable
from kith.database import connect, parquet_sql
from kith.deliveries.admitted import Delivery, admitted_deliveries, counting, outdated
from kith.deliveries.raw import complete_attempts, newest_attempt
from kith.runs.run import Interval, Run


def replayed_intervals(run: Run, table: SourceTable) -> list[Interval]:
    """Intervals, of those that touch the run's days, that another verdict may await.

    They have rows in quarantine, or were admitted before the declaration was changed.

    Only such whose newest pull still counts for some day: what a newer one covers would
    be judged for nothing, or refused once more.
    """
    newest = []
    for folder in run.raw(table.full_name).glob("[0-9]*-[0-9]*"):
        if not complete_attempts(folder):
            continue  # Its pull was killed, or it was pruned.
        interval = Interval.from_slug(folder.name)
        of_interval = dataclasses.replace(run, interval=interval)
        _, manifest = newest_attempt(of_interval, table.full_name)
        report = {
            "window": manifest.window.slug,
            "delivered_at": manifest.delivered_at.isoformat(),
        }
        newest.append(Delivery(folder, report))
    newest.sort(key=lambda delivery: delivery.delivered_at)
    if not table.rules.cursor:
        last_day = max((each.interval.to_day for each in newest), default=None)
        newest = [each for each in newest if each.interval.to_day == last_day][-1:]
    counted = [delivery.interval for delivery in counting(newest)]
    quarantine = run.quarantine(table.full_name)
    changed = {
        delivery.interval
        for delivery in outdated(table, admitted_deliveries(run, table))
    }
    return sorted(
        (
            interval
            for interval in counted
            if interval.from_day <= run.interval.to_day
            and interval.to_day >= run.interval.from_day
            and (
                interval in changed
                or _has_rows(run, quarantine / interval.slug / "rows.parquet")
            )
        ),
        key=lambda interval: (interval.from_day, interval.to_day),
    )


def _has_rows(run: Run, path: Path) -> bool:
    if not path.is_file():
        return False
    with connect(scratch=run.folder / "scratch") as connection:
        rows = connection.execute(
            f"select 1 from {parquet_sql(path)} limit 1"
        ).fetchall()
    return bool(rows)
