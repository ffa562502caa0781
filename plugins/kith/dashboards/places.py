"""Where dashboards read: the file of the current release, or PostgreSQL."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from kith.company.folder import PUBLISHED_SCHEMAS, Company
from kith.company.postgres import Postgres
from kith.errors import ConfigurationError
from kith.publish.release import DATABASE
from kith.pull.connections import Connection
from kith.serve.views import STAMP_SCHEMA, schema_names

# What stands for a password where Superset's files are read by people.
MASK = "X" * 10


@dataclass(frozen=True)
class Place:
    """A database, for SQLAlchemy: `schemas` are its names of the release's schemas.

    `stamp_schema` is where it has the table that says which release it is. `uri` has
    `MASK` in the place of the password.
    """

    key: str
    title: str
    uri: str
    schemas: dict[str, str]
    stamp_schema: str
    connect_args: dict[str, Any]
    password: str | None = field(default=None, repr=False)


def file_place(published: Path, memory_limit: str, threads: int) -> Place:
    """The file of whichever release is current when a query opens it.

    The path goes through `current`, and nobody may hold a connection: then each query
    reads one release, whole, and the next one may be read by the next query.
    """
    path = published / "current" / DATABASE
    return Place(
        key="file",
        title="file",
        uri=f"duckdb:///{quote(str(path))}",
        schemas={schema: schema for schema in PUBLISHED_SCHEMAS},
        stamp_schema="main",
        connect_args={
            "read_only": True,
            "config": {
                "memory_limit": memory_limit,
                "threads": threads,
                # Nothing is fetched from outside.
                "autoinstall_known_extensions": False,
            },
        },
    )


def postgres_place(
    company: Company, declared: Postgres, connection: Connection
) -> Place:
    """The views that PostgreSQL serves, as the login of `connection` may read them.

    Raises ConfigurationError where the login is none of the readers, or may not read
    the marts that dashboards are made of.
    """
    file = company.folder / "company.yml"
    audiences = {reader.login: reader.audience for reader in declared.readers}
    audience = audiences.get(connection.login or "")
    if connection.kind != "postgres":
        raise ConfigurationError(
            f"connection '{connection.id}': its kind is '{connection.kind}'; expected "
            "postgres"
        )
    if audience is None:
        raise ConfigurationError(
            f"{file}: postgres.dashboards_connection: the login of connection "
            f"'{connection.id}' is {connection.login or 'missing'}; expected one of "
            f"postgres.readers ({', '.join(audiences) or 'there are none'}), so that a "
            "dashboard reads what its audience may, and can change nothing"
        )
    if audience == "without_personal_data":
        raise ConfigurationError(
            f"{file}: postgres.dashboards_connection: {connection.login} reads "
            "without_personal_data; expected another audience, since the dashboards "
            "count customers and orders, which that one may not read"
        )
    schemas = schema_names(company, declared)
    given = {name: str(value) for name, value in connection.extra.items()}
    host = connection.host or "localhost"
    where = f"{host}:{connection.port or 5432}"
    if host.startswith("/"):  # The folder of a socket.
        where, given = "", {**given, "host": host, "port": str(connection.port or 5432)}
    options = f"?{urlencode(given)}" if given else ""
    login = quote(connection.login or "", safe="")
    return Place(
        key="postgresql",
        title="PostgreSQL",
        uri=(
            f"postgresql+psycopg2://{login}:{MASK}@{where}/"
            f"{quote(connection.schema or '', safe='')}{options}"
        ),
        schemas=schemas,
        stamp_schema=schemas[STAMP_SCHEMA],
        connect_args={},
        password=connection.password or "",
    )
