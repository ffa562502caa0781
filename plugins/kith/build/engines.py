"""Where dbt computes a company's candidate: in DuckDB, or on Spark (`engine: spark`).

Kith's own processes never import Spark: dbt's process does, in an environment that has
it beside Kith's packages, at the same versions (`make spark`).
"""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from kith.company.folder import Company
from kith.errors import ConfigurationError
from kith.pull.connections import Connection, environment_connection
from kith.runs.run import Run
from kith.settings import REPOSITORY, environment_variable, load_settings
from kith.storage import state_of

_ENVIRONMENT = REPOSITORY / ".venv-spark"
# Where the driver is a server's, not this process.
_SERVERS = ("sc://", "thrift://")
_ADDRESS = re.compile(
    r"local(\[(\d+|\*)\])?|(spark|sc)://[^\s:/]\S*"
    r"|thrift://([^\s:/@]+(:[^\s:/@]+)?@)?[^\s:/@]+(:\d+)?"
)


def spark_folder(run: Run) -> Path:
    """Where Spark's tables lie; the workers of a cluster have to reach it as well."""
    return run.warehouse.with_name("spark")


def candidate_state(run: Run) -> list[tuple[int, ...]]:
    """Changes whenever the candidate's files are written to or made anew."""
    built = sorted((spark_folder(run) / "built").rglob("*.parquet"))
    return [state_of(path) for path in (run.warehouse, *built)]


def interpreter(company: Company) -> str:
    """The Python that runs dbt. Raises ConfigurationError where Spark is missing."""
    if company.engine == "duckdb":
        return sys.executable
    own = _ENVIRONMENT / "bin" / "python"
    if own.is_file():
        return str(own)
    if all(map(_is_installed, ("pyspark", "dbt.adapters.spark"))):
        return sys.executable
    raise ConfigurationError(
        f"{company.folder / 'company.yml'}: engine: spark: pyspark and dbt-spark are "
        "not installed; install them: make spark"
    )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def spark_environment(run: Run, *, opens_session: bool = True) -> dict[str, str]:
    """What dbt's process is told of Spark; nothing where DuckDB computes.

    Where it opens no session, it is not told of a connection that perhaps only
    Airflow's tasks know. Raises ConfigurationError where the address is none, or Java
    is missing, and CredentialsError where the declared connection is unknown.
    """
    if run.company.engine == "duckdb":
        return {}
    settings = load_settings()
    tables = {"KITH_SPARK_TABLES": str(spark_folder(run))}
    if connection := run.company.spark_connection:
        if not opens_session:
            return tables
        origin = f"connection '{connection}'"
        address = _address_of(environment_connection(connection))
    else:
        origin, address = "KITH_SPARK", settings.spark
    if not _ADDRESS.fullmatch(address):
        raise ConfigurationError(
            f"{origin}: expected local[2] for a session of this machine, "
            "spark://host:7077 for a cluster, sc://host:15002 for Spark Connect, or "
            "thrift://user:password@host:10000 for a Thrift server, the password "
            "percent-encoded"
        )
    # Of our environment what Spark itself reads, such as spark-defaults.conf there.
    passed_on = {
        name: value
        for name in ("JAVA_HOME", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")
        if (value := environment_variable(name))
    }
    has_java = "JAVA_HOME" in passed_on or shutil.which("java")
    if not address.startswith(_SERVERS) and not has_java:
        raise ConfigurationError(
            f"{origin}: Spark needs Java 17 or later, and there is none: "
            "install it (Debian: openjdk-17-jre-headless) or set JAVA_HOME; "
            "sc://host:15002 and thrift://host:10000 need none here"
        )
    return {
        **tables,
        "KITH_SPARK": address,
        # Java spells 6GB as 6g.
        "KITH_SPARK_MEMORY": settings.memory_limit.lower().removesuffix("b"),
        "KITH_SPARK_THREADS": str(settings.threads),
        **_thrift_of(address),
        **passed_on,
    }


def target_of(company: Company, told: dict[str, str]) -> str:
    """Name of the engine's output in profiles.yml; `told` is of spark_environment."""
    return "thrift" if is_thrift(told) else company.engine


def is_thrift(told: dict[str, str]) -> bool:
    """Whether Spark is a Thrift server, by what spark_environment tells."""
    return "KITH_SPARK_HOST" in told


def _thrift_of(address: str) -> dict[str, str]:
    """What profiles.yml asks of a Thrift server, password and method as Python."""
    if not address.startswith("thrift://"):
        return {}
    login = thrift_login(address)
    return {
        "KITH_SPARK_HOST": login["host"],
        "KITH_SPARK_PORT": str(login["port"]),
        "KITH_SPARK_USER": login["username"],
        "KITH_SPARK_PASSWORD": repr(login["password"]),
        "KITH_SPARK_AUTH": repr(login["auth"]),
    }


def thrift_login(address: str) -> dict[str, Any]:
    """What PyHive needs to open a session at the address of a Thrift server."""
    place = urlsplit(address)
    password = unquote(place.password) if place.password else None
    return {
        "host": place.hostname or "",
        "port": place.port or 10000,
        "username": unquote(place.username or "kith"),
        "password": password,
        "auth": "LDAP" if password else None,
    }


def _address_of(connection: Connection) -> str:
    """Spark's address in a connection of Airflow that leads to it.

    Those are of type `spark`, `spark_connect`, whose password is a token, and
    `hiveserver2`, as a Thrift server is called.
    """
    host = connection.host or ""
    if connection.kind == "spark":
        if re.fullmatch(r"local(\[.*\])?", host):
            return host
        return "spark://" + _place(connection, host.removeprefix("spark://"), 7077)
    if connection.kind == "hiveserver2":
        who = [connection.login or "", connection.password or ""]
        login = ":".join(quote(each, safe="") for each in who if each)
        return f"thrift://{login}{'@' * bool(login)}{_place(connection, host, 10000)}"
    if connection.kind != "spark_connect":
        raise ConfigurationError(
            f"connection '{connection.id}': is of type {connection.kind or 'none'}; "
            "expected spark, spark_connect or hiveserver2"
        )
    use_ssl = str(connection.extra.get("use_ssl", "")).lower()
    options = {
        "user_id": connection.login,
        "token": connection.password,
        "use_ssl": "true" if use_ssl == "true" else None,
    }
    given = "".join(
        f";{name}={quote(value, safe='')}" for name, value in options.items() if value
    )
    place = "sc://" + _place(connection, host.removeprefix("sc://"), 15002)
    return f"{place}/{given}" if given else place


def _place(connection: Connection, host: str, usual_port: int) -> str:
    """Host and port, where the host does not bring its own."""
    has_port = re.search(r":\d+$", host)
    return host if has_port else f"{host}:{connection.port or usual_port}"
