"""How fast and in how much memory a big CSV file passes the door: pull and admission.

Beside it, in a process of its own as well, DuckDB copies the same file to Parquet with
the declared types and does nothing else. The two are measured in turn, since the
machine's noise strikes both; the medians count. A file of as many rows, but with faults
that a bare copy could not read, is measured for comparison.
"""

import shutil
import statistics
import sys
from pathlib import Path

import duckdb
import yaml

from kith.database import connect, literal
from kith.settings import load_settings
from tests.bench.measure import measured

COLUMNS = {
    "sale_id": "varchar",
    "customer_id": "varchar",
    "product_id": "bigint",
    "sold_at": "timestamp",
    "quantity": "bigint",
    "price": "decimal(18,2)",
    "city": "varchar",
    "remark": "varchar",
}
ROWS_WANTED = 10_000_000
RATIO_ALLOWED = 2.5
GB_ALLOWED = 4.0


def write_company(folder: Path, rows: int, has_faults: bool) -> None:
    """A company of one CSV file of a year, streamed to the disk.

    With faults one row in 200 is bad, one in 1,000 has to be trimmed, and one in
    100,000 repeats a key.
    """
    folder.mkdir(parents=True)
    faults = """
        replace (
            if(number % 100_000 = 7, 'S0000000001', sale_id) as sale_id,
            if(number % 200 = 3, 'many', quantity::varchar) as quantity,
            if(number % 1_000 = 5, city || ' ', city) as city
        )
    """
    duckdb.sql(
        f"""
        copy (
            select * exclude (number) {faults if has_faults else ""}
            from (
                select
                    number,
                    'S' || lpad(number::varchar, 10, '0') as sale_id,
                    'C' || hash(number, 1) % 400000 as customer_id,
                    hash(number, 2) % 20000 as product_id,
                    timestamp '2024-01-01'
                        + number * 31_000_000 // {rows} * interval 1 second as sold_at,
                    1 + hash(number, 3) % 9 as quantity,
                    ((hash(number, 4) % 100000) / 100)::decimal(18, 2) as price,
                    ['Oslo', 'Bergen', 'Trondheim', 'Tromsø'][
                        (1 + hash(number, 5) % 4)::int
                    ] as city,
                    'remark ' || md5((hash(number, 6) % 1000000)::varchar)[:20]
                        as remark
                from range({rows}) as numbers (number)
            )
        ) to {literal(str(folder / "sales.csv"))}
        """
    )
    (folder / "company.yml").write_text(
        yaml.safe_dump(
            {
                "name": "door",
                "title": "Door",
                "time_zone": "Europe/Oslo",
                "currency": "NOK",
                "first_day": "2024-01-01",
                "feeds": {},
            }
        )
    )
    meta = {
        "connector": "files",
        "path": "sales.csv",
        "key": ["sale_id"],
        "cursor": "sold_at",
    }
    table = {
        "name": "sales",
        "config": {"meta": meta},
        "columns": [
            {"name": name, "data_type": kind} for name, kind in COLUMNS.items()
        ],
    }
    (folder / "sources.yml").write_text(
        yaml.safe_dump({"sources": [{"name": "shop", "tables": [table]}]})
    )


def door(folder: Path, home: Path) -> None:
    """Pull and admit the file in this process."""
    from kith.admit.table import admit_table
    from kith.company.folder import load_company
    from kith.pull.table import pull_table
    from kith.runs.run import Interval, Run

    company = load_company(folder)
    days = Interval(company.first_day, company.first_day.replace(month=12, day=31))
    run = Run(company, days, "bench", home)
    pull_table(run, "shop.sales")
    admit_table(run, "shop.sales")


def bare(folder: Path, home: Path) -> None:
    """Copy the file in this process, under the same limits."""
    kinds = ", ".join(f"{name}: {literal(kind)}" for name, kind in COLUMNS.items())
    with connect(scratch=home) as connection:
        connection.execute(
            f"""
            copy (
                from read_csv(
                    {literal(str(folder / "sales.csv"))}, header = true,
                    auto_detect = false, columns = {{{kinds}}}
                )
            ) to {literal(str(home / "sales.parquet"))}
            """
        )


def bench(rows: int, runs: int, folder: Path) -> None:
    """Measure and print."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, has_faults in (("clean", False), ("faulty", True)):
        write_company(folder / name / "company", rows, has_faults)
    labels = {
        ("bare", "clean"): "bare copy",
        ("door", "clean"): "pull, admit",
        ("door", "faulty"): "with faults",
    }
    seconds: dict[tuple[str, str], list[float]] = {each: [] for each in labels}
    peaks: dict[tuple[str, str], float] = dict.fromkeys(labels, 0)
    for _ in range(runs):
        for kind, name in labels:
            place = folder / name
            shutil.rmtree(place / "home", ignore_errors=True)
            command = [sys.executable, "-m", "tests.bench.door", kind, str(place)]
            taken, memory = measured(command)
            seconds[kind, name].append(taken)
            peaks[kind, name] = max(peaks[kind, name], memory.peak_gb())
    print(f"\nthe door: {rows:,} rows of CSV, median of {runs}")
    print(f"{'':<12}{'seconds':>10}{'ratio':>10}{'peak GB':>10}")
    for each, label in labels.items():
        ratio = statistics.median(
            mine / bare
            for mine, bare in zip(seconds[each], seconds["bare", "clean"], strict=True)
        )
        print(
            f"{label:<12}{statistics.median(seconds[each]):>10.1f}{ratio:>10.2f}"
            f"{peaks[each]:>10.2f}"
        )
    print(f"allowed: ratio {RATIO_ALLOWED}, {GB_ALLOWED} GB of memory", flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1] in ("door", "bare"):
        place = Path(sys.argv[2])
        {"door": door, "bare": bare}[sys.argv[1]](place / "company", place / "home")
    else:
        bench(int(sys.argv[1]), int(sys.argv[2]), load_settings().home / "bench/door")
