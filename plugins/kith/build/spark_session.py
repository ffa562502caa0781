"""Where dbt builds on Spark; only dbt's own process has a session there.

Tables are folders of Parquet files, `<schema>/<table>/`: in `sources` those that are
laid out for dbt, in `built` what it makes of them. No catalogue outlives the process;
where that of a server does, what it holds of the build before is dropped.
"""

import itertools
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet

from kith.build.engines import thrift_login
from kith.errors import BuildError
from kith.settings import set_environment_variables

# A timestamp is an instant to Spark, a time without a zone to DuckDB and in its Parquet
# files: they are the same where all sessions run in UTC. Those that dbt opens itself,
# at a Thrift server, have the same from profiles.yml.
IN_UTC = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "false",  # dbt-spark switches it off as well.
}
# States of an operation in Thrift's protocol of HiveServer2.
_UNDER_WAY = (0, 1, 7)  # initialized, running, pending
_FINISHED = 2
_POLL_SECONDS = 0.1


class Session(Protocol):
    """What Kith asks of Spark, whatever the way there."""

    def run(self, statement: str) -> None:
        """Execute a statement that gives no rows."""

    def listed(self, statement: str) -> list[tuple[Any, ...]]:
        """The few rows that a statement such as `show schemas` gives."""

    def rows(self, query: str) -> pa.Table:
        """All rows of a query; timestamps have no zone, and mean UTC."""


@dataclass(frozen=True)
class DriverSession:
    """A session of pyspark: of a driver here, or at a server of Spark Connect."""

    spark: Any

    def run(self, statement: str) -> None:
        """See Session."""
        self.spark.sql(statement)

    def listed(self, statement: str) -> list[tuple[Any, ...]]:
        """See Session."""
        return [tuple(row) for row in self.spark.sql(statement).collect()]

    def rows(self, query: str) -> pa.Table:
        """See Session."""
        return without_zones(self.spark.sql(query).toArrow())


@dataclass(frozen=True)
class ThriftSession:
    """A session at a Thrift server, such as Spark's own.

    Many rows would take hours as Thrift's own: Spark writes them as Parquet below
    `exchange`, and they are read there. Each statement has a session of its own, since
    dbt's threads ask at once.
    """

    address: str
    exchange: Path

    @contextmanager
    def _executed(self, statement: str) -> Iterator[Any]:
        from pyhive import hive

        login = thrift_login(self.address)
        connection = hive.connect(**login, configuration=IN_UTC)
        with closing(connection), closing(connection.cursor()) as cursor:
            # A server may drop who waits for minutes within one request.
            cursor.execute(statement, async_=True)
            while (found := cursor.poll()).operationState in _UNDER_WAY:
                time.sleep(_POLL_SECONDS)
            if found.operationState != _FINISHED:
                raise BuildError(found.errorMessage or "the Thrift server cancelled it")
            yield cursor

    def run(self, statement: str) -> None:
        """See Session."""
        with self._executed(statement):
            pass

    def listed(self, statement: str) -> list[tuple[Any, ...]]:
        """See Session."""
        with self._executed(statement) as cursor:
            return list(cursor.fetchall())

    def rows(self, query: str) -> pa.Table:
        """See Session."""
        folder = self.exchange / uuid.uuid4().hex
        try:
            self.run(f"insert overwrite directory {text(folder)} using parquet {query}")
            return without_zones(pyarrow.parquet.read_table(folder))
        finally:
            if folder.exists():
                shutil.rmtree(folder)


def open_session(address: str, memory: str, threads: str, tables: Path) -> Session:
    """Open the session at an address, which dbt then finds by itself.

    `address` is Spark's master (`local[2]`, `spark://host:7077`), for Spark Connect
    `sc://host:15002`, for a Thrift server `thrift://host:10000`. `memory` is the
    driver's, in Spark's spelling (`4g`), where the driver is this process. A session of
    this machine alone shuffles into as many parts as it has `threads`: Spark's two
    hundred take a minute of nothing. `tables` is the folder of Spark's tables.
    """
    scheme = urlsplit(address).scheme
    if scheme == "thrift":
        return ThriftSession(address, tables / "exchange")
    from pyspark.sql import SparkSession

    # It would tell each error once more, with the stack of Java.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True
    if scheme == "sc":
        # dbt-spark asks for a session without saying where: this says it.
        set_environment_variables({"SPARK_REMOTE": address})
        session = SparkSession.builder.remote(address).getOrCreate()
    else:
        session = (
            SparkSession.builder.master(address)
            .appName("kith")
            .config("spark.driver.memory", memory)
            # What a Python model reads comes to the driver, however large it is.
            .config("spark.driver.maxResultSize", "0")
            .config("spark.sql.catalogImplementation", "in-memory")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
    for name, value in IN_UTC.items():
        session.conf.set(name, value)
    if address.startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", threads)
    return DriverSession(session)


def register_sources(session: Session, tables: Path) -> None:
    """Make a schema of each folder in `sources`, and a table of each folder in that.

    What a server has of the build before goes piece by piece: with a schema Spark would
    remove its folder, in which the new rows lie already.
    """
    known = _schemas_in(session, tables)
    # Views first: Spark lists them among the tables as well, until they are gone.
    for schema, kind in itertools.product(known, ("view", "table")):
        listed = session.listed(f"show {kind}s in {quoted(schema)}")
        for _, name, is_temporary, *_ in listed:
            if not is_temporary:
                session.run(f"drop {kind} {quoted(schema)}.{quoted(name)}")
    for folder in sorted((tables / "sources").iterdir()):
        if folder.name not in known:
            _create_schema(session, folder)
        _create_tables(session, folder)


def register_tables(
    session: Session, tables: Path, is_read: Callable[[str], bool]
) -> None:
    """Make those tables of `sources` and `built` that are read, by their names.

    A server has them since dbt's process; else the catalogue has ended with that.
    """
    known = _schemas_in(session, tables)
    for folder in sorted(tables.glob("sources/*")) + sorted(tables.glob("built/*")):
        if folder.name not in known:
            _create_schema(session, folder)
        _create_tables(session, folder, is_read)


def _schemas_in(session: Session, tables: Path) -> list[str]:
    """The catalogue's schemas whose tables lie in a folder."""
    found = []
    for (name,) in session.listed("show schemas"):
        described = dict(session.listed(f"describe schema {quoted(name)}"))
        if Path(urlsplit(described["Location"]).path).is_relative_to(tables):
            found.append(name)
    return found


def _create_schema(session: Session, folder: Path) -> None:
    session.run(f"create schema {quoted(folder.name)} location {text(folder)}")


def _create_tables(
    session: Session, folder: Path, is_read: Callable[[str], bool] = lambda name: True
) -> None:
    for table in sorted(folder.iterdir()):
        if is_read(table.name):
            session.run(
                "create table if not exists "
                f"{quoted(folder.name)}.{quoted(table.name)} "
                f"using parquet location {text(table)}"
            )


def without_zones(table: pa.Table) -> pa.Table:
    """The table with its timestamps as DuckDB gives them: UTC, of no zone."""
    return table.cast(
        pa.schema(
            [
                field.with_type(pa.timestamp("us"))
                if pa.types.is_timestamp(field.type)
                else field
                for field in table.schema
            ]
        )
    )


def quoted(name: str) -> str:
    """A name of Spark's SQL."""
    return "`" + name.replace("`", "``") + "`"


def text(path: Path) -> str:
    """A path as a text of Spark's SQL."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
