"""Connections to databases and web services: where they are and how to get in.

They are Airflow's: inside a task Airflow itself finds them (its secrets backends, the
environment, its database); anywhere else the environment variable
`AIRFLOW_CONN_<ID>` holds one as JSON or as a URI, as Airflow defines it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kith.errors import ConfigurationError, CredentialsError
from kith.settings import environment_variable, set_environment_variables


@dataclass(frozen=True)
class Connection:
    """One connection, in Airflow's words. What must stay secret is never shown."""

    id: str
    kind: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


def environment_connection(connection_id: str) -> Connection:
    """The connection that `AIRFLOW_CONN_<ID>` holds.

    Raises CredentialsError when there is none, and ConfigurationError when it cannot be
    read; the value itself is never part of the message.
    """
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    text = environment_variable(name)
    if not text:
        raise CredentialsError(
            f"connection '{connection_id}' is unknown; add it in Airflow or set the "
            f"environment variable {name}"
        )
    try:
        is_json = text.lstrip().startswith("{")
        return _connection(
            connection_id, json.loads(text) if is_json else _values_of_uri(text)
        )
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"connection '{connection_id}': {name} holds neither Airflow's JSON nor "
            "its URI of a connection"
        ) from None


def _connection(connection_id: str, values: dict[str, Any]) -> Connection:
    """The connection that Airflow's JSON of it tells."""
    extra = values.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    if not isinstance(extra, dict):
        raise ValueError("extra is no object")
    kind = values.get("conn_type") or ""
    return Connection(
        id=connection_id,
        # No scheme of a URI holds an underscore.
        kind="postgres" if kind == "postgresql" else kind.replace("-", "_"),
        port=int(values["port"]) if values.get("port") else None,
        extra=extra,
        **{name: values.get(name) for name in ("host", "login", "password", "schema")},
    )


def _values_of_uri(text: str) -> dict[str, Any]:
    """What Airflow's JSON would hold for a connection written as URI."""
    kind, separator, rest = text.partition("://")
    if not kind or not separator:
        raise ValueError("no scheme")
    # A host may bring a protocol of its own: `http://https://host`.
    protocol = re.match(r"[a-z][a-z0-9+.-]*://", rest)
    if protocol:
        rest = rest.removeprefix(protocol[0])
    parts = urlsplit(f"//{rest}")
    host = unquote(parts.hostname or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return {
        "conn_type": kind,
        "host": (protocol[0] if protocol and host else "") + host or None,
        "port": parts.port,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "schema": unquote(parts.path[1:]) or None,
        "extra": query.get("__extra__", query),
    }


def keep_in_environment(connection: Connection) -> None:
    """Let this process and its children find what Airflow told: `AIRFLOW_CONN_<ID>`."""
    values = {**asdict(connection), "conn_type": connection.kind}
    del values["id"], values["kind"]
    name = f"AIRFLOW_CONN_{connection.id.upper()}"
    set_environment_variables({name: json.dumps(values)})


def of_airflow(connections: Any) -> Callable[[str], Connection]:
    """What a task's context offers as `conn`, as our own way to a connection.

    Raises CredentialsError where nobody knows one of that id.
    """

    def find(connection_id: str) -> Connection:
        found = connections.get(connection_id)
        if found is None:
            return environment_connection(connection_id)  # says what is to be done
        names = ("conn_type", "host", "port", "login", "password", "schema")
        values = {name: getattr(found, name) for name in names}
        return _connection(connection_id, {**values, "extra": found.extra_dejson})

    return find
