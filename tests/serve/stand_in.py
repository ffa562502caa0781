"""A small release, and a company and server of its own to serve it by.

Every row of a release bears its number as `batch`: a reader who meets two numbers has
read from two releases.
"""

import datetime as dt
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from kith.company.folder import Company, load_company
from kith.company.postgres import Postgres as Declared
from kith.company.postgres import Reader
from kith.publish import release as publishing
from kith.publish.audiences import privacy
from kith.pull.connections import Connection
from kith.runs.run import Interval, Run
from kith.serve.serve import Served, serve
from kith.settings import REPOSITORY
from kith.storage import sha256
from kith_airflow.postgres import Postgres

SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"
DAY = dt.date(2024, 12, 31)
LOADER, PASSWORD = "loader", "it's secret"
# Of each mart its rows as SQL, its key, and what is said of it. Customers c0 to c7 are
# in the care of E1 (shop), E2 (shop), E3 (field) by turns, c6 and c7 in nobody's.
MARTS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "customer.customers": (
        "select 'c' || i as customer_id, 'Town' || i as city, case when i < 6 then "
        "'E' || (i % 3 + 1) end as employee_id, case when i >= 6 then null when "
        "i % 3 = 2 then 'field' else 'shop' end as department from range(8) as r(i)",
        ["customer_id"],
        {"rows_about": "persons"},
    ),
    "customer.employees": (
        "select 'E' || i as employee_id, case when i = 3 then 'field' else 'shop' end "
        "as department from range(1, 4) as r(i)",
        ["employee_id"],
        {"rows_about": "persons"},
    ),
    "customer.orders": (
        "select 'till' as source, i as order_id, 'c' || (i % 8) as customer_id, "
        "cast(i + 0.1 as decimal(18, 2)) as revenue_amount, timestamp '2024-12-31 "
        "23:59:59.123456' as ordered_at, i % 2 = 0 as has_return, i / 3 as share_pct, "
        "date '2024-12-31' as order_date from range({orders}) as r(i)",
        ["source", "order_id"],
        {"rows_about": "persons"},
    ),
    "segment.segments": (
        "select 'S' || i as segment, i as customer_count from range(8) as r(i)",
        ["segment"],
        {"rows_about": "groups", "group_sizes": ["customer_count"]},
    ),
    "satisfaction.delivered_values": (
        "select case when i < 3 then 'c' || i end as customer_id, case when i < 3 then "
        "'customer' else 'total' end as breakdown, case when i < 3 then 1 else 9 end "
        "as person_count from range(4) as r(i)",
        ["breakdown", "customer_id"],
        {
            "rows_about": "groups",
            "group_sizes": ["person_count"],
            "persons_where": "breakdown = 'customer'",
        },
    ),
    "operations.publications": (
        "select 'R' || i as release_id from range(3) as r(i)",
        ["release_id"],
        {"rows_about": "things"},
    ),
}
READERS = [
    Reader(login="chief", audience="all"),
    Reader(login="analyst", audience="without_personal_data"),
    Reader(login="shop_head", audience="own_department", department="shop"),
    Reader(login="seller", audience="own_customers", employee_id="E3"),
    Reader(login="nobody_yet", audience="all"),
]
LOGINS = ("chief", "analyst", "shop_head", "seller", "stranger")
_numbers = itertools.count(1)


def write_release(
    published: Path,
    batch: int,
    *,
    orders: int = 40,
    changed: dict[str, str | None] | None = None,
    large: str | None = None,
) -> str:
    """Write release number `batch` and point `current` at it; returns its id.

    `changed` are other rows for some marts, None for a mart that is left out. `large`
    is a mart that is a view of its Parquet files.
    """
    release_id = f"202412{batch % 30 + 1:02}T{batch:06}Z_{batch:06x}"
    folder = published / release_id
    folder.mkdir(parents=True)
    marts: dict[str, Any] = {}
    with duckdb.connect(str(folder / "kith.duckdb")) as database:
        for name, (rows, key, meta) in MARTS.items():
            query = (changed or {}).get(name, rows.replace("{orders}", str(orders)))
            if query is None:
                continue
            schema, table = name.split(".")
            database.execute(f"create schema if not exists {schema}")
            rows = f"select *, {batch} as batch from ({query})"
            parquet = folder / "parquet" / schema / f"{table}.parquet"
            if name == large:
                parquet = folder / "parquet" / schema / table / "data_0.parquet"
            parquet.parent.mkdir(parents=True, exist_ok=True)
            database.execute(f"copy ({rows}) to '{parquet}' (format parquet)")
            kind = "view" if name == large else "table"
            rows = f"from '{parquet}'" if name == large else rows
            database.execute(f"create {kind} {name} as {rows}")
            database.execute(f"comment on {kind} {name} is 'Rows of ''{table}''.'")
            database.execute(f"comment on column {name}.batch is 'Its release.'")
            (count,) = database.execute(f"select count(*) from {name}").fetchone() or ()
            marts[name] = {
                "rows": count,
                "key": key,
                "privacy": privacy(meta),
                "in_database": kind,
            }
        database.execute(
            f"create table _release as select '{release_id}' as release_id, "
            "'run_1' as run_id, 'shop' as company, timestamp '2024-12-31 01:02:03' as "
            "published_at, date '2024-12-31' as data_as_of, 80::bigint as "
            "checks_passed, 1::bigint as checks_warned"
        )
    files = [path for path in folder.rglob("*") if path.is_file()]
    manifest = {
        "release_id": release_id,
        "as_of_date": DAY.isoformat(),
        "marts": marts,
        "files": {str(path.relative_to(folder)): sha256(path) for path in files},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    publishing._switch(published, release_id)
    return release_id


def prepare(server: Postgres) -> None:
    """Let logins in by password only, and make those of loader and readers."""
    hba = server.data / "pg_hba.conf"
    hba.write_text("local all airflow trust\nlocal all all scram-sha-256\n")
    as_owner(server, "postgres", "select pg_reload_conf()")
    secret = PASSWORD.replace("'", "''")
    for login in (LOADER, *LOGINS):
        as_owner(server, "postgres", f"create role {login} login password '{secret}'")
    as_owner(server, "postgres", f"alter role {LOADER} createrole")


def socket_folder(server: Postgres) -> str:
    return server.url.partition("host=")[2]


def as_owner(server: Postgres, database: str, statement: str) -> None:
    place = f"host={socket_folder(server)} user=airflow dbname={database}"
    with psycopg.connect(place, autocommit=True) as session:
        session.execute(statement)


@dataclass(frozen=True)
class Shop:
    """A company with a database of its own."""

    server: Postgres
    run: Run
    database: str

    @property
    def name(self) -> str:
        return self.run.company.name

    def declared(self, **changed: Any) -> "Shop":
        """The same with other keys below `postgres`."""
        assert self.run.company.postgres
        declared = self.run.company.postgres.model_copy(update=changed)
        company = self.run.company.model_copy(update={"postgres": declared})
        run = Run(company, self.run.interval, self.run.run_id, self.run.home)
        return Shop(self.server, run, self.database)

    def connection(self, **changed: Any) -> Connection:
        values = {
            "host": socket_folder(self.server),
            "login": LOADER,
            "password": PASSWORD,
            "schema": self.database,
        }
        return Connection(id="bi", kind="postgres", **{**values, **changed})

    def serve(self, **changed: Any) -> Served:
        return serve(self.run, lambda _: self.connection(**changed))

    def publish(self, batch: int, **options: Any) -> Served:
        """Write release number `batch` and serve it."""
        write_release(self.run.published, batch, **options)
        return self.serve()

    def conninfo(self, login: str) -> str:
        return psycopg.conninfo.make_conninfo(
            "",
            host=socket_folder(self.server),
            dbname=self.database,
            user=login,
            password=PASSWORD,
        )

    def session(self, login: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.conninfo(login), autocommit=True)

    def ask(self, login: str, query: str) -> list[tuple[Any, ...]]:
        """Rows that a login gets for a query in which {s} stands for the prefix."""
        with self.session(login) as session:
            return session.execute(query.replace("{s}", f"{self.name}_")).fetchall()

    def schemas(self) -> list[str]:
        """Schemas of releases that are there."""
        found = self.ask(
            LOADER,
            r"select nspname from pg_namespace where nspname like 'kith\_%' order by 1",
        )
        return [name for (name,) in found]

    def batch(self, login: str = "chief") -> int:
        """The release that a login reads."""
        ((found,),) = self.ask(login, "select distinct batch from {s}segment.segments")
        return int(found)


def new_shop(server: Postgres, home: Path) -> Shop:
    """A company and a database that nobody has used."""
    name = f"shop{next(_numbers)}"
    as_owner(server, "postgres", f"create database {name}")
    as_owner(server, name, "create schema chief authorization chief")
    as_owner(server, "postgres", f"grant create on database {name} to {LOADER}")
    declared = Declared(connection="bi", readers=READERS)
    company: Company = load_company(SHOP).model_copy(
        update={"name": name, "postgres": declared}
    )
    return Shop(server, Run(company, Interval(DAY, DAY), "run_1", home), name)
