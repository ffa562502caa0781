"""Connector `sql`: tables and views of any database that SQLAlchemy knows.

A table with a cursor gives the rows of the window, those without a cursor and those
later than the clock or earlier than any calendar; where the database keeps the cursor
as text, all rows come and pull chooses. One read-only transaction sees columns, count
and rows in one state. Types stay the database's own; what Arrow does not have (JSON,
arrays, UUID, enum, numbers without a precision …) comes as the text that the database
makes of it.
"""

import datetime as dt
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from kith.deliveries.casts import declared_types
from kith.deliveries.columns import ROW_NUMBER, checked_names, is_personal
from kith.deliveries.raw import PLACEHOLDERS, UnreachedRows
from kith.errors import (
    ConfigurationError,
    CredentialsError,
    DeliveryError,
    SourceUnavailableError,
)
from kith.failures import REFUSED_LOGIN
from kith.pull.connections import Connection
from kith.pull.connectors.landing import land, of_parquet
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.runs.run import Interval

# Rows that are held in memory at a time.
_BATCH = 20_000
# Dialect and driver behind Airflow's names of kinds; others are SQLAlchemy's own.
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pyodbc",
}
# The level at which a transaction sees one state of the whole database.
_ONE_STATE = {
    "postgresql": "REPEATABLE READ",
    "mysql": "REPEATABLE READ",
    "mariadb": "REPEATABLE READ",
    "mssql": "SNAPSHOT",
    "oracle": "SERIALIZABLE",
}
_NOT_THERE = re.compile(
    r"unknown database|database .* does not exist|unable to open database file"
    r"|invalid connection option",
    re.IGNORECASE,
)
# Later than all times that are too early to be read (-infinity, 24-07-01).
_IN_THE_CALENDAR = dt.datetime(1001, 1, 1, tzinfo=dt.UTC)
_REJECTS = pa.schema(
    {"row_number": pa.int64(), "error": pa.string(), "text": pa.string()}
)


def fetch(request: FetchRequest) -> list[Fetched]:
    """Fetch the rows of the table's relation.

    Raises SourceUnavailableError when the database cannot be reached, is busy or goes
    away in mid-read, CredentialsError when it refuses the login, ConfigurationError
    when it refuses relation or columns, and DeliveryError when it fails to compute the
    rows.
    """
    table = request.table
    known = request.find_connection(table.rules.connection or "")
    relation = table.rules.relation or ""
    with _explained(request, known):
        engine = _engine(request.company_folder, known)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # Python's module would give each statement a transaction of its own.
                connection.exec_driver_sql("begin")
            elif engine.dialect.name == "postgresql":
                # Times as text, whatever the server prefers.
                connection.exec_driver_sql("set local datestyle = 'ISO'")
                connection.exec_driver_sql("set local time zone 'UTC'")
            read = _Read(request, connection, _reflect(connection, relation))
            path = request.workspace / "rows.parquet"
            land(path, read.schema, read.batches())
            rows_in_past, unreached = read.rows_in_past(), read.unreached()
    fetched = of_parquet(
        request,
        f"{known.id}/{relation}",
        path,
        (read.rejects if read.reject_count else None, read.reject_count),
        rows_in_past=rows_in_past,
    )
    return [replace(fetched, unreached=unreached)]


def _engine(company_folder: Path, known: Connection) -> sa.Engine:
    driver = _DRIVERS.get(known.kind, known.kind)
    options: dict[str, Any] = {"poolclass": sa.NullPool, "hide_parameters": True}
    if driver.startswith("sqlite"):
        # Read only, so that a wrong path does not make an empty database.
        file = company_folder / (known.host or known.schema or "")
        if not file.is_file():
            raise ConfigurationError(
                f"connection '{known.id}': its host is no file; expected the path of "
                "an SQLite file, absolute or from the company's folder"
            )
        query = {"mode": "ro", "uri": "true"}
        url = sa.URL.create(
            driver, database=f"file:{url_quote(str(file))}", query=query
        )
    else:
        url = sa.URL.create(
            driver,
            username=known.login,
            password=known.password,
            host=known.host,
            port=known.port,
            database=known.schema,
            query={name: str(value) for name, value in known.extra.items()},
        )
    if driver.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": 30, "keepalives_idle": 60}
    try:
        dialect = url.get_dialect().name
        if dialect in _ONE_STATE:
            options["isolation_level"] = _ONE_STATE[dialect]
        engine = sa.create_engine(url, **options)
    except sa.exc.NoSuchModuleError:
        raise ConfigurationError(
            f"connection '{known.id}': unknown kind '{known.kind}'; expected one such "
            "as postgres, mysql, mssql, sqlite or SQLAlchemy's <dialect>+<driver>"
        ) from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"connection '{known.id}': {driver} needs the Python package "
            f"'{error.name}'; name it in {company_folder / 'requirements.txt'} and "
            "install that file"
        ) from None
    if driver == "postgresql+psycopg":
        sa.event.listen(engine, "connect", _read_every_time)
    return engine.execution_options(postgresql_readonly=True)


def _read_every_time(driver_connection: Any, _: Any) -> None:
    """Let times that Python has not (infinity, years before 1) come as text.

    psycopg would refuse the whole batch; a row that holds text instead of a time is
    rejected alone.
    """
    adapters = driver_connection.adapters

    def tolerant(kind: int) -> type:
        strict = adapters.get_loader(kind, psycopg.pq.Format.TEXT)

        class Tolerant:
            format = psycopg.pq.Format.TEXT

            def __init__(self, kind: int, context: Any = None) -> None:
                self._strict = strict(kind, context)

            def load(self, data: Any) -> Any:
                try:
                    return self._strict.load(data)
                except psycopg.DataError:
                    return bytes(data).decode()

        return Tolerant

    for name in ("date", "timestamp", "timestamptz"):
        kind = psycopg.adapters.types[name].oid
        adapters.register_loader(kind, tolerant(kind))


def _reflect(connection: sa.Connection, relation: str) -> sa.Table:
    schema, _, name = relation.rpartition(".")
    return sa.Table(
        name,
        sa.MetaData(),
        schema=schema or None,
        autoload_with=connection,
        resolve_fks=False,
    )


class _Read:
    """The read of one relation: its columns as Arrow has them, its rows in batches."""

    def __init__(
        self, request: FetchRequest, connection: sa.Connection, relation: sa.Table
    ) -> None:
        checked_names(request.table, request.table.full_name, relation.columns.keys())
        self._connection = connection
        self._relation = relation
        self._is_sqlite = connection.dialect.name == "sqlite"
        shaped = [self._shaped(column) for column in relation.columns]
        self._expressions = [expression for expression, _ in shaped]
        self._kind = pa.struct(
            [
                pa.field(column.name, kind)
                for column, (_, kind) in zip(relation.columns, shaped, strict=True)
            ]
        )
        self._window = _window(request, relation, self._is_sqlite)
        self._past = request.past
        self.schema = pa.schema([*self._kind, (ROW_NUMBER, pa.int64())])
        self.rejects = request.workspace / "rejects.parquet"
        self.reject_count = 0

    def rows_in_past(self) -> int | None:
        if self._window is None or self._past is None:
            return None
        query = (
            sa.select(sa.func.count())
            .select_from(self._relation)
            .where(self._window.within(self._past))
        )
        return int(self._connection.execute(query).scalar_one())

    def unreached(self) -> UnreachedRows | None:
        if self._window is None or (beyond := self._window.beyond()) is None:
            return None
        cursor = self._window.cursor
        counts = {
            day: sa.func.sum(sa.case((self._window.within(Interval(day, day)), 1)))
            for day in sorted(PLACEHOLDERS)
        }
        query = sa.select(
            sa.func.count(), sa.func.min(cursor), sa.func.max(cursor), *counts.values()
        ).where(beyond)
        found: Sequence[Any] = self._connection.execute(query).one()
        rows, first, last, *of_placeholders = found
        if not rows:
            return None
        return UnreachedRows(
            rows=rows,
            from_day=self._window.day(first),
            to_day=self._window.day(last),
            placeholders={
                day: int(count)
                for day, count in zip(counts, of_placeholders, strict=True)
                if count
            },
        )

    def batches(self) -> Iterator[pa.Table]:
        query = sa.select(*self._expressions)
        if self._window is not None:
            query = query.where(self._window.wanted())
        seen = 0
        with (
            pq.ParquetWriter(self.rejects, _REJECTS) as rejects,
            self._connection.execution_options(yield_per=_BATCH).execute(query) as rows,
        ):
            for partition in rows.partitions():
                values = [tuple(row) for row in partition]
                if self._is_sqlite:
                    values = [tuple(map(_as_text, row)) for row in values]
                numbers = range(seen + 1, seen + len(values) + 1)
                seen += len(values)
                try:
                    yield self._as_table(values, list(numbers))
                except _UNREADABLE:
                    yield self._readable(values, numbers, rejects)

    def _shaped(
        self, column: sa.Column[Any]
    ) -> tuple[sa.ColumnElement[Any], pa.DataType]:
        kind = column.type
        expression: sa.ColumnElement[Any] = column
        if self._is_sqlite:
            # Its types belong to values, not to columns.
            expression = sa.type_coerce(column, sa.types.NullType())
            binary = isinstance(kind, sa.types._Binary)
            return expression.label(column.name), pa.binary() if binary else pa.string()
        if isinstance(kind, sa.Float):
            kind.asdecimal = False
        arrow = _arrow_type(kind)
        if arrow is None:
            if isinstance(kind, sa.ARRAY):
                expression = sa.func.to_json(column)
            expression = sa.cast(expression, sa.Unicode)
        return expression.label(column.name), arrow or pa.string()

    def _as_table(self, values: list[tuple[Any, ...]], numbers: list[int]) -> pa.Table:
        table = pa.Table.from_struct_array(pa.array(values, self._kind))
        return table.append_column(ROW_NUMBER, pa.array(numbers, pa.int64()))

    def _readable(
        self,
        values: list[tuple[Any, ...]],
        numbers: range,
        rejects: pq.ParquetWriter,
    ) -> pa.Table:
        """The rows of a batch that Arrow can take; the others go to the rejects."""
        good, unreadable = [], []
        for number, row in zip(numbers, values, strict=True):
            faults = [
                f"column {field.name}: no {field.type}"
                for field, value in zip(self._kind, row, strict=True)
                if not _fits(value, field.type)
            ]
            if faults:
                text = dict(zip(self._relation.columns.keys(), row, strict=True))
                unreadable.append(
                    {
                        "row_number": number,
                        "error": "; ".join(faults),
                        "text": json.dumps(text, default=str, ensure_ascii=False),
                    }
                )
            else:
                good.append((number, row))
        rejects.write_table(pa.Table.from_pylist(unreadable, _REJECTS))
        self.reject_count += len(unreadable)
        return self._as_table([row for _, row in good], [number for number, _ in good])


_UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError)


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except _UNREADABLE:
        return False
    return True


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, bytes) else str(value)


def _arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType | None:
    """Arrow's own type; None for what has to come as text."""
    if isinstance(kind, sa.Float):
        return pa.float64()
    if isinstance(kind, sa.Numeric):
        precision, scale = kind.precision, kind.scale
        if precision is None or scale is None or not 0 <= scale <= precision <= 38:
            return None
        return pa.decimal128(precision, scale)
    if isinstance(kind, sa.Enum):
        return None
    if isinstance(kind, sa.DateTime):
        return pa.timestamp("us", "UTC" if _has_zone(kind) else None)
    plain: dict[Any, pa.DataType] = {
        sa.Boolean: pa.bool_(),
        sa.Integer: pa.int64(),
        sa.Date: pa.date32(),
        sa.types._Binary: pa.binary(),
        sa.String: pa.string(),
    }
    return next((plain[known] for known in plain if isinstance(kind, known)), None)


def _has_zone(kind: sa.DateTime) -> bool:
    return kind.timezone or kind.__visit_name__ == "DATETIMEOFFSET"


@dataclass(frozen=True)
class _Window:
    """Conditions on a cursor, in the database's own type.

    `zone` is that of times without an offset; `counts_days` says that the cursor is
    declared as a date, whose days are not converted.
    """

    request: FetchRequest
    cursor: sa.Column[Any]
    zone: ZoneInfo
    counts_days: bool

    def wanted(self) -> sa.ColumnElement[bool]:
        now = self._bound(dt.datetime.now(self.zone))
        return sa.or_(
            self.within(self.request.window),
            self.cursor.is_(None),
            # No interval would ever take these: each shows them to admission.
            self.cursor >= now,
            self.cursor < self._bound(_IN_THE_CALENDAR),
        )

    def beyond(self) -> sa.ColumnElement[bool] | None:
        """Days that no run takes; none where the company's have no end."""
        first, last = self.request.reach
        a_day = dt.timedelta(days=1)
        today = dt.datetime.now(ZoneInfo(self.request.time_zone)).date()
        sides = []
        if first:
            sides.append(Interval(_IN_THE_CALENDAR.date() + a_day, first - a_day))
        if last and last + a_day < today:
            sides.append(Interval(last + a_day, today - a_day))
        return sa.or_(*map(self.within, sides)) if sides else None

    def day(self, moment: dt.date) -> dt.date:
        """Business day of a value of the cursor."""
        if not isinstance(moment, dt.datetime):
            return moment
        moment = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        zone = self.zone if self.counts_days else ZoneInfo(self.request.time_zone)
        return moment.astimezone(zone).date()

    def within(self, days: Interval) -> sa.ColumnElement[bool]:
        if self.counts_days:
            ends = [days.from_day, days.to_day + dt.timedelta(days=1)]
            start, end = (
                dt.datetime.combine(day, dt.time(), tzinfo=self.zone) for day in ends
            )
        else:
            start, end = (
                moment.replace(tzinfo=dt.UTC).astimezone(self.zone)
                for moment in days.bounds_utc(self.request.time_zone)
            )
        return sa.and_(
            self.cursor >= self._bound(start), self.cursor < self._bound(end)
        )

    def _bound(self, moment: dt.datetime) -> dt.date:
        kind = self.cursor.type
        if isinstance(kind, sa.DateTime):
            return moment if _has_zone(kind) else moment.replace(tzinfo=None)
        # A day counts from its midnight.
        midnight = moment.time() == dt.time()
        return moment.date() + dt.timedelta(days=0 if midnight else 1)


def _window(
    request: FetchRequest, relation: sa.Table, is_sqlite: bool
) -> _Window | None:
    """None where all rows have to come."""
    table = request.table
    if table.rules.cursor is None or is_sqlite:
        return None
    declared = table.column(table.rules.cursor)
    names = declared.names_in(relation.columns.keys())
    if len(names) != 1 or declared.rules.null_values:
        return None
    cursor = relation.columns[names[0]]
    if not isinstance(cursor.type, sa.DateTime | sa.Date):
        return None
    return _Window(
        request,
        cursor,
        ZoneInfo(declared.rules.time_zone),
        declared_types(table)[declared.name] == "DATE",
    )


@contextmanager
def _explained(request: FetchRequest, known: Connection) -> Iterator[None]:
    """Turn the failures of a database into ours; statements are never quoted."""
    where = f"{request.table.full_name}: connection '{known.id}'"
    relation = request.table.rules.relation
    try:
        yield
    except sa.exc.NoSuchTableError:
        raise ConfigurationError(
            f"{where}: no relation '{relation}', or its login may not see it; check "
            "`relation` in sources.yml (schema.table)"
        ) from None
    except sa.exc.DBAPIError as error:
        reason = _reason(error, request, known)
        # Nothing that passes: a view over a table that is gone, for instance.
        is_wrong = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        busy = not is_wrong and isinstance(
            error, sa.exc.OperationalError | sa.exc.InterfaceError
        )
        is_refused = bool(REFUSED_LOGIN.search(reason))
        if busy and (is_refused or _NOT_THERE.search(reason)):
            kind = CredentialsError if is_refused else ConfigurationError
            raise kind(
                f"{where}: the database refuses it ({reason}); check host, login, "
                "password and schema (the database's name)"
            ) from None
        if busy or error.connection_invalidated:
            raise SourceUnavailableError(
                f"{where}: the database cannot be reached or broke off ({reason}); "
                "try again, or look after the database"
            ) from None
        if is_wrong or isinstance(error, sa.exc.ProgrammingError):
            kind = CredentialsError if is_refused else ConfigurationError
            raise kind(
                f"{where}: the database refuses to read '{relation}' ({reason}); check "
                "`relation` in sources.yml and what its login may read"
            ) from None
        raise DeliveryError(
            f"{where}: the database failed to read '{relation}' ({reason}); have it "
            "mended there"
        ) from None


def _reason(error: sa.exc.DBAPIError, request: FetchRequest, known: Connection) -> str:
    kind = type(error.orig).__name__
    quotes_values = isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)
    if quotes_values and is_personal(request.table):
        return kind
    text = (str(error.orig).strip().splitlines() or [""])[0]
    # A host such as login:password@host is quoted whole.
    for secret in (known.password, (known.host or "").rpartition("@")[0]):
        text = text.replace(secret, "***") if secret else text
    return f"{kind}: {' '.join(text.split())[:200]}"
