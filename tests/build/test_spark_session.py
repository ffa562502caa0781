"""Folders become tables of a session; a real one is opened by test_spark."""

import datetime as dt
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from kith.build.spark_session import (
    IN_UTC,
    open_session,
    register_sources,
    register_tables,
    without_zones,
)
from kith.errors import BuildError
from kith.settings import REPOSITORY


class Session:
    """A catalogue that notes what it is told."""

    def __init__(self, databases: dict[str, str]) -> None:
        self.told: list[str] = []
        self._databases = databases

    def run(self, statement: str) -> None:
        self.told.append(statement)

    def listed(self, statement: str) -> list[tuple[Any, ...]]:
        if statement == "show schemas":
            return [(name,) for name in self._databases]
        if statement.startswith("show tables"):
            return [("customer", "orders", False), ("", "passing", True)]
        if statement.startswith("show views"):
            return [("customer", "steps", False)]
        name = statement.removeprefix("describe schema ").strip("`")
        return [("Namespace Name", name), ("Location", self._databases[name])]

    def rows(self, query: str) -> pa.Table:
        raise NotImplementedError


def test_each_folder_is_a_table(tmp_path: Path) -> None:
    for name in ("crm/cases", "crm/it's", "kith/run"):
        (tmp_path / "sources" / name).mkdir(parents=True)
    session = Session({})
    register_sources(session, tmp_path)
    place, create = f"{tmp_path}/sources", "create table if not exists"
    assert session.told == [
        f"create schema `crm` location '{place}/crm'",
        f"{create} `crm`.`cases` using parquet location '{place}/crm/cases'",
        f"{create} `crm`.`it's` using parquet location '{place}/crm/it\\'s'",
        f"create schema `kith` location '{place}/kith'",
        f"{create} `kith`.`run` using parquet location '{place}/kith/run'",
    ]


def test_what_a_server_keeps_of_the_build_before_goes_and_nothing_else(
    tmp_path: Path,
) -> None:
    # Not with its schema: Spark would remove the folder, with the rows of this build.
    (tmp_path / "sources").mkdir()
    built = f"file:{tmp_path}/built/customer"
    session = Session({"default": "file:/elsewhere", "customer": built})
    register_sources(session, tmp_path)
    assert session.told == [
        "drop view `customer`.`steps`",
        "drop table `customer`.`orders`",
    ]


def test_tables_are_made_anew_where_no_server_has_them_and_never_dropped(
    tmp_path: Path,
) -> None:
    for name in ("sources/kith/run", "built/customer/orders", "built/customer/leads"):
        (tmp_path / name).mkdir(parents=True)
    session = Session(
        {"default": "file:/elsewhere", "kith": f"{tmp_path}/sources/kith"}
    )
    register_tables(session, tmp_path, lambda name: name != "leads")
    place = f"{tmp_path}/built/customer"
    assert session.told == [
        "create table if not exists `kith`.`run` using parquet "
        f"location '{tmp_path}/sources/kith/run'",
        f"create schema `customer` location '{place}'",
        "create table if not exists `customer`.`orders` using parquet "
        f"location '{place}/orders'",
    ]


def test_timestamps_have_no_zone() -> None:
    instants = pa.array([0], pa.timestamp("us", "UTC"))
    table = without_zones(pa.table({"seen_at": instants, "n": [1]}))
    assert table.schema.field("seen_at").type == pa.timestamp("us")
    assert table.schema.field("n").type == pa.int64()


class Thrift:
    """A Thrift server as PyHive shows it; DuckDB computes."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.closed = self.polls = 0
        self.fault = ""

    def connect(self, **options: Any) -> "Thrift":
        self.opened.append(options)
        return self

    def cursor(self) -> "Thrift":
        return self

    def poll(self) -> SimpleNamespace:
        self.polls += 1
        states = [7, 1, 5 if self.fault else 2]  # pending, running, error or finished
        return SimpleNamespace(
            operationState=states[min(self.polls, 3) - 1], errorMessage=self.fault
        )

    def execute(self, statement: str, async_: bool) -> None:
        assert async_
        self.polls = 0
        if written := re.match("insert overwrite directory '(.+)' using", statement):
            folder = Path(written[1])
            folder.mkdir(parents=True)
            (folder / "_SUCCESS").touch()
            for part, day in enumerate(("'2024-05-01'", "null")):
                path = folder / f"part-0000{part}.parquet"
                seen_at = f"cast({day} as timestamptz) as seen_at"
                duckdb.sql(f"copy (select {part} as n, {seen_at}) to '{path}'")

    def fetchall(self) -> list[tuple[str, str]]:
        return [("Location", "file:/elsewhere")]

    def close(self) -> None:
        self.closed += 1


def test_rows_of_a_thrift_server_are_read_where_spark_wrote_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Thrift()
    monkeypatch.setitem(sys.modules, "pyhive", SimpleNamespace(hive=server))
    session = open_session("thrift://ana:a%2Fb@lake:10001", "", "", tmp_path)
    rows = session.rows("select * from visits")
    assert rows.to_pydict() == {"n": [0, 1], "seen_at": [dt.datetime(2024, 5, 1), None]}
    assert list((tmp_path / "exchange").iterdir()) == []
    assert session.listed("describe schema kith") == [("Location", "file:/elsewhere")]
    session.run("create schema kith")
    assert len(server.opened) == 3
    assert server.closed == 6, "each session and each cursor"
    assert {key: server.opened[0][key] for key in ("host", "port", "username")} == {
        **{"host": "lake", "port": 10001},
        **{"username": "ana"},
    }
    assert (server.opened[0]["password"], server.opened[0]["auth"]) == ("a/b", "LDAP")
    assert server.opened[0]["configuration"] == IN_UTC


def test_what_fails_at_a_thrift_server_is_told_and_leaves_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Thrift()
    server.fault = "no such table"
    monkeypatch.setitem(sys.modules, "pyhive", SimpleNamespace(hive=server))
    session = open_session("thrift://lake", "", "", tmp_path)
    with pytest.raises(BuildError, match="no such table"):
        session.rows("select * from visits")
    assert list((tmp_path / "exchange").iterdir()) == []
    assert server.closed == 2


def test_dbt_has_the_same_settings_at_a_thrift_server() -> None:
    profiles = yaml.safe_load((REPOSITORY / "dbt_project/profiles.yml").read_text())
    own = profiles["kith"]["outputs"]["thrift"]["server_side_parameters"]
    # dbt-spark adds that one itself.
    assert {**own, "spark.sql.ansi.enabled": "false"} == IN_UTC
