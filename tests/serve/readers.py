"""Readers in closed loops, each of another kind, in processes of their own.

`python readers.py <kind> <conninfo> <prefix> <orders> <stop>` reads until the file
`stop` is there, then prints as JSON how often it read, what was torn (rows of two
releases), empty (not all rows of one) or failed, and how many releases it saw.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

Faults = dict[str, list[Any]]
_JOIN = (
    "select count(*), min(o.batch), max(o.batch), min(s.batch), max(s.batch), "
    "min(r.release_id), max(s.segments) from {orders} as o "
    "cross join "
    "(select min(batch) as batch, count(*) as segments from {segments}) as s "
    "cross join {release} as r"
)
_ONE = "select count(*), min(batch), max(batch) from {}"


class Reader:
    """One reader; `look` reads once and gives the batches and counts that it met."""

    def __init__(self, conninfo: str, prefix: str, orders: int) -> None:
        self._conninfo, self._orders = conninfo, orders
        self._names = {
            "orders": f"{prefix}customer.orders",
            "segments": f"{prefix}segment.segments",
            "release": f"{prefix}operations._release",
        }
        self._prefix = prefix
        self.seen: set[int] = set()
        self.faults: Faults = {"torn": [], "empty": [], "failed": []}
        self.reads = 0

    def judge(self, count: int, batches: list[int], expected: int) -> None:
        if count != expected:
            self.faults["empty"].append([count, *batches])
        elif len(set(batches)) != 1:
            self.faults["torn"].append(batches)
        else:
            self.seen.add(batches[0])

    def join(self, session: "psycopg.Connection[Any]", **options: Any) -> None:
        query = _JOIN.format(**self._names)
        row = session.execute(query, **options).fetchone()
        assert row
        count, *batches, release_id, segments = row
        number = int(release_id.split("T")[1].partition("Z")[0]) if release_id else -1
        self.judge(count + segments, [*batches, number], self._orders + 8)

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        return psycopg.connect(self._conninfo, autocommit=True, **options)

    # --- the kinds --------------------------------------------------------------------

    def new_connection(self) -> Iterator[Callable[[], None]]:
        def look() -> None:
            with self.connect() as session:
                self.join(session)

        yield look

    def held_connection(self) -> Iterator[Callable[[], None]]:
        with self.connect() as session:
            yield lambda: self.join(session)

    def prepared_statement(self) -> Iterator[Callable[[], None]]:
        with self.connect(prepare_threshold=0) as session:
            yield lambda: self.join(session, prepare=True)

    def repeatable_read(self) -> Iterator[Callable[[], None]]:
        yield from self._transaction(psycopg.IsolationLevel.REPEATABLE_READ)

    def read_committed_transaction(self) -> Iterator[Callable[[], None]]:
        yield from self._transaction(psycopg.IsolationLevel.READ_COMMITTED)

    def _transaction(
        self, level: psycopg.IsolationLevel
    ) -> Iterator[Callable[[], None]]:
        """Two marts in two statements of one transaction, with a pause between."""
        with self.connect() as session:
            session.isolation_level = level

            def look() -> None:
                with session.transaction():
                    session.execute("select 1")  # Here a snapshot is taken for all.
                    time.sleep(0.02)
                    found = [
                        session.execute(_ONE.format(self._names[name])).fetchone()
                        for name in ("orders", "segments")
                        if time.sleep(0.01) is None
                    ]
                count = sum(row[0] for row in found if row)
                batches = [each for row in found if row for each in row[1:]]
                self.judge(count, batches, self._orders + 8)

            yield look

    def own_view(self) -> Iterator[Callable[[], None]]:
        """A view that the reader made over two of ours."""
        with self.connect() as session:
            session.execute(
                "create or replace view chief.joined as select o.batch, s.batch as "
                "other, s.segment from {orders} as o cross join {segments} as s".format(
                    **self._names
                )
            )

            def look() -> None:
                row = session.execute(
                    "select count(*), min(batch), max(batch), min(other), max(other) "
                    "from chief.joined"
                ).fetchone()
                assert row
                self.judge(row[0], list(row[1:]), self._orders * 8)

            yield look

    def own_customers(self) -> Iterator[Callable[[], None]]:
        """One who may see the orders of two of the eight customers, and no more."""
        with self.connect() as session:

            def look() -> None:
                row = session.execute(
                    "select count(*), min(batch), max(batch), "
                    "count(*) filter (where customer_id not in ('c2', 'c5')) from "
                    + self._names["orders"]
                ).fetchone()
                assert row
                wanted = sum(number % 8 in (2, 5) for number in range(self._orders))
                self.judge(row[0] + 1000 * row[3], list(row[1:3]), wanted)

            yield look


# Each kind with the login that reads so.
KINDS = {
    "new_connection": "chief",
    "held_connection": "chief",
    "prepared_statement": "chief",
    "repeatable_read": "chief",
    "read_committed_transaction": "chief",
    "own_view": "chief",
    "own_customers": "seller",
}


def read(kind: str, conninfo: str, prefix: str, orders: int, stop: Path) -> None:
    reader = Reader(conninfo, prefix, orders)
    for look in getattr(reader, kind)():
        print("ready", flush=True)
        while not stop.exists():
            try:
                look()
            except Exception as error:
                reader.faults["failed"].append(repr(error))
            reader.reads += 1
            time.sleep(0.005)
    found = {"kind": kind, "reads": reader.reads, "releases": len(reader.seen)}
    counts = {name: len(each) for name, each in reader.faults.items()}
    samples = [each for faults in reader.faults.values() for each in faults[:2]]
    print(json.dumps({**found, **counts, "samples": samples}))


@contextmanager
def reading(
    connect: Callable[[str], str], prefix: str, orders: int, stop: Path
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """One reader of each kind; `connect` gives a login's conninfo.

    Yields what ends them and gives their findings.
    """
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, kind, connect(login)),
                *(prefix, str(orders), str(stop)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, login in KINDS.items()
    ]

    def end() -> list[dict[str, Any]]:
        stop.touch()
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        return [json.loads(output.splitlines()[-1]) for output in outputs]

    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield end
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    kind, conninfo, prefix, orders, stop = sys.argv[1:]
    read(kind, conninfo, prefix, int(orders), Path(stop))
