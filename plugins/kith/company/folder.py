"""A company folder, read and checked: `company.yml` and `sources.yml`."""

import datetime as dt
import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kith.errors import ConfigurationError
from kith.settings import REPOSITORY
from kith.storage import state_of

# Schemas and databases of the warehouse that Kith or DuckDB makes: a source is a schema
# there and may not be called like one of them.
RESERVED_SCHEMAS = {
    *("memory", "pg_catalog", "system", "temp"),
    *("candidate", "kith_build", "release"),
    "kith",
    "staging",
    "feeds",
    "facts",
    "customer",
    "segment",
    "satisfaction",
    "operations",
    "main",
    "information_schema",
}
# Folders of $KITH_HOME that belong to no company.
RESERVED_FOLDERS = {"airflow", "bench", "cache"}
PUBLISHED_SCHEMAS = ("customer", "segment", "satisfaction", "operations")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
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


class ActivityStates(_Strict):
    """Days since the last purchase from which a customer counts as such."""

    drowsy: int = Field(default=30, gt=0)
    half_asleep: int = Field(default=90, gt=0)
    asleep: int = Field(default=180, gt=0)

    @model_validator(mode="after")
    def _ascending(self) -> "ActivityStates":
        if not self.drowsy < self.half_asleep < self.asleep:
            raise ValueError("expected drowsy < half_asleep < asleep, in days")
        return self


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Reference(_Strict):
    """The column of another source table in which a value must be found."""

    table: str = Field(description="`<source>.<table>` of the same company.")
    column: str = Field(description="Column of that table.")
    orphans: Literal["quarantine", "warn"] = Field(
        default="quarantine",
        description="Whether a row without its counterpart is held back until that "
        "arrives, or goes on with a warning.",
    )


class ColumnRules(_Strict):
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
        description="strptime format of a date or timestamp written as text; of "
        "several the first that fits.",
    )
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = Field(
        default="UTC", description="Zone of timestamps without an offset."
    )
    decimal: Literal[".", ","] | None = Field(
        default=None,
        description="Decimal sign of numbers written as text; where it is declared, "
        "the other of the two, a space or an apostrophe may separate thousands. "
        "Default: a point, and no thousands.",
    )
    pii: Literal["email", "phone", "card", "device", "handle"] | None = Field(
        default=None,
        description="Kind of direct identifier: normalised and replaced by its keyed "
        "hash before it is stored.",
    )
    phone_region: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description="Country of phone numbers without a country code, such as CN.",
    )
    references: Reference | None = Field(
        default=None, description="Where its values must be found."
    )


class Column(_Strict):
    """A column that a source must deliver."""

    name: str
    data_type: str
    rules: ColumnRules = ColumnRules()

    def names_in(self, delivered: Iterable[str]) -> list[str]:
        """Those of the delivered names that mean this column, its own name first."""
        by_name = {name.lower(): name for name in delivered}
        known = [self.name, *self.rules.aliases]
        return [by_name[name.lower()] for name in known if name.lower() in by_name]


class DriftPolicy(_Strict):
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


class VolumeLimits(_Strict):
    """How far the size of a delivery may lie from the usual one.

    Usual is the median of earlier deliveries, by day for a table with a cursor.
    """

    minimum_pct: float = Field(
        default=10, ge=0, le=100, description="Least share of the usual rows; 0 = any."
    )
    maximum_pct: float = Field(
        default=1000, ge=100, description="Greatest share of the usual rows."
    )
    action: Literal["warn", "stop"] = Field(
        default="stop", description="What happens beyond them."
    )


class Paging(_Strict):
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


class Endpoint(_Strict):
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


class TableRules(_Strict):
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
    options: dict[str, str] = Field(
        default_factory=dict,
        description="files: delimiter, quote, escape, encoding; sheet of a workbook.",
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
    quarantine_limit_pct: float = Field(
        default=1.0, ge=0, le=100, description="Share of bad rows that stops the run."
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
        all_of_them = {"path", "connection", "relation", "endpoint"}
        for name in needed[self.connector]:
            if getattr(self, name) is None:
                raise ValueError(f"connector {self.connector} needs `{name}`")
        foreign = all_of_them - set(needed[self.connector]) - {"connection"}
        for name in sorted(foreign):
            if getattr(self, name) is not None:
                raise ValueError(f"connector {self.connector} knows no `{name}`")
        return self


class Period(_Strict):
    """A length of time as dbt writes it."""

    count: int = Field(gt=0)
    period: Literal["minute", "hour", "day"]


class Freshness(_Strict):
    """dbt's freshness of a source table: how old its newest row may be."""

    warn_after: Period | None = None
    error_after: Period | None = None


class SourceTable(_Strict):
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


class _DbtNode(BaseModel):
    """A node of dbt's source format, with those of dbt's keys that it may have.

    Any other key is refused: dbt does no more than warn in its log, and under a
    misspelt `config` or `meta` even `pii` would count for nothing.
    """

    dbt_keys: ClassVar[set[str]]

    @model_validator(mode="before")
    @classmethod
    def _knows_all_keys(cls, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        faults = []
        for key in [key for key in node if key not in cls.dbt_keys]:
            if key in _RULE_NAMES:
                faults.append(f"`{key}` belongs under `config: meta:`")
            elif key in ("meta", "freshness"):
                faults.append(f"`{key}` belongs under `config:`, where Kith reads it")
            else:
                known = ", ".join(sorted(cls.dbt_keys))
                faults.append(f"unknown key `{key}`; expected one of {known}")
        if faults:
            raise ValueError("; ".join(faults))
        return node


_RULE_NAMES = {*TableRules.model_fields, *ColumnRules.model_fields}
_DBT_CONFIG = {"enabled", "event_time", "loaded_at_field", "loaded_at_query"}


# What DuckDB's strptime reads.
STRPTIME_CODES = {
    *(f"%{letter}" for letter in "abcdfghjmnpuwxyzABGHIMSTUVWXYZ%"),
    *(f"%-{letter}" for letter in "djmyHIMS"),
}


def _tells_a_day(codes: list[str]) -> bool:
    letters = {code[-1] for code in codes}

    def has(any_of: str) -> bool:
        return not letters.isdisjoint(any_of)

    is_week_day = has("UVW") and has("aAuw")
    is_day = has("cjx") or (has("d") and has("bBhm")) or is_week_day
    return is_day and has("cGxyY")


class _ColumnConfig(_DbtNode):
    dbt_keys = {"meta", "tags"}

    meta: ColumnRules = ColumnRules()


class _ColumnNode(_DbtNode):
    dbt_keys = {
        *("name", "data_type", "description", "config", "docs", "tags", "quote"),
        *("constraints", "data_tests", "tests", "granularity"),
    }

    name: str
    data_type: str
    config: _ColumnConfig = _ColumnConfig()

    @model_validator(mode="after")
    def _has_formats_that_tell_a_day(self) -> "_ColumnNode":
        is_moment = self.data_type.lower().startswith(("date", "timestamp"))
        for pattern in self.config.meta.format:
            codes = re.findall("%-?.?", pattern)
            if unknown := [code for code in codes if code not in STRPTIME_CODES]:
                raise ValueError(
                    f"format '{pattern}': strptime has no {unknown[0]}; expected codes "
                    "such as %d.%m.%Y %H:%M:%S"
                )
            if is_moment and not _tells_a_day(codes):
                raise ValueError(
                    f"format '{pattern}' tells no day of a year; expected codes of "
                    "strptime such as %d.%m.%Y"
                )
        return self


class _TableConfig(_DbtNode):
    dbt_keys = {"meta", "tags", "freshness", *_DBT_CONFIG}

    meta: TableRules
    freshness: Freshness | None = None


class _TableNode(_DbtNode):
    dbt_keys = {
        *("name", "description", "config", "columns", "docs", "tags", "identifier"),
        *("quoting", "loader", "external", "loaded_at_field", "loaded_at_query"),
        *("data_tests", "tests"),
    }

    name: Name
    config: _TableConfig
    columns: list[_ColumnNode]

    @model_validator(mode="after")
    def _is_consistent(self) -> "_TableNode":
        names = [column.name for column in self.columns]
        owners: dict[str, str] = {}
        for column in self.columns:
            for name in {
                column.name.lower(),
                *map(str.lower, column.config.meta.aliases),
            }:
                if name in owners:
                    raise ValueError(
                        f"columns {owners[name]} and {column.name}: '{name}' is a name "
                        "of both, since names of columns do not mind case"
                    )
                owners[name] = column.name
        rules = self.config.meta
        moments = [name for name in (rules.cursor, rules.arrived) if name]
        for name in [*rules.key, *moments]:
            if name not in names:
                raise ValueError(
                    f"key, cursor or arrived '{name}' is not among its columns"
                )
        kinds = {column.name: column.data_type.lower() for column in self.columns}
        for name in moments:
            if kinds[name] not in ("date", "timestamp"):
                raise ValueError(f"'{name}' must be a date or timestamp")
        return self


class _SourceConfig(_DbtNode):
    dbt_keys = {"meta", "tags", *_DBT_CONFIG}

    meta: dict[str, Any] = {}

    @field_validator("meta")
    @classmethod
    def _has_no_rules(cls, meta: dict[str, Any]) -> dict[str, Any]:
        if rules := sorted(_RULE_NAMES & meta.keys()):
            raise ValueError(f"`{rules[0]}` belongs under `config: meta:` of a table")
        return meta


class _SourceNode(_DbtNode):
    dbt_keys = {
        *("name", "description", "config", "tables", "tags", "database", "schema"),
        *("quoting", "loader", "loaded_at_field", "loaded_at_query"),
    }

    config: _SourceConfig = _SourceConfig()
    name: Name
    tables: list[_TableNode]

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED_SCHEMAS:
            raise ValueError(
                "the name of one of Kith's or DuckDB's own schemas; call the source "
                "after the system that delivers it"
            )
        return name

    @field_validator("tables")
    @classmethod
    def _are_distinct(cls, tables: list[_TableNode]) -> list[_TableNode]:
        _check_distinct("table", [table.name for table in tables])
        return tables


class _SourcesFile(BaseModel):
    sources: list[_SourceNode]

    @field_validator("sources")
    @classmethod
    def _are_distinct(cls, sources: list[_SourceNode]) -> list[_SourceNode]:
        _check_distinct("source", [source.name for source in sources])
        return sources


def _check_distinct(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} {name} is declared twice; each may stand once")


class _CompanyFile(_Strict):
    name: Name
    title: str
    time_zone: Annotated[str, AfterValidator(_known_time_zone)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    first_day: dt.date
    last_day: dt.date | None = None
    activity_states: ActivityStates = ActivityStates()
    rfm_window_days: int = Field(default=365, gt=0)
    session_timeout_minutes: int = Field(default=30, gt=0)
    minimum_answers: int = Field(default=30, gt=0)  # below, a score is NULL
    complaint_response_hours: int = Field(default=24, gt=0)
    feeds: dict[str, list[str]]

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED_FOLDERS:
            raise ValueError("Kith keeps its own files under that name; choose another")
        return name


class Company(_CompanyFile):
    """A company: its business meaning, its source tables, its feeds.

    `feeds` maps a feed to the staging models that provide it. `last_day` is set only
    for a company whose data have ended; without it, yesterday is the last day.
    """

    folder: Path
    sources: list[SourceTable]

    def table(self, full_name: str) -> SourceTable:
        """The source table called `<source>.<table>`."""
        for table in self.sources:
            if table.full_name == full_name:
                return table
        raise ConfigurationError(
            f"{self.folder / 'sources.yml'}: no table {full_name}; "
            f"declared are {', '.join(t.full_name for t in self.sources)}"
        )


def _read_yaml(path: Path) -> Any:
    try:
        # libyaml's loader: each task reads the company, and Python's takes 0.1 s.
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _check_nodes(path, loader, node)
        content = loader.construct_document(node) if node else None
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: not found; a company folder holds company.yml, sources.yml and "
            "staging/"
        ) from None
    except NotADirectoryError:
        raise ConfigurationError(
            f"{path.parent}: is no folder; a company is a folder that holds "
            "company.yml, sources.yml and staging/"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); check what it is and who may "
            "read it"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a key that is no day
        raise ConfigurationError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected keys and values at the top level")
    return content


def _check_nodes(path: Path, loader: yaml.CSafeLoader, root: yaml.Node | None) -> None:
    """Refuse repeated keys, of which YAML takes the last, and values that are none."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            lines: dict[Any, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = (key.tag, str(key.value))
                if name in lines:
                    raise ConfigurationError(
                        f"{path}: line {line}: key `{key.value}` stands in line "
                        f"{lines[name]} already; each may stand once"
                    )
                lines[name] = line
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except ValueError as error:  # such as 2024-13-01
                raise ConfigurationError(
                    f"{path}: line {node.start_mark.line + 1}: {node.value} is no "
                    f"value of its kind ({error})"
                ) from None


def _explain(path: Path, content: Any, error: ValidationError) -> ConfigurationError:
    faults = []
    for fault in error.errors():
        place, node = [], content
        for part in fault["loc"]:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                node = None
            # An entry of a list is called by its name, not by its number.
            is_named = isinstance(part, int) and isinstance(node, dict)
            place.append(str(node.get("name", part) if is_named and node else part))
        found = fault.get("input")
        shown = (
            f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
        )
        message = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{'.'.join(place)}: {message}{shown}")
    return ConfigurationError(f"{path}: " + "; ".join(faults))


@functools.cache
def feed_names() -> list[str]:
    """Names of all feeds, after the models feed_<name> in dbt_project/models/feeds."""
    models = (REPOSITORY / "dbt_project" / "models" / "feeds").glob("feed_*.sql")
    return sorted(model.stem.removeprefix("feed_") for model in models)


def _source_tables(path: Path) -> list[SourceTable]:
    content = _read_yaml(path)
    try:
        declared = _SourcesFile.model_validate(content)
        tables = [
            SourceTable(
                source=source.name,
                name=table.name,
                rules=table.config.meta,
                freshness=table.config.freshness,
                columns=[
                    Column(
                        name=column.name,
                        data_type=column.data_type,
                        rules=column.config.meta,
                    )
                    for column in table.columns
                ],
            )
            for source in declared.sources
            for table in source.tables
        ]
    except ValidationError as error:
        raise _explain(path, content, error) from None
    if not tables:
        raise ConfigurationError(f"{path}: declares no source table")
    _check_references(path, tables)
    return tables


def _check_references(path: Path, tables: list[SourceTable]) -> None:
    columns = {
        table.full_name: [column.name for column in table.columns] for table in tables
    }
    for table in tables:
        for column in table.columns:
            reference = column.rules.references
            if reference is None:
                continue
            where = (
                f"{path}: {table.full_name}: column {column.name}: references "
                f"{reference.table}.{reference.column}"
            )
            if reference.table not in columns:
                raise ConfigurationError(
                    f"{where}: no such table; declared are {', '.join(columns)}"
                )
            if reference.column not in columns[reference.table]:
                raise ConfigurationError(
                    f"{where}: no such column; {reference.table} has "
                    f"{', '.join(columns[reference.table])}"
                )


def load_company(folder: Path) -> Company:
    """Read and check a company folder; not again while its files are as they were.

    Raises ConfigurationError naming file, key and value of every fault.
    """
    files = ("company.yml", "sources.yml", "staging")
    return _load(folder, tuple(state_of(folder / name) for name in files))


@functools.lru_cache(maxsize=1)
def _load(folder: Path, _: tuple[tuple[int, ...], ...]) -> Company:
    path = folder / "company.yml"
    content = _read_yaml(path)
    try:
        declared = _CompanyFile.model_validate(content)
    except ValidationError as error:
        raise _explain(path, content, error) from None
    for feed, models in declared.feeds.items():
        if feed not in feed_names():
            raise ConfigurationError(
                f"{path}: feeds.{feed} is no feed; expected one of "
                f"{', '.join(feed_names())}"
            )
        for model in models:
            if not (folder / "staging" / f"{model}.sql").is_file():
                raise ConfigurationError(
                    f"{path}: feeds.{feed} names {model}, but staging/{model}.sql "
                    "does not exist"
                )
    return Company(
        **dict(declared), folder=folder, sources=_source_tables(folder / "sources.yml")
    )
