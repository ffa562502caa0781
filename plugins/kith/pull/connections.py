"""Connections to databases and web services: where they are and how to get in.

They are Airflow's: inside a task Airflow itself finds them (its secrets backends, the
environment, its database); anywhere else the environment variable
`AIRFLOW_CONN_<ID>` holds one as JSON or as a URI, as Airflow defines it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kith.errors import ConfigurationError
from kith.settings import environment_variable


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

    Raises ConfigurationError when there is none or it cannot be read; the value itself
    is never part of the message.
    """
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    text = environment_variable(name)
    if not text:
        raise ConfigurationError(
            f"connection '{connection_id}' is unknown; add it in Airflow or set the "
            f"environment variable {name}"
        )
    try:
        return (
            _from_json(connection_id, text)
            if text.lstrip().startswith("{")
            else (_from_uri(connection_id, text))
        )
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"connection '{connection_id}': {name} holds neither Airflow's JSON nor "
            "its URI of a connection"
        ) from None


def _from_json(connection_id: str, text: str) -> Connection:
    values = json.loads(text)
    return Connection(
        id=connection_id,
        kind=_kind(values.get("conn_type") or ""),
        host=values.get("host"),
        port=int(values["port"]) if values.get("port") else None,
        login=values.get("login"),
        password=values.get("password"),
        schema=values.get("schema"),
        extra=_extra(values.get("extra")),
    )


def _from_uri(connection_id: str, text: str) -> Connection:
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
    return Connection(
        id=connection_id,
        kind=_kind(kind),
        host=(protocol[0] if protocol and host else "") + host or None,
        port=parts.port,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        schema=unquote(parts.path[1:]) or None,
        extra=_extra(query["__extra__"]) if "__extra__" in query else query,
    )


def _kind(written: str) -> str:
    # No scheme of a URI holds an underscore.
    return "postgres" if written == "postgresql" else written.replace("-", "_")


def _extra(value: Any) -> dict[str, Any]:
    extra = json.loads(value) if isinstance(value, str) and value else value or {}
    if not isinstance(extra, dict):
        raise ValueError("extra is no object")
    return extra


def of_airflow(connections: Any) -> Callable[[str], Connection]:
    """What a task's context offers as `conn`, as our own way to a connection.

    Raises ConfigurationError where Airflow knows none of that id.
    """

    def find(connection_id: str) -> Connection:
        found = connections.get(connection_id)
        if found is None:
            return environment_connection(connection_id)  # says what is to be done
        return Connection(
            id=connection_id,
            kind=found.conn_type or "",
            host=found.host,
            port=found.port,
            login=found.login,
            password=found.password,
            schema=found.schema,
            extra=found.extra_dejson,
        )

    return find
