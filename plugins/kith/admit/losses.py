"""Losses: rows that a delivery takes from days which were delivered before.

It replaces what counts for them. A file that was cut at the end of a line, or an export
that lost a part, cannot be told from rows that the source took back: so both are told.
A row with a key that counts on another day, since its cursor moved on, is not lost.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.admit.judge import Attempt
from kith.company.tables import SourceTable
from kith.database import fetch_row, parquet_sql, quote
from kith.deliveries.admitted import (
    DATA,
    Delivery,
    admitted_deliveries,
    all_deliveries,
    cursor_bounds,
    day_counts_sql,
    declaration_id,
    owned_sql,
    spans,
)
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.repeats import key_hash
from kith.errors import DeliveryError
from kith.runs.run import Interval, Run

# Ordinary corrections take back less than one of both.
_FEW_ROWS, _FEW_PCT = 3, 1


@dataclass(frozen=True)
class DayRows:
    """Rows of a day before and now.

    `refused` counts those that the quarantine has now beyond what it had before.
    """

    day: dt.date
    before: int
    now: int
    refused: int = 0

    @property
    def lost(self) -> int:
        """Rows that are neither admitted nor refused now."""
        return max(0, self.before - self.now - max(0, self.refused))


def find_losses(
    connection: duckdb.DuckDBPyConnection, run: Run, attempt: Attempt, built: Path
) -> list[str]:
    """What to warn of; raises DeliveryError where the loss stops the run."""
    table, manifest = attempt.table, attempt.manifest
    known = all_deliveries(run, table)
    older = [each for each in known if each.delivered_at < manifest.delivered_at]
    newer = [each for each in known if each.delivered_at > manifest.delivered_at]
    this = Delivery(built, {"window": manifest.window.slug})
    rules = declaration_id(table)
    if not table.rules.cursor:
        for former in admitted_deliveries(run, table):
            if former in older and former.interval.to_day <= run.interval.to_day:
                days = _snapshots(connection, former, this)
                return judge_losses(table, days, sum(day.lost for day in days))
    elif older:
        stack = [*older, this, *newer]
        own = [span.days for span in spans(stack) if stack[span.number] is this]
        days = [
            day
            for day in _days(connection, older, this)
            if any(each.from_day <= day.day <= each.to_day for each in own)
        ]
        lost = sum(day.lost for day in days)
        # Under other rules keys may be others.
        is_alike = all(each.report["declaration"] == rules for each in older)
        if _is_much(days, lost) and table.rules.key and is_alike:
            lost = min(lost, _lost_keys(connection, attempt, stack, this, own))
        if found := judge_losses(table, days, lost):
            return found
    # Judged anew, an attempt has taken the place of what it is to be compared with.
    return [
        loss
        for each in known
        if each.delivered_at == manifest.delivered_at
        for loss in each.report.get("losses", [])
    ]


def judge_losses(table: SourceTable, days: list[DayRows], lost: int) -> list[str]:
    """What to warn of, given the rows of the days and how many of them are lost.

    Raises DeliveryError where fewer are left than the limits allow.
    """
    if not _is_much(days, lost):
        return []
    limits = table.rules.volume
    before = sum(day.before for day in days)
    left = before - lost
    full = [day.day for day in days if day.before]
    fewer = [day for day in days if day.lost]
    asked = f"{full[0]}" if len(full) == 1 else f"{full[0]} to {full[-1]}"
    place = ""
    if table.rules.cursor and full[1:]:
        worst = max(fewer, key=lambda day: (day.lost, day.day))
        number = "1 day has" if len(fewer) == 1 else f"{len(fewer)} days have"
        place = (
            f" ({number} fewer, above all {worst.day}: {worst.now} instead of "
            f"{worst.before})"
        )
    message = (
        f"{table.full_name}: of {before} rows delivered before for {asked}, {left} are "
        f"left{place}"
    )
    if 100 * left < limits.minimum_pct * before and limits.action == "stop":
        raise DeliveryError(
            f"{message}, beyond volume.minimum_pct {limits.minimum_pct:g}; have it "
            "delivered again, or, if the source took rows back, widen "
            "volume.minimum_pct or declare volume: {action: warn} in sources.yml"
        )
    return [
        f"{message}; what is missing is gone from the marts; if the source did not "
        "take rows back, have it delivered again"
    ]


def _is_much(days: list[DayRows], lost: int) -> bool:
    before = sum(day.before for day in days if day.lost)
    return lost > _FEW_ROWS and 100 * lost > _FEW_PCT * before


def _snapshots(
    connection: duckdb.DuckDBPyConnection, former: Delivery, this: Delivery
) -> list[DayRows]:
    (before, refused_before), (now, refused) = (
        fetch_row(
            connection,
            "select cast(sum(row_count) as bigint), "
            "cast(sum(quarantined_count) as bigint) "
            f"from {parquet_sql(each.folder / 'days.parquet')}",
        )
        for each in (former, this)
    )
    return [DayRows(former.interval.to_day, before, now, refused - refused_before)]


def _days(
    connection: duckdb.DuckDBPyConnection, older: list[Delivery], this: Delivery
) -> list[DayRows]:
    """Of each day of this delivery that an older one holds."""
    found = connection.execute(
        f"""
        select
            day, former.row_count, now.row_count,
            now.quarantined_count - former.quarantined_count
        from {parquet_sql(this.folder / "days.parquet")} as now
        inner join {day_counts_sql(older)} as former using (day)
        -- A snapshot, which it once was, tells no days.
        where former.newest_at is not null
        order by day
        """
    ).fetchall()
    return [DayRows(*row) for row in found]


def _lost_keys(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    stack: list[Delivery],
    this: Delivery,
    own: list[Interval],
) -> int:
    """Count keys on the days of this delivery that no delivery holds any more."""
    table, zone = attempt.table, attempt.time_zone

    def counting_rows(deliveries: list[Delivery]) -> str:
        owned = [
            (span.number, *cursor_bounds(table, span.days, zone))
            for span in spans(deliveries)
        ]
        files = [each.folder / DATA for each in deliveries]
        return owned_sql(files, owned, quote(table.rules.cursor or ""))

    day = row_day_sql(table, zone, attempt.manifest.window)
    on_own_days = " or ".join(
        f"{day} between date '{days.from_day}' and date '{days.to_day}'" for days in own
    )
    key = key_hash(table.rules.key)
    (lost,) = fetch_row(
        connection,
        f"""
        select count(distinct {key})
        from {counting_rows(stack[: stack.index(this)])}
        where ({on_own_days})
            and {key} not in (select {key} from {counting_rows(stack)})
        """,
    )
    return int(lost)
