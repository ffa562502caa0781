"""What a company declares of its source tables: how they are pulled, what holds."""

import datetime as dt
import glob
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
# Formats of instants that are counted since 1970, with the microseconds of a unit.
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
PiiKind = Literal["email", "phone", "card", "device", "handle"]
PII_KINDS = get_args(PiiKind)
# What a column `identifies` that does not name the row's person.
OTHERS = ("somebody_else", "nobody")
# Far above what a source delivers in a day, and below what a usual disk has left.
UNPACKED_LIMIT_GB = 20.0
# A variable of the environment in a path.
PATH_VARIABLE = re.compile(r"\$\{(\w+)\}")


def literal_path(path: str) -> str:
    """The `path` that means this one file, whatever signs are in its name."""
    return re.sub(r"[${]", r"[\g<0>]", glob.escape(path))


class Strict(BaseModel):
    """A declaration that refuses keys it does not know."""

    # A misspelt key must not be dropped without a word.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _known_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception as error:
        raise ValueError(
            "expected a name of the IANA list such as Europe/Paris"
        ) from error
    return value


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _written(value: Any) -> Any:
    return str(value) if type(value) is int else value


class Reference(Strict):
    """The column of another source table in which a value must be found."""

    table: str = Field(description="`<source>.<table>` of the same company.")
    column: str = Field(description="Column of that table.")
    orphans: Literal["quarantine", "warn"] = Field(
        default="quarantine",
        description="Whether a row without its counterpart is held back until that "
        "arrives, or goes on with a warning.",
    )


class ColumnRules(Strict):
    """What a column's values must satisfy; a row that does not is quarantined."""

    required: bool = Field(default=False, description="A row without it is refused.")
    minimum: float | dt.date | None = Field(
        default=None, description="Least number, or first day, allowed."
    )
    maximum: float | dt.date | None = Field(
        default=None, description="Greatest number, or last day, allowed."
    )
    accepted_values: list[str] | None = Field(
        default=None, min_length=1, description="The only values allowed."
    )
    null_values: list[str] = Field(
        default_factory=list, description="Tokens that mean NULL, such as NA."
    )
    aliases: list[str] = Field(
        default_factory=list,
        description="Other names under which deliveries bring the column.",
    )
    format: Annotated[list[str], BeforeValidator(_listed)] = Field(
        default_factory=list,
        description="strptime format of a date or timestamp written as text, or "
        "`epoch_s`, `epoch_ms`, `epoch_us` for seconds, milliseconds or microseconds "
        "since 1970; of several the first that fits.",
    )
    time_zone: TimeZone = Field(
        default="UTC", description="Zone of timestamps without an offset."
    )
    decimal: Literal[".", ","] | None = Field(
        default=None,
        description="Decimal sign of numbers written as text; where it is declared, "
        "the other of the two, a space or an apostrophe may separate thousands. "
        "Default: a point, and no thousands.",
    )
    unreadable: Literal["quarantine", "drop_value"] = Field(
        default="quarantine",
        description="What becomes of a value that cannot be read: its row is refused, "
        "or the value counts as none, with a warning. Of a key, a cursor and a "
        "`required` column the row is refused always.",
    )
    round: bool = Field(
        default=False,
        description="Numbers with more decimals than a decimal keeps are rounded; else "
        "their rows are refused.",
    )
    whole_numbers: bool | None = Field(
        default=None,
        description="Whether 17850.0 in text is the whole number 17850 that went "
        "through a float (`true`), or a value of its own (`false`). Default: in a "
        "`pii` column it is; elsewhere a warning asks.",
    )
    pii: PiiKind | None = Field(
        default=None,
        description="Kind of direct identifier: normalised and replaced by its keyed "
        "hash before it is stored.",
    )
    identifies: str | None = Field(
        default=None,
        pattern=r"^\w+$",
        description="Whom a column names. All `pii` columns of a row name one person; "
        "`somebody_else` says that this one names another, such as a recipient, "
        "`nobody` that many bear it, such as a name. On a column without `pii` it is "
        "the kind of the identifier, as the staging models call it, such as "
        "customer_number: then it names the row's person, too.",
    )
    scope: Literal["company", "source"] = Field(
        default="company",
        description="Where a `pii` identifier names one person: with `source`, as for "
        "numbers of devices that each system counts by itself, equal ones of two "
        "sources are two.",
    )
    phone_region: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description="Country of phone numbers without a country code, such as CN.",
    )
    references: Reference | None = Field(
        default=None, description="Where its values must be found."
    )


class Column(Strict):
    """A column that a source must deliver."""

    name: str
    data_type: str
    rules: ColumnRules = ColumnRules()

    def names_in(self, delivered: Iterable[str]) -> list[str]:
        """Those of the delivered names that mean this column, its own name first."""
        by_name = {name.lower(): name for name in delivered}
        known = [self.name, *self.rules.aliases]
        return [by_name[name.lower()] for name in known if name.lower() in by_name]


class DriftPolicy(Strict):
    """What happens when the columns of a delivery differ from the declared ones."""

    new: Literal["evolve", "warn", "stop"] = Field(
        default="warn", description="An undeclared column comes."
    )
    missing: Literal["warn", "stop"] = Field(
        default="stop", description="A declared column does not come."
    )
    retyped: Literal["evolve", "warn", "stop"] = Field(
        default="warn",
        description="A typed source brings another type than the last time.",
    )


class VolumeLimits(Strict):
    """How far the size of a delivery may lie from the usual one.

    Usual is the median of earlier deliveries, by day for a table with a cursor.
    """

    minimum_pct: float = Field(
        default=10,
        ge=0,
        le=100,
        description="Least share of the usual rows, and of those that the same days "
        "had before; 0 = any.",
    )
    maximum_pct: float = Field(
        default=1000, ge=100, description="Greatest share of the usual rows."
    )
    action: Literal["warn", "stop"] = Field(
        default="stop", description="What happens beyond them."
    )


class Paging(Strict):
    """How a web service divides its rows."""

    kind: Literal["none", "page", "offset", "cursor", "next_link"] = Field(
        default="none", description="How one page leads to the next."
    )
    size: int = Field(default=100, gt=0, description="Rows asked for at a time.")
    size_parameter: str | None = Field(
        default=None, description="Query parameter that takes the size."
    )
    parameter: str | None = Field(
        default=None,
        description="Query parameter of the page, offset or cursor; default: the "
        "kind's name.",
    )
    first_page: int = Field(default=1, ge=0, description="Number of the first page.")
    next: str | None = Field(
        default=None,
        description="JSONPath of the next cursor or link; a next_link without it "
        "stands in the Link header.",
    )
    total: str | None = Field(
        default=None, description="JSONPath of the number of all rows."
    )

    @model_validator(mode="after")
    def _says_where_it_goes_on(self) -> "Paging":
        if self.kind == "cursor" and self.next is None:
            raise ValueError("paging by cursor needs `next`, where the cursor stands")
        return self


class Endpoint(Strict):
    """What is asked of a web service."""

    path: str = Field(description="Path below the connection's address.")
    rows: str = Field(default="$", description="JSONPath of the list of rows.")
    parameters: dict[str, str] = Field(
        default_factory=dict, description="Fixed query parameters."
    )
    since_parameter: str | None = Field(
        default=None, description="Query parameter of the first instant wanted."
    )
    until_parameter: str | None = Field(
        default=None, description="Query parameter of the first instant not wanted."
    )
    time_format: str = Field(
        default="%Y-%m-%dT%H:%M:%SZ", description="How these instants are written."
    )
    paging: Paging = Paging()
    requests_per_second: float | None = Field(
        default=None, gt=0, description="Asked no faster than this."
    )


class TableRules(Strict):
    """How a source table is pulled and admitted (`config: meta:` of the table).

    A table with a `cursor` delivers the rows of each interval; one without is
    delivered whole each time, and only its newest delivery counts.
    """

    connector: Literal["files", "sql", "rest"] = Field(
        description="How the table is fetched."
    )
    path: str | None = Field(
        default=None,
        description="files: path relative to the company's folder, absolute, "
        "`package://…` or of an object store such as `s3://…`; may hold wildcards, "
        "`${VARIABLE}` of the environment and the day of delivery as "
        "`{date:%Y-%m-%d}`.",
    )
    options: dict[str, Annotated[str, BeforeValidator(_written)]] = Field(
        default_factory=dict,
        description="files: delimiter, quote, escape, encoding; sheet of a workbook; "
        "skip_lines, the number of lines above the header.",
    )
    unpacked_limit_gb: float = Field(
        default=UNPACKED_LIMIT_GB,
        gt=0,
        description="files: a packed one that unpacks to more than so many gigabytes "
        "is refused, before it fills the disk.",
    )
    connection: str | None = Field(
        default=None,
        description="sql, rest and object stores: id of the Airflow connection.",
    )
    relation: str | None = Field(
        default=None, description="sql: table or view, `schema.table` if need be."
    )
    endpoint: Endpoint | None = Field(default=None, description="rest: what is asked.")
    key: list[str] = Field(
        default_factory=list, description="Columns that name a row; else its content."
    )
    cursor: str | None = Field(
        default=None,
        description="Date or timestamp that says to which interval a row belongs.",
    )
    arrived: str | None = Field(
        default=None,
        description="Date or timestamp at which the source got the row; default: the "
        "date in the name of its file.",
    )
    look_back_days: int = Field(
        default=0,
        ge=0,
        description="Days before an interval that are pulled with it, for rows that "
        "arrive late.",
    )
    late_limit_pct: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="Share of rows later than the look-back above which an alert is "
        "raised.",
    )
    drop_exact_duplicates: bool = Field(
        default=False, description="Equal rows of a table without a key count once."
    )
    repeated_key: Literal["refuse", "last_in_file"] = Field(
        default="refuse",
        description="What becomes of rows of one key with different contents where "
        "neither cursor nor arrival tells which is newer; last_in_file: of those of "
        "one file the last counts.",
    )
    quarantine_limit_pct: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="Share of bad rows above which the run stops; 0 = none may be bad.",
    )
    quarantine_limit_rows: int = Field(
        default=10,
        ge=0,
        description="So many bad rows stop no run, whatever their share, unless they "
        "are three or more and most of the rows.",
    )
    orphan_wait_days: int = Field(
        default=7,
        ge=0,
        description="Days after its own for which a row of a table with a cursor waits "
        "for its counterpart (`references`) before it counts as bad.",
    )
    empty: Literal["warn", "stop"] = Field(
        default="warn", description="A delivery without a row."
    )
    drift: DriftPolicy = DriftPolicy()
    volume: VolumeLimits = VolumeLimits()

    @model_validator(mode="after")
    def _has_what_its_connector_needs(self) -> "TableRules":
        needed = {
            "files": ["path"],
            "sql": ["connection", "relation"],
            "rest": ["connection", "endpoint"],
        }
        if self.repeated_key == "last_in_file" and self.connector != "files":
            raise ValueError(
                f"connector {self.connector} delivers rows in no order of its own; "
                "`repeated_key: last_in_file` is for files"
            )
        all_of_them = {"path", "connection", "relation", "endpoint"}
        for name in needed[self.connector]:
            if getattr(self, name) is None:
                raise ValueError(f"connector {self.connector} needs `{name}`")
        foreign = all_of_them - set(needed[self.connector]) - {"connection"}
        for name in sorted(foreign):
            if getattr(self, name) is not None:
                raise ValueError(f"connector {self.connector} knows no `{name}`")
        return self


class Period(Strict):
    """A length of time as dbt writes it."""

    count: int = Field(gt=0)
    period: Literal["minute", "hour", "day"]


class Freshness(Strict):
    """dbt's freshness of a source table: how old its newest row may be."""

    warn_after: Period | None = None
    error_after: Period | None = None


class SourceTable(Strict):
    """One table of one source as declared in `sources.yml`."""

    source: Name
    name: Name
    rules: TableRules
    columns: list[Column]
    freshness: Freshness | None = None

    @property
    def full_name(self) -> str:
        """`<source>.<table>`, as in dbt's `source()`."""
        return f"{self.source}.{self.name}"

    def column(self, name: str) -> Column:
        """The declared column of that name."""
        return next(column for column in self.columns if column.name == name)
