"""Publications to PostgreSQL: their seconds, under readers, and killed.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.postgres [publications]

starts a PostgreSQL of its own and serves a small company with

1. two marts of 1 million rows each: the seconds of a publication without readers;
2. fifty publications (or so many) under seven kinds of readers in closed loops;
3. a publication killed at each of several points under these readers, and the next one.

It ends with 1 where a read was torn, empty or failed, where a killed publication left
something behind or readers the wrong release, or where the first took too long. Another
server is measured with KITH_BENCH_POSTGRES, the folder of its programs.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from kith_airflow import postgres
from kith_airflow.postgres import Postgres
from tests.serve.killed import POINTS, kill_at
from tests.serve.readers import reading
from tests.serve.stand_in import LOADER, Shop, new_shop, prepare, write_release

SECONDS_ALLOWED = 8
ROWS = 1_000_000
PUBLICATIONS = 50
ORDERS = 20_000
# Two marts, of fifteen columns together.
_MARTS = {
    "customer.customers": (
        "select 'c' || lpad(i::varchar, 12, '0') as customer_id, "
        "'Town' || (i % 500) as city, 'E' || (i % 300) as employee_id, 'department ' "
        "|| (i % 20) as department, date '1990-01-01' + (i % 9000)::integer as "
        f"birth_date, i % 7 = 0 as is_earlier from range({ROWS}) as r(i)"
    ),
    "customer.orders": (
        "select 'till' as source, 'o' || lpad(i::varchar, 12, '0') as order_id, "
        "'c' || lpad((i * 7919 % 1000000)::varchar, 12, '0') as customer_id, "
        "(i / 100)::decimal(18, 2) as revenue_amount, "
        "(i / 300)::decimal(18, 2) as cost_amount, timestamp '2024-01-01' + "
        "to_seconds(i) as ordered_at, i % 9 as line_count, i / 3 as share_pct "
        f"from range({ROWS}) as r(i)"
    ),
}


def figures(shop: Shop) -> dict[str, Any]:
    """What the journal says of the last publication."""
    lines = (shop.run.run_folder / "journal.jsonl").read_text().splitlines()
    entry: dict[str, Any] = json.loads(lines[-1])
    return {"seconds": entry["seconds"], **entry["figures"]}


def large(shop: Shop, folder: Path, count: int) -> bool:
    """Two marts of a million rows; the processors' seconds tell a busy machine."""
    seconds = []
    for batch in (1, 2, 3):
        write_release(shop.run.published, batch, changed=_MARTS)
        before = processor_seconds(shop)
        shop.serve()
        used = processor_seconds(shop) - before
        found = figures(shop)
        seconds.append(found["seconds"])
        parts = {name: each for name, each in found.items() if name.endswith("seconds")}
        print(f"two marts of {ROWS:,} rows: {parts}, {used:.1f} s of processors")
    print(f"best {min(seconds):.1f} s (allowed {SECONDS_ALLOWED})", flush=True)
    return min(seconds) <= SECONDS_ALLOWED


def processor_seconds(shop: Shop) -> float:
    """Of this process and of all of the server."""
    note = (shop.server.data / "postmaster.pid").read_text()
    server = psutil.Process(int(note.split()[0]))
    ended = server.cpu_times()
    living = [process.cpu_times() for process in server.children()]
    own = os.times()
    past = own.user + own.system + ended.children_user + ended.children_system
    return past + sum(each.user + each.system for each in living)


def under_readers(shop: Shop, folder: Path, count: int) -> bool:
    shop.publish(1, orders=ORDERS)
    seconds, swaps = [], []
    with reading(shop.conninfo, f"{shop.name}_", ORDERS, folder / "stop") as end:
        for batch in range(2, count + 2):
            shop.publish(batch, orders=ORDERS)
            found = figures(shop)
            seconds.append(found["seconds"])
            swaps.append(found["swap_seconds"])
        readers = end()
    print(
        f"{count} publications: median {statistics.median(seconds):.2f} s, longest "
        f"{max(seconds):.2f} s; swap median {statistics.median(swaps):.2f} s, longest "
        f"{max(swaps):.2f} s"
    )
    return told(readers)


def told(readers: list[dict[str, Any]]) -> bool:
    for each in readers:
        print(
            f"  {each['kind']:<28} {each['reads']:>7} reads, {each['releases']:>3} "
            f"releases, {each['torn']} torn, {each['empty']} empty, {each['failed']} "
            f"failed {each['samples'] or ''}"
        )
    return not any(each["torn"] + each["empty"] + each["failed"] for each in readers)


def killed(shop: Shop, folder: Path, count: int) -> bool:
    batch, is_well = 1, True
    shop.publish(batch, orders=ORDERS)
    with reading(shop.conninfo, f"{shop.name}_", ORDERS, folder / "stop") as end:
        for point, call, is_switched in POINTS:
            shop.publish(batch := batch + 1, orders=ORDERS)
            before = batch
            write_release(shop.run.published, batch := batch + 1, orders=ORDERS)
            kill_at(shop, point, call, folder)
            seen = settled_batch(shop)
            started = time.monotonic()
            served = shop.serve()
            after, left = shop.batch(), shop.schemas()
            wanted = sorted([served.schema, *served.former])
            is_right = (seen, after) == (batch if is_switched else before, batch)
            is_right = is_right and left == wanted and len(left) == 2
            is_well = is_well and is_right
            print(
                f"  killed at {point} {call}: readers had {seen}, then {after}; "
                f"{len(left)} schemas; next one {time.monotonic() - started:.1f} s"
                f"{'' if is_right else ' WRONG'}",
                flush=True,
            )
        readers = end()
    print(f"killed at {len(POINTS)} points:")
    return told(readers) and is_well


def settled_batch(shop: Shop) -> int:
    """What readers see when the server has noticed that its client is gone."""
    deadline = time.monotonic() + 20
    query = "select count(*) from pg_stat_activity where application_name = 'kith'"
    while shop.ask(LOADER, query) != [(0,)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return shop.batch()


def bench(count: int) -> int:
    """Measure and print; returns the exit code."""
    if programs := os.environ.get("KITH_BENCH_POSTGRES"):
        postgres._program = lambda name: Path(programs) / name
    with tempfile.TemporaryDirectory(prefix="kith_bench_") as name:
        folder = Path(name)
        server = Postgres(folder / "postgresql", folder / "log")
        with server.running():
            prepare(server)
            results = []
            for number, part in enumerate((large, under_readers, killed)):
                place = folder / str(number)
                place.mkdir()
                os.environ["KITH_HOME"] = str(place)
                results.append(part(new_shop(server, place), place, count))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(bench(int(sys.argv[1]) if sys.argv[1:] else PUBLICATIONS))
