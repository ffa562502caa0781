import json

import pytest
from airflow.sdk.definitions.connection import Connection as AirflowConnection

from kith.errors import ConfigurationError
from kith.pull.connections import (
    Connection,
    environment_connection,
    keep_in_environment,
    of_airflow,
)
from kith.settings import secrets_known

URIS = [
    "postgres://reader:s%40cret@db.example.com:5433/shop",
    "postgresql://reader@db.example.com/shop?sslmode=require&options=-c%20x%3D1",
    "postgresql+psycopg://db/shop",
    "postgres://reader@%2Ftmp%2FSocket/shop",
    "google-cloud-platform://?__extra__=%7B%22project%22%3A%20%7B%22id%22%3A%201%7D%7D",
    "http://token@api.example.com/https?timeout=5&empty=",
    "http://https://api.example.com/v1",
    "sqlite:////tmp/Shop.db",
    "sqlite://%2Ftmp%2FShop.db",
    "mysql://:only-password@127.0.0.1:3306",
    "mssql+pyodbc://sa:p%2Fw%3A%3F@[::1]:1433/db?driver=ODBC+Driver+18",
]
JSONS = [
    {"conn_type": "postgresql", "host": "db", "port": "5433", "password": "p"},
    {"conn_type": "http", "host": "https://x", "extra": {"api_key": "k", "n": [1]}},
    {"conn_type": "my-kind", "schema": "s", "extra": '{"a": {"b": true}}'},
    {"conn_type": "sqlite", "host": "/data/x.db", "login": "me", "extra": ""},
]


def expected(found: AirflowConnection) -> Connection:
    return Connection(
        id="crm",
        kind=found.conn_type,
        host=found.host or None,
        port=found.port,
        login=found.login or None,
        password=found.password or None,
        schema=found.schema or None,
        extra=found.extra_dejson,
    )


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_reads_as_in_airflow(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", uri)
    found = AirflowConnection.from_uri(uri, conn_id="crm")
    assert environment_connection("crm") == expected(found)


@pytest.mark.parametrize("values", JSONS, ids=lambda values: values["conn_type"])
def test_json_reads_as_in_airflow(
    values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(values))
    found = AirflowConnection.from_json(json.dumps(values), conn_id="crm")
    assert environment_connection("crm") == expected(found)


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        "://s3cret",
        "postgres://u:s3cret@db:port/x",
        '{"password": "s3cret"',
        '{"conn_type": "http", "port": "s3cret"}',
        '{"conn_type": "http", "extra": "s3cret"}',
        '{"conn_type": "http", "extra": "[\\"s3cret\\"]"}',
    ],
)
def test_an_unreadable_connection_is_not_shown(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", text)
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_CRM") as raised:
        environment_connection("crm")
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_unknown_connection_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CRM", raising=False)
    for find in (environment_connection, of_airflow({})):
        with pytest.raises(ConfigurationError, match="set the environment variable"):
            find("crm")


def test_what_airflow_finds_is_taken() -> None:
    found = AirflowConnection.from_uri(URIS[0], conn_id="crm")
    assert of_airflow({"crm": found})("crm") == expected(found)


def test_what_airflow_found_is_handed_on_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", "")
    found = Connection(
        "lake", "spark_connect", "host", 15002, "ana", "hush-77d1", None, {"a": 1}
    )
    keep_in_environment(found)
    assert environment_connection("lake") == found
    assert "hush-77d1" in secrets_known()


def test_secrets_are_not_shown() -> None:
    secrets = {"password": "s3cret", "extra": {"token": "t0ken"}}
    shown = repr(Connection("crm", "http", **secrets))
    assert "s3cret" not in shown
    assert "t0ken" not in shown
