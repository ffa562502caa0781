"""A shop of two tables of people, orders, their lines and clicks; Ada is to be erased.

Bob shares a telephone with her, she recommended him, and his card of hers is none.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import yaml

from kith.admit.table import admit_table
from kith.company.folder import load_company
from kith.deliveries.admitted import DATA, all_deliveries
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run

KEY = "k" * 40
ADA, BOB = "ada@example.com", "bob@example.com"
SHARED = "+49 30 1234567"
TABLES = ("shop.customers", "shop.orders", "shop.lines", "web.clicks")
FILES = {
    "customers.csv": [
        "number,email,phone,recommended_by,city",
        f"N00001,{ADA},{SHARED},,Bonn",
        f"N00002,{BOB},{SHARED},{ADA},Köln",
    ],
    "orders.csv": [
        "order_number,ordered_at,email,phone,total",
        f"O10001,2024-03-01 10:00:00,{ADA},,10.00",
        f"O10002,2024-03-01 11:00:00,{BOB},,20.00",
        f"O10003,2024-03-02 12:00:00,,{SHARED},40.00",
        f"O10004,2024-03-02 13:00:00,{ADA.upper()},{SHARED},80.00",
        f"O10005,2024-03-02 14:00:00,{ADA},,not a number",
    ],
    "lines.csv": [
        "order_number,line,product,ordered_at",
        "O10001,1,bread,2024-03-01 10:00:00",
        "O10001,2,milk,2024-03-01 10:00:00",
        "O10002,1,bread,2024-03-01 11:00:00",
        "O10004,1,tea,2024-03-02 13:00:00",
    ],
    "clicks.csv": [
        "click,seen_at,member,page",
        "C1,2024-03-01 09:00:00,M-7001,home",
        "C2,2024-03-01 09:01:00,M-7002,home",
        "C3,2024-03-02 09:00:00,M-7001,cart",
        "C4,2024-03-02 09:05:00,,home",
    ],
}
_STAGED = """
select 'web' as source, click as event_id, 'member' as identifier_type,
    member as identifier_value, seen_at as occurred_at
from "kith_build"."web"."clicks"
"""


def digest(kind: str, value: str) -> str:
    """What raw holds of an identifier, made without Kith."""
    text = f"{kind}:{value}".encode()
    return hmac.new(KEY.encode(), text, hashlib.sha256).hexdigest()


ADAS, BOBS = digest("email", ADA), digest("email", BOB)
PHONE = digest("phone", "+49301234567")
ADA_ID, BOB_ID = (hashlib.md5(f"email:{h}".encode()).hexdigest() for h in (ADAS, BOBS))  # noqa: S324
# Each in any file would be Ada.
TRACES = (ADAS, ADA_ID, ADA, "M-7001", "O10001", "O10004", "O10005", "N00001")


IDENTITIES = [
    ("email", ADAS, ADA_ID, None),
    ("customer_number", "N00001", ADA_ID, None),
    ("member", "M-7001", ADA_ID, None),
    ("email", BOBS, BOB_ID, None),
    ("customer_number", "N00002", BOB_ID, None),
    ("member", "M-7002", BOB_ID, None),
    ("phone", PHONE, None, "shared_by_several"),
]


def _table(name: str, path: str, columns: list[Any], **rules: Any) -> dict[str, Any]:
    rules = {"connector": "files", "path": f"data/{path}", **rules}
    return {
        "name": name,
        "config": {"meta": {**rules, "quarantine_limit_rows": 10}},
        "columns": [
            {"name": n, "data_type": kind, "config": {"meta": meta}}
            for n, kind, meta in columns
        ],
    }


def write_shop(folder: Path) -> Path:
    """Write the company and its files."""
    (folder / "data").mkdir(parents=True)
    (folder / "staging").mkdir()
    for name, lines in FILES.items():
        (folder / "data" / name).write_text("\n".join(lines) + "\n")
    (folder / "staging" / "stg_web__events.sql").write_text("select 'member'\n")
    declared = {
        "name": "rights_shop",
        "title": "Shop",
        "time_zone": "UTC",
        "currency": "EUR",
        "first_day": "2024-01-01",
        "last_day": "2024-12-31",
        "feeds": {"events": ["stg_web__events"]},
    }
    (folder / "company.yml").write_text(yaml.safe_dump(declared))
    text, email = "varchar", {"pii": "email"}
    phone = {"pii": "phone", "phone_region": "DE"}
    other = {"pii": "email", "identifies": "somebody_else"}
    at_order = {"references": {"table": "shop.orders", "column": "order_number"}}
    by_day = {"cursor": "ordered_at"}
    shop = [
        _table(
            "customers",
            "customers.csv",
            [
                ("number", text, {"identifies": "customer_number"}),
                ("email", text, email),
                ("phone", text, phone),
                ("recommended_by", text, other),
                ("city", text, {}),
            ],
            key=["number"],
        ),
        _table(
            "orders",
            "orders.csv",
            [
                ("order_number", text, {}),
                ("ordered_at", "timestamp", {}),
                ("email", text, email),
                ("phone", text, phone),
                ("total", "decimal(18,2)", {}),
            ],
            key=["order_number"],
            **by_day,
        ),
        _table(
            "lines",
            "lines.csv",
            [
                ("order_number", text, at_order),
                ("line", "bigint", {}),
                ("product", text, {}),
                ("ordered_at", "timestamp", {}),
            ],
            key=["order_number", "line"],
            **by_day,
        ),
    ]
    clicks = _table(
        "clicks",
        "clicks.csv",
        [
            ("click", text, {}),
            ("seen_at", "timestamp", {}),
            ("member", text, {}),
            ("page", text, {}),
        ],
        key=["click"],
        cursor="seen_at",
    )
    sources = [{"name": "shop", "tables": shop}, {"name": "web", "tables": [clicks]}]
    (folder / "sources.yml").write_text(yaml.safe_dump({"sources": sources}))
    return folder


def pull_and_admit(folder: Path, *tables: str) -> Run:
    """What the stages do, in the order of the DAG."""
    run = new_run(folder, "2024-03-01", "2024-03-31")
    for stage in (pull_table, admit_table):
        for table in tables or TABLES:
            stage(run, table)
    return run


def identify(run: Run) -> None:
    """What a build leaves: compiled staging, and identity in the candidate."""
    compiled = run.folder / "dbt/target/compiled/kith/company/staging"
    compiled.mkdir(parents=True, exist_ok=True)
    (compiled / "stg_web__events.sql").write_text(_STAGED)
    run.warehouse.parent.mkdir(exist_ok=True)
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute("create schema intermediate")
        warehouse.execute(
            "create table intermediate.identities (identifier_type varchar, "
            "identifier_value varchar, person_id varchar, refused_by varchar)"
        )
        warehouse.executemany(
            "insert into intermediate.identities values (?, ?, ?, ?)", IDENTITIES
        )


def ask(folder: Path, *rows: str) -> Path:
    """A file of identifiers, outside of all that Kith has."""
    path = folder / "asked.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def release(run: Run) -> Path:
    """A release as a publication leaves it, of some marts; it is current."""
    from kith.publish.release import seal
    from kith.storage import sha256

    folder = run.published / "20240401T000000Z_abcdef"
    (folder / "parquet" / "customer").mkdir(parents=True)
    (folder / "report").mkdir()
    marts = {
        "customers": f"select * from (values ('{ADA_ID}', 'email', '{ADAS}'), "
        f"('{BOB_ID}', 'email', '{BOBS}')) t (customer_id, identifier_type, "
        "identifier_value)",
        "orders": f"select * from (values ('shop', 'O10001', '{ADA_ID}', 10), "
        f"('shop', 'O10002', '{BOB_ID}', 20), ('shop', 'O10003', null, 40), "
        f"('shop', 'O10004', '{ADA_ID}', 80)) "
        "t (source, order_id, customer_id, total), "
        "(values (date '2024-03-01')) d (ordered_on)",
        "customer_identifiers": "select * from (values "
        + ", ".join(
            f"({', '.join('null' if v is None else repr(v) for v in row)})"
            for row in IDENTITIES
        )
        + ") t (identifier_type, identifier_value, person_id, refused_by)",
        "totals": "select 150 as revenue, 'first in O10001 and O10002' as examples",
    }
    entries = {}
    with duckdb.connect(str(folder / "kith.duckdb")) as database:
        database.execute("create schema customer")
        for name, query in marts.items():
            database.execute(f"create table customer.{name} as {query}")
            database.execute(
                f"comment on table customer.{name} is 'One row per {name}.'"
            )
            path = folder / "parquet" / "customer" / f"{name}.parquet"
            database.execute(f"copy customer.{name} to '{path}' (format parquet)")
            entries[f"customer.{name}"] = {"rows": 0, "content_hash": "", "key": []}
    (folder / "report" / "index.html").write_text(f"<p>{BOB_ID[:8]}</p>")
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    manifest = {
        "release_id": folder.name,
        "marts": entries,
        "report": "report/index.html",
        "files": {str(p.relative_to(folder)): sha256(p) for p in files},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    seal(folder)
    (run.published / "current").symlink_to(folder.name)
    return folder


def values_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that stands in files, their bytes and what Parquet and DuckDB pack."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield path, path.read_bytes().decode("latin-1")
        with duckdb.connect() as connection:
            if path.suffix == ".parquet":
                rows = connection.execute(
                    f"select t::varchar from '{path}' t"
                ).fetchall()
                yield from ((path, row[0]) for row in rows)
            elif path.suffix == ".duckdb":
                connection.execute(f"attach '{path}' as found (read_only)")
                for schema, name in connection.execute(
                    "select schema_name, table_name from duckdb_tables() "
                    "where database_name = 'found'"
                ).fetchall():
                    rows = connection.execute(
                        f'select t::varchar from found.{schema}."{name}" t'
                    ).fetchall()
                    yield from ((path, row[0]) for row in rows)


def traces_in(folder: Path) -> set[tuple[str, str]]:
    """Which of Ada's traces stand in which files."""
    return {
        (trace, str(path.relative_to(folder)))
        for path, text in values_in(folder)
        for trace in TRACES
        if trace in text
    }


def again(run: Run) -> Run:
    """The same run as its company is declared now."""
    return Run(load_company(run.company.folder), run.interval, run.run_id, run.home)


def admitted(run: Run, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Values of a table's admitted rows."""
    found: list[tuple[Any, ...]] = []
    for delivery in all_deliveries(run, run.company.table(table)):
        found += duckdb.sql(
            f"select {columns} from '{delivery.folder / DATA}'"
        ).fetchall()
    return sorted(found, key=str)


def report(run: Run, table: str) -> dict[str, Any]:
    """What the one delivery of a table reports."""
    (delivery,) = all_deliveries(run, run.company.table(table))
    return delivery.report
