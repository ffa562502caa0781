"""Rows become deliveries: late ones, double ones, bad ones, in files and databases."""

import datetime as dt
import gzip
import io
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .draws import Draws, Integers
from .plan import Plan
from .rows import DAY, Columns, Rows, stacked
from .tables import BROKEN, BY_NAME, MISCODED, Fault, Table
from .texts import joined, local_times, utc, written
from .workbook import write_workbook

LOOK_BACK_DAYS = 35
_LATEST = 30  # days by which a row may be late
_BEYOND = (40, 35)  # days by which a row is too late: from, and how many more


class Deliveries:
    """Where all tables go. `counts` holds what was delivered of each, and how."""

    def __init__(self, plan: Plan, draws: Draws, folder: Path) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in BY_NAME}
        self._plan, self._draws, self._folder = plan, draws, folder
        self._texts: dict[Path, IO[bytes]] = {}
        self._parquets: dict[Path, pq.ParquetWriter] = {}
        self._databases: dict[str, sqlite3.Connection] = {}
        folder.mkdir(parents=True)

    def add(self, name: str, rows: Rows, file_day: dt.date | None = None) -> None:
        """Deliver rows, and beside them the late, double and bad ones."""
        table = BY_NAME[name]
        batch = _Batch(table, self._plan, self._draws, rows)
        self.counts[name].update(batch.counts)
        columns = _formatted(table, batch.columns)
        for fault, mask in batch.faults:
            columns[fault.column] = _spoiled(columns[fault.column], mask, fault)
        order = np.lexsort((batch.rows.ids, batch.rows.seconds))
        if table.dated is None or file_day:
            self._write(table, columns, order, batch, file_day)
            return
        days = np.datetime64(self._plan.first_day, "D") + batch.arrival
        files = days
        if table.dated != "arrival":
            periods = days.astype(
                f"datetime64[{'M' if table.dated == 'month' else 'Y'}]"
            )
            files = (periods + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
        for file in np.unique(files):
            chosen = order[files[order] == file]
            self._write(table, columns, chosen, batch, file.astype(object))

    def close(self) -> None:
        """Finish all files."""
        for writer in [*self._texts.values(), *self._parquets.values()]:
            writer.close()
        for database in self._databases.values():
            database.commit()
            database.close()

    def _write(
        self,
        table: Table,
        columns: Columns,
        order: Integers,
        batch: "_Batch",
        day: dt.date | None,
    ) -> None:
        taken = pa.array(order)
        chosen = {name: column.take(taken) for name, column in columns.items()}
        if table.kind == "sql":
            self._insert("crm", table.name.partition(".")[2], chosen)
        elif table.kind == "rest":
            moments = chosen.get(table.cursor or "", pa.nulls(len(order), pa.string()))
            moments = pc.utf8_trim(moments, '"')
            bodies = {"moment": moments, "body": _json_lines(chosen)}
            self._insert("api", table.name.replace(".", "_"), bodies)
        else:
            path = self._folder / (table.file or "").format(day)
            path.parent.mkdir(exist_ok=True)
            if table.kind == "xlsx":
                write_workbook(path, chosen)
            elif table.kind == "parquet":
                self._append_parquet(path, chosen)
            else:
                self._append_text(path, table, chosen, batch, order)

    def _insert(self, file: str, name: str, columns: Columns) -> None:
        if file not in self._databases:
            database = sqlite3.connect(self._folder / f"{file}.sqlite")
            database.executescript(
                "pragma journal_mode = off; pragma synchronous = off"
            )
            self._databases[file] = database
        database = self._databases[file]
        kinds = ", ".join(f'"{c}" {_sql_type(v)}' for c, v in columns.items())
        number = "number integer primary key, " if file == "api" else ""
        database.execute(f'create table if not exists "{name}" ({number}{kinds})')
        names = ", ".join(f'"{column}"' for column in columns)
        marks = ", ".join("?" * len(columns))
        values = zip(*(column.to_pylist() for column in columns.values()), strict=True)
        database.executemany(f'insert into "{name}" ({names}) values ({marks})', values)

    def _append_parquet(self, path: Path, columns: Columns) -> None:
        rows = pa.table(columns)
        if path not in self._parquets:
            self._parquets[path] = pq.ParquetWriter(
                path, rows.schema, compression="zstd"
            )
        self._parquets[path].write_table(rows)

    def _append_text(
        self,
        path: Path,
        table: Table,
        columns: Columns,
        batch: "_Batch",
        order: Integers,
    ) -> None:
        if table.kind == "jsonl":
            header, lines = "", _json_lines(columns)
        else:
            texts = [pc.fill_null(column, "") for column in columns.values()]
            header = table.delimiter.join(columns) + "\n"
            lines = pc.binary_join_element_wise(*texts, table.delimiter)
        broken = batch.lines[BROKEN][order]
        half = pc.utf8_slice_codeunits(lines, 0, 40)
        lines = pc.if_else(pa.array(broken), half, lines)
        if path not in self._texts:
            self._texts[path] = self._open(path)
            self._texts[path].write(header.encode())
        text = _bytes(joined(lines, "\n")).decode().encode(table.encoding)
        miscoded = batch.lines[MISCODED][order]
        if miscoded.any():
            parts = text.split(b"\n")
            for number in np.flatnonzero(miscoded):
                parts[number] = b"\x81" + parts[number]
            text = b"\n".join(parts)
        self._texts[path].write(text)

    def _open(self, path: Path) -> IO[bytes]:
        if path.suffix != ".gz":
            return path.open("wb")
        # Without the time of day, so that the same rows are the same bytes.
        packed = gzip.GzipFile("", "wb", 4, path.open("wb"), mtime=0)
        return io.BufferedWriter(packed)


class _Batch:
    """Rows of one table with the late, double and bad ones among them."""

    def __init__(self, table: Table, plan: Plan, draws: Draws, rows: Rows) -> None:
        self._table, self._plan, self._draws = table, plan, draws
        ids = rows.ids
        day = rows.seconds // DAY
        delay = np.zeros(len(rows), dtype=np.int64)
        if table.late:
            late = self._chance("late", ids, table.late) & (
                day + _LATEST + 1 < plan.days
            )
            delay = np.where(late, 1 + draws.below(_LATEST, "late by", ids), 0)
        arrival = day + delay if rows.arrival is None else rows.arrival
        is_late = arrival > day if rows.arrival is not None else delay > 0
        free = ~is_late
        exact = free & self._chance("exact", ids, table.exact)
        older = free & ~exact & self._chance("older", ids, table.older)
        bad = free & self._chance("bad", ids, table.bad)
        start, more = _BEYOND
        beyond = free & self._chance("beyond", ids, table.beyond)
        too_late = self._arriving(day + start + draws.below(more, "beyond by", ids))
        beyond &= too_late < plan.days
        parts = [rows, rows.take(exact), self._older(rows, older)]
        parts += [self._renamed(rows, bad, 500), self._renamed(rows, beyond, 600)]
        arrivals = [arrival, arrival[exact], arrival[older], arrival[bad]]
        arrivals.append(too_late[beyond])
        self.rows = stacked(parts)
        self.arrival = np.concatenate(arrivals)
        begin = len(rows) + exact.sum() + older.sum()
        self._pick_faults(ids[bad], int(begin))
        self.counts = Counter(
            delivered=len(self.rows),
            admitted=len(rows),
            duplicates=int(exact.sum() + older.sum()),
            out_of_window=int(beyond.sum()),
            late=int(is_late.sum()) if table.cursor else 0,
        )
        for fault, found in zip(table.faults, self._faults_found, strict=True):
            self.counts[f"quarantined {fault.reason}"] += int(found)
        self.columns = dict(self.rows.columns)
        if table.arrived:
            wait = np.where(
                self.arrival > self.rows.seconds // DAY,
                (self.arrival - self.rows.seconds // DAY) * DAY,
                7,
            )
            received = local_times(plan.first_day, self.rows.seconds + wait)
            if table.arrived.endswith("_on"):
                received = received.cast(pa.date32())
            self.columns[table.arrived] = received

    def _chance(self, purpose: str, ids: Any, share: float) -> Any:
        if not share:
            return np.zeros(len(ids), dtype=bool)
        return self._draws.uniform(f"{self._table.name} {purpose}", ids) < share

    def _arriving(self, day: Integers) -> Integers:
        """A day on which something is delivered at all, after that one."""
        if self._table.dated != "arrival":
            return day
        days = np.datetime64(self._plan.first_day, "D") + day
        months = days.astype("datetime64[M]").astype(np.int64)
        quarters = (months // 3 * 3 + 3).astype("datetime64[M]").astype("datetime64[D]")
        since = quarters - np.datetime64(self._plan.first_day, "D")
        return since.astype(np.int64)

    def _renamed(self, rows: Rows, mask: Any, number: int) -> Rows:
        """Copies of some rows that are rows of their own."""
        chosen, key = rows.take(mask), self._table.key
        if not key:
            return chosen
        names = chosen.columns[key]
        is_text = pa.types.is_string(names.type)
        other = joined(names, f"-{number}") if is_text else pc.add(names, number)
        return chosen.with_columns(**{key: other})

    def _older(self, rows: Rows, mask: Any) -> Rows:
        """Copies of some rows as they stood a minute before."""
        chosen = rows.take(mask)
        if not self._table.older or not self._table.cursor:
            return chosen
        seconds = chosen.seconds - 60
        times = local_times(self._plan.first_day, seconds)
        moved = chosen.with_columns(**{self._table.cursor: times})
        return replace(moved, seconds=seconds)

    def _pick_faults(self, ids: Any, begin: int) -> None:
        """Give each bad row one fault."""
        faults: tuple[Fault, ...] = self._table.faults
        kind = self._draws.below(max(len(faults), 1), "fault", ids)
        self.faults = []
        self.lines = {
            name: np.zeros(len(self.rows), dtype=bool) for name in (BROKEN, MISCODED)
        }
        self._faults_found = []
        for number, fault in enumerate(faults):
            mask = np.zeros(len(self.rows), dtype=bool)
            mask[begin : begin + len(ids)] = kind == number
            self._faults_found.append(mask.sum())
            if fault.reason == "unreadable_line":
                self.lines[fault.value] = mask
            else:
                self.faults.append((fault, mask))


def _formatted(table: Table, columns: Columns) -> Columns:
    return {name: _format(table, column) for name, column in columns.items()}


def _format(table: Table, column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind) and (table.zone == "utc" or table.kind == "sql"):
        column = utc(column)
    if table.kind == "parquet":
        return (
            column.cast(pa.timestamp("us")) if pa.types.is_timestamp(kind) else column
        )
    if pa.types.is_timestamp(kind):
        pattern = "%Y-%m-%d %H:%M:%S" if table.kind == "sql" else table.times
        column = written(column, pattern)
    elif pa.types.is_date(kind):
        pattern = table.times.split(" ")[0] if table.zone == "business" else "%Y-%m-%d"
        column = written(column, pattern)
    elif table.kind == "sql" or (table.kind == "xlsx" and pa.types.is_floating(kind)):
        if pa.types.is_decimal(kind):
            return column.cast(pa.string())
        return column
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.string())
        if table.decimal != ".":
            column = pc.replace_substring(column, ".", table.decimal)
        if table.kind in ("jsonl", "rest"):
            return column
    elif not pa.types.is_string(kind):
        return column.cast(pa.string())
    if table.kind in ("jsonl", "rest"):
        return joined('"', column, '"')
    return column


def _spoiled(column: pa.Array, mask: Any, fault: Fault) -> pa.Array:
    wrong: Any = pa.scalar(fault.value, column.type)
    if fault.is_appended:
        wrong = joined(column, fault.value)
    return pc.if_else(pa.array(mask), wrong, column)


def _json_lines(columns: Columns) -> pa.Array:
    parts: list[Any] = []
    for number, (name, column) in enumerate(columns.items()):
        start = "{" if number == 0 else ","
        parts += [f'{start}"{name}":', pc.fill_null(column, "null")]
    return joined(*parts, "}")


def _sql_type(column: pa.Array) -> str:
    for test, name in (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "bigint"),
        (pa.types.is_floating, "double"),
    ):
        if test(column.type):
            return name
    return "text"


def _bytes(lines: pa.Array) -> bytes:
    """All lines one after the other, out of the array's own memory."""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)
    start = offsets[lines.offset]
    end = offsets[lines.offset + len(lines)]
    return lines.buffers()[2].to_pybytes()[start:end]
