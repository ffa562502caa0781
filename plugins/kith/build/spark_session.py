"""The session in which dbt builds on Spark; only dbt's own process has one.

Tables are folders of Parquet files, `<schema>/<table>/`: in `sources` those that are
laid out for dbt, in `built` what it makes of them. No catalogue outlives the process;
where that of a server does, what it holds of the build before is dropped.
"""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kith.settings import set_environment_variables

# A timestamp is an instant to Spark, a time without a zone to DuckDB and in its Parquet
# files: they are the same where all sessions run in UTC.
_IN_UTC = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "false",  # dbt-spark switches it off as well.
}


def open_session(address: str, memory: str, threads: str) -> Any:
    """Open the session at an address, which dbt then finds by itself.

    `address` is Spark's master (`local[2]`, `spark://host:7077`) or, for Spark Connect,
    `sc://host:15002`. `memory` is the driver's, in Spark's spelling (`4g`), where the
    driver is this process. A session of this machine alone shuffles into as many parts
    as it has `threads`: Spark's two hundred take a minute of nothing.
    """
    from pyspark.sql import SparkSession

    # It would tell each error once more, with the stack of Java.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    if urlsplit(address).scheme == "sc":
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
    for name, value in _IN_UTC.items():
        session.conf.set(name, value)
    if address.startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", threads)
    return session


def register_sources(session: Any, tables: Path) -> None:
    """Make a schema of each folder in `sources`, and a table of each folder in that."""
    for database in session.catalog.listDatabases():
        location = Path(urlsplit(database.locationUri).path)
        if location.is_relative_to(tables):
            session.sql(f"drop schema {_quoted(database.name)} cascade")
    for schema in sorted((tables / "sources").iterdir()):
        session.sql(f"create schema {_quoted(schema.name)} location {_text(schema)}")
        for table in sorted(schema.iterdir()):
            session.sql(
                f"create table {_quoted(schema.name)}.{_quoted(table.name)} "
                f"using parquet location {_text(table)}"
            )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
