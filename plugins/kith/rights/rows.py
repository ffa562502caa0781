"""What was pulled, admitted and refused, written anew without a person's rows."""

import datetime as dt
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from kith.admit.table import finish_swaps, swap
from kith.company.tables import SourceTable
from kith.database import connect, fetch_row, parquet_sql, quote, write_parquet
from kith.deliveries.admitted import DATA, FORMER, REFUSED, Delivery, all_deliveries
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.persons import Mark, admitted_values, kept_sql, marks_of, verdict
from kith.deliveries.raw import Manifest, workspace
from kith.pull.suppression import FoundRows, by_tokens, days_of_rows, rewrite_attempt
from kith.rights.findings import (
    admitted_files,
    attempts,
    numbers,
    refused_files,
    search_attempt,
)
from kith.rights.plan import Plan
from kith.rights.traces import Traces, erase_from_file
from kith.runs.run import Interval, Run
from kith.storage import replace_file


class Rows:
    """The rows of a plan's persons in all tables of a company.

    `traces` stand for the persons in what others wrote; `count` is told, of each place,
    how many rows are about to go.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        traces: Traces,
        scratch: Path,
        count: Callable[[str, int], None],
    ) -> None:
        self._run, self._plan, self._traces = run, plan, traces
        self._scratch, self._count = scratch, count
        self._tokens = set(plan.tokens)

    def erase(self, table: SourceTable) -> None:
        """Write all that is held of a table anew, without them."""
        run, name = self._run, table.full_name
        marks = marks_of(table, self._plan.staged)
        for folder in (run.raw(name), run.admitted(name)):
            # What a pull or an admission that was killed has left.
            shutil.rmtree(folder / ".work", ignore_errors=True)
        finish_swaps(run.admitted(name))
        pulled = list(attempts(run, table))
        if marks:
            self._erase_rows(table, marks, pulled)
        with connect(scratch=self._scratch) as connection:
            # In what others wrote, and in lines that nobody could read.
            for path in self._files_of(table, pulled):
                if erase_from_file(connection, path, self._traces):
                    self._count(f"texts {name} {path.relative_to(run.folder)}", 1)
            for folder, manifest in attempts(run, table):
                rewrite_attempt(connection, run, table, folder, manifest, {})

    def _erase_rows(
        self, table: SourceTable, marks: list[Mark], pulled: list[tuple[Path, Manifest]]
    ) -> None:
        run, name = self._run, table.full_name
        with connect(scratch=self._scratch) as connection:
            found = {
                folder: search_attempt(
                    connection, table, marks, folder, manifest, self._tokens
                )
                for folder, manifest in pulled
            }
            # Before raw, by which duplicates are counted.
            for delivery in all_deliveries(run, table):
                self._erase_delivery(connection, table, marks, delivery, pulled, found)
            for path in sorted(run.quarantine(name).glob("[0-9]*/rows.parquet")):
                self._erase_refused(connection, name, path)
            for folder, manifest in pulled:
                gone = sum(len(each.going) for each in found[folder].values())
                self._count(f"raw {name} {folder.parent.name}/{folder.name}", gone)
                rewrite_attempt(connection, run, table, folder, manifest, found[folder])

    def _files_of(
        self, table: SourceTable, pulled: list[tuple[Path, Manifest]]
    ) -> Iterator[Path]:
        yield from admitted_files(self._run, table)
        yield from refused_files(self._run, table)
        for folder, _ in pulled:
            yield from sorted(folder.glob("[!.]*.parquet"))

    def _erase_delivery(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        marks: list[Mark],
        delivery: Delivery,
        pulled: list[tuple[Path, Manifest]],
        found: dict[Path, dict[str, FoundRows]],
    ) -> None:
        """Make what was admitted of an attempt anew, and all that was counted of it."""
        moment = self._plan.begun_at.isoformat()
        if delivery.is_pruned or moment in delivery.report.get("erased_at", []):
            return
        names = [mark.column.name for mark in marks]
        matches = by_tokens(connection, self._tokens)
        rule = verdict(marks, admitted_values(table, names), matches)
        files = [p for p in delivery.folder.iterdir() if p.is_file()]
        data = [p for p in files if p.name in (DATA, FORMER)]
        (concerned,) = fetch_row(
            connection,
            "select count(*) from "
            f"{parquet_sql(*data, union_by_name='true')} where {rule.concerns}"
            if rule
            else "select 0",
        )
        refused = self._refused_in(connection, delivery.folder / REFUSED)
        raw = next(
            (
                (folder, manifest)
                for folder, manifest in pulled
                if folder.parent.name == delivery.folder.name
                and folder.name == delivery.report["attempt"]
            ),
            None,
        )
        of_raw = found[raw[0]] if raw else {}
        if not concerned and not refused and not any(f.going for f in of_raw.values()):
            return
        with workspace(self._run.folder / "scratch" / "erasing") as work:
            built = work / "interval"
            built.mkdir()
            for path in files:
                if path not in data and path.name not in (REFUSED, "days.parquet"):
                    shutil.copyfile(path, built / path.name)
            gone = Counter[dt.date | None]()
            for path in data:
                rows = parquet_sql(path)
                query = kept_sql(rows, rule) if rule else f"from {rows}"
                write_parquet(connection, query, built / path.name)
                if path.name == DATA and rule:
                    gone = self._days(connection, table, delivery, rows, rule.goes)
            of_refused = Counter[dt.date | None]()
            if (path := delivery.folder / REFUSED).is_file():
                self._write_refused(connection, path, built / REFUSED)
                for day, count in connection.execute(
                    f"select day, count(*) from {parquet_sql(path)} "
                    f"where {self._is_refused(connection)} group by all"
                ).fetchall():
                    of_refused[day] += count
            came = self._days_of_raw(connection, table, raw, of_raw)
            of_all = Counter[dt.date | None]()
            for (day, _), count in came.items():
                of_all[day] += count
            self._write_days(
                connection, table, delivery, built, (gone, of_refused, of_all)
            )
            total = max(of_all.total(), gone.total() + of_refused.total())
            report = _counted(
                delivery.report, gone.total(), of_refused.total(), total, came
            )
            report["erased_at"] = [*delivery.report.get("erased_at", []), moment]
            text = json.dumps(report, indent=2)
            (built / "report.json").write_text(text, encoding="utf-8")
            place = f"admitted {table.full_name} {delivery.folder.name}"
            self._count(place, gone.total())
            swap(built, delivery.folder)

    def _days(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        delivery: Delivery,
        rows: str,
        goes: str,
    ) -> Counter[dt.date | None]:
        zone = self._run.company.time_zone
        day = row_day_sql(table, zone, delivery.window)
        found = connection.execute(
            f"select {day}, count(*) from {rows} where {goes} group by all"
        ).fetchall()
        return Counter(dict(found))

    def _days_of_raw(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        raw: tuple[Path, Manifest] | None,
        found: dict[str, FoundRows],
    ) -> Counter[tuple[dt.date | None, dt.date | None]]:
        """All rows of an attempt that go, by their day and that on which they came."""
        days: Counter[tuple[dt.date | None, dt.date | None]] = Counter()
        folder, manifest = raw or (None, None)
        if folder is None or manifest is None:
            return days
        for file in manifest.files:
            if not found[file.stored].going:
                continue
            rows = parquet_sql(folder / file.stored, file_row_number="true")
            chosen = (
                f"(from {rows} where file_row_number in {numbers(found[file.stored])})"
            )
            days.update(
                days_of_rows(
                    connection,
                    table,
                    self._run.company.time_zone,
                    manifest.window,
                    chosen,
                    file.columns,
                    file.named_at,
                )
            )
        return days

    def _write_days(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        delivery: Delivery,
        built: Path,
        gone: tuple[Counter[dt.date | None], ...],
    ) -> None:
        """The days of a delivery, less what went of each."""
        days = parquet_sql(delivery.folder / "days.parquet")
        of_data, of_refused, of_all = gone
        cursor = table.rules.cursor
        if not cursor:  # It has one day.
            only = delivery.window.to_day
            of_data, of_refused, of_all = (
                Counter[dt.date | None]({only: each.total()}) for each in gone
            )
        values = ", ".join(
            f"(date '{day}', {of_data[day]}, {of_refused[day]}, "
            f"{max(0, of_all[day] - of_data[day] - of_refused[day])})"
            for day in {*of_data, *of_refused, *of_all}
            if day
        )
        newest = f"max({quote(cursor)})" if cursor else "max(cast(null as timestamp))"
        day_sql = row_day_sql(table, self._run.company.time_zone, delivery.window)
        if not cursor:
            day_sql = f"date '{delivery.window.to_day}'"
        write_parquet(
            connection,
            f"""
            select
                days.day,
                greatest(0, row_count - coalesce(gone.data, 0)) as row_count,
                greatest(0, quarantined_count - coalesce(gone.refused, 0))
                    as quarantined_count,
                greatest(0, duplicate_count - coalesce(gone.others, 0))
                    as duplicate_count,
                newest.newest_at
            from {days} as days
            left join (
                values {values or "(cast(null as date), 0, 0, 0)"}
            ) as gone (day, data, refused, others) on days.day = gone.day
            left join (
                select {day_sql} as day, cast({newest} as timestamp) as newest_at
                from {parquet_sql(built / DATA)} group by all
            ) as newest on days.day = newest.day
            order by days.day
            """,
            built / "days.parquet",
        )

    # --- refused rows -----------------------------------------------------------------

    def _is_refused(self, connection: duckdb.DuckDBPyConnection) -> str:
        connection.execute("create or replace temp table kith_refused (hash varchar)")
        if self._plan.refused:
            connection.execute(
                "insert into kith_refused select unnest($hashes)",
                {"hashes": self._plan.refused},
            )
        return "coalesce(payload_hash in (from kith_refused), false)"

    def _refused_in(self, connection: duckdb.DuckDBPyConnection, path: Path) -> int:
        if not path.is_file():
            return 0
        condition = self._is_refused(connection)
        (count,) = fetch_row(
            connection, f"select count(*) from {parquet_sql(path)} where {condition}"
        )
        return int(count)

    def _write_refused(
        self, connection: duckdb.DuckDBPyConnection, path: Path, target: Path
    ) -> None:
        condition = self._is_refused(connection)
        write_parquet(
            connection, f"from {parquet_sql(path)} where not {condition}", target
        )

    def _erase_refused(
        self, connection: duckdb.DuckDBPyConnection, name: str, path: Path
    ) -> None:
        count = self._refused_in(connection, path)
        if count:
            self._count(f"quarantine {name} {path.parent.name}", count)
            unfinished = path.with_name(".erased.parquet")
            self._write_refused(connection, path, unfinished)
            replace_file(path, unfinished)


def _counted(
    report: dict[str, Any],
    of_data: int,
    of_refused: int,
    total: int,
    came: Counter[tuple[dt.date | None, dt.date | None]],
) -> dict[str, Any]:
    """The report of a delivery, less what went of it."""
    told = Counter(report.get("suppressed_days", {}))
    window = Interval.from_slug(report["window"])
    late = [dict(each) for each in report["late"]]
    for (day, arrival), count in came.items():
        if day is None or day in window:
            told[(day or window.to_day).isoformat()] += count
        for each in late:
            if (each["day"], each["arrival_day"]) == (str(day), str(arrival)):
                each["rows"] -= count
    return {
        **report,
        "late": [each for each in late if each["rows"] > 0],
        "rows_delivered": report["rows_delivered"] - total,
        "admitted": report["admitted"] - of_data,
        "quarantined": report["quarantined"] - of_refused,
        "duplicates": max(0, report["duplicates"] - (total - of_data - of_refused)),
        "suppressed_rows": report.get("suppressed_rows", 0) + total,
        "suppressed_days": dict(told),
    }
