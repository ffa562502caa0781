"""Tables as dbt has built them, filled by DuckDB for as many customers as are wanted.

Each table has the columns and types of its contract. Its rows come from a query, which
may use:

    person(n), card(n), device(n), email(n)   ids of the customer with that number
    chance(n, salt)                           a whole number >= 0 that looks random
    share(n, salt)                            the same from 0 to 1
    skewed(n, salt, many)                     a number below `many`, low ones oftener
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from kith.database import connect, literal
from tests.dbt_project.rendered import CORNER_SHOP, MODELS, for_engine
from tests.dbt_project.test_portability import schema

SEEDS = MODELS.parent / "seeds"
MACROS = {
    "person(n)": "md5(cast(cast(n as bigint) as string))",
    "card(n)": "sha256(cast(cast(n as bigint) as string))",
    "device(n)": "sha256('device' || cast(n as bigint))",
    "email(n)": "sha256('email' || cast(n as bigint))",
    "chance(n, salt)": "cast(hash(n, salt) >> 1 as bigint)",
    "share(n, salt)": "(hash(n, salt) >> 1) % 1_000_000 / 1e6",
    "skewed(n, salt, many)": "cast(floor(many * power(share(n, salt), 1.5)) as bigint)",
}


@contextmanager
def town(folder: Path, memory_limit: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse in a folder, open as in dbt_project/profiles.yml."""
    with connect(folder / "town.duckdb", scratch=folder / "tmp") as connection:
        connection.execute("set preserve_insertion_order = false")
        if memory_limit:
            connection.execute(f"set memory_limit = {literal(memory_limit)}")
        yield connection


def write_town(folder: Path, sources: dict[str, str]) -> None:
    """Make a warehouse with a table for each name, filled by its query.

    A name that no contract knows is a table of the queries' own, dropped at the end.
    """
    with town(folder) as connection:
        connection.execute("create schema kith")
        for macro, text in MACROS.items():
            connection.execute(f"create temp macro {macro} as {text}")
        for name, query in sources.items():
            if name not in schema():
                connection.execute(f"create table {name} as {query}")
                continue
            place = f"kith.{name}" if name == "run" else name
            create(connection, name, place)
            connection.execute(f"insert into {place} by name {query}")
        for name in sources.keys() - schema().keys():
            connection.execute(f"drop table {name}")


def create(connection: duckdb.DuckDBPyConnection, name: str, place: str) -> None:
    """Make an empty table of a model's, seed's or source's contract."""
    columns = ", ".join(f"{c} {kind}" for c, kind in schema()[name].items())
    connection.execute(f"create or replace table {place} ({columns})")


def build(
    connection: duckdb.DuckDBPyConnection, name: str, company: Path = CORNER_SHOP
) -> tuple[float, float]:
    """Make the table of a model as dbt does; its wall and processor seconds."""
    (path,) = (p for p in MODELS.rglob(f"{name}.*") if p.suffix in (".sql", ".py"))
    if path.suffix == ".sql":  # dbt does this for all models, before the first
        query = for_engine(path.read_text(), "duckdb", path, company)
        columns = ", ".join(schema()[name])
        create(connection, name, name)
    started, used = time.perf_counter(), time.process_time()
    if path.suffix == ".py":
        compute(connection, path.read_text(), name)
    else:
        connection.execute(f"insert into {name} select {columns} from ({query})")
    connection.execute("checkpoint")
    return time.perf_counter() - started, time.process_time() - used


def compute(
    connection: duckdb.DuckDBPyConnection,
    code: str,
    place: str,
    place_of: Callable[[str], str] = str,
    meta_get: Callable[[str], Any] = {}.get,
) -> None:
    """Make the table of a Python model, as dbt-duckdb calls it.

    `place_of` says where the table of a model lies.
    """
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    dbt = SimpleNamespace(
        ref=lambda name: connection.sql(f"from {place_of(name)}"),
        config=SimpleNamespace(meta_get=meta_get),
    )
    answer = names["model"](dbt, connection)
    connection.register("answer", answer)
    connection.execute(f"create or replace table {place} as from answer")
    connection.unregister("answer")
