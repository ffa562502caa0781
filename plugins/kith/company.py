"""A company folder, read and checked: `company.yml` and `sources.yml`."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kith.errors import ConfigurationError
from kith.settings import REPOSITORY

# Schemas that Kith makes itself, so that no source may be called like one of them.
RESERVED_SCHEMAS = {
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
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class ColumnRules(_Strict):
    """What a column's values must satisfy; a row that does not is quarantined."""

    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    accepted_values: list[str] | None = None
    null_values: list[str] = Field(default_factory=list)  # tokens read as NULL
    format: str | None = None  # strptime format of a date or timestamp written as text
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"


class Column(_Strict):
    """A column that a source must deliver."""

    name: str
    data_type: str
    rules: ColumnRules = ColumnRules()


class DriftPolicy(_Strict):
    """What happens when the columns of a delivery differ from the declared ones."""

    new: Literal["evolve", "warn", "stop"] = "warn"
    missing: Literal["warn", "stop"] = "stop"


class TableRules(_Strict):
    """How a source table is pulled and admitted (`config: meta:` of the table).

    A table with a `cursor` delivers the rows of each interval; one without is
    delivered whole each time, and only its newest delivery counts.
    """

    connector: Literal["files"]
    path: str
    options: dict[str, str] = Field(default_factory=dict)  # CSV dialect
    key: list[str] = Field(default_factory=list)
    cursor: str | None = None
    drop_exact_duplicates: bool = False  # for a table without a key
    quarantine_limit_pct: float = Field(default=1.0, ge=0, le=100)
    empty: Literal["warn", "stop"] = "warn"
    drift: DriftPolicy = DriftPolicy()


class SourceTable(_Strict):
    """One table of one source as declared in `sources.yml`."""

    source: Name
    name: Name
    rules: TableRules
    columns: list[Column]

    @property
    def full_name(self) -> str:
        """`<source>.<table>`, as in dbt's `source()`."""
        return f"{self.source}.{self.name}"

    def column(self, name: str) -> Column:
        """The declared column of that name."""
        return next(column for column in self.columns if column.name == name)


class _DbtNode(BaseModel):
    """A node of dbt's source format; dbt checks the keys that Kith does not read."""

    @model_validator(mode="before")
    @classmethod
    def _meta_under_config(cls, node: Any) -> Any:
        if isinstance(node, dict) and "meta" in node:
            raise ValueError("`meta` belongs under `config:`, where Kith reads it")
        return node


class _ColumnConfig(BaseModel):
    meta: ColumnRules = ColumnRules()


class _ColumnNode(_DbtNode):
    name: str
    data_type: str
    config: _ColumnConfig = _ColumnConfig()


class _TableConfig(BaseModel):
    meta: TableRules


class _TableNode(_DbtNode):
    name: Name
    config: _TableConfig
    columns: list[_ColumnNode]

    @model_validator(mode="after")
    def _is_consistent(self) -> "_TableNode":
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("a column is declared twice")
        rules = self.config.meta
        for name in [*rules.key, *([rules.cursor] if rules.cursor else [])]:
            if name not in names:
                raise ValueError(f"key or cursor '{name}' is not among its columns")
        kinds = {column.name: column.data_type.lower() for column in self.columns}
        if rules.cursor and kinds[rules.cursor] not in ("date", "timestamp"):
            raise ValueError(f"cursor '{rules.cursor}' must be a date or timestamp")
        return self


class _SourceNode(_DbtNode):
    name: Name
    tables: list[_TableNode]

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED_SCHEMAS:
            raise ValueError(
                "the name of one of Kith's own schemas; call the source after the "
                "system that delivers it"
            )
        return name


class _SourcesFile(BaseModel):
    sources: list[_SourceNode]


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: not found; a company folder holds company.yml, sources.yml and "
            "staging/"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected keys and values at the top level")
    return content


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
        faults.append(f"{'.'.join(place)}: {fault['msg']}{shown}")
    return ConfigurationError(f"{path}: " + "; ".join(faults))


def feed_names() -> list[str]:
    """Names of all feeds, after the models feed_<name> in dbt_project/models/feeds."""
    models = (REPOSITORY / "dbt_project" / "models" / "feeds").glob("feed_*.sql")
    return sorted(model.stem.removeprefix("feed_") for model in models)


def _source_tables(path: Path) -> list[SourceTable]:
    content = _read_yaml(path)
    try:
        declared = _SourcesFile(**content)
        tables = [
            SourceTable(
                source=source.name,
                name=table.name,
                rules=table.config.meta,
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
    return tables


def load_company(folder: Path) -> Company:
    """Read and check a company folder.

    Raises ConfigurationError naming file, key and value of every fault.
    """
    path = folder / "company.yml"
    content = _read_yaml(path)
    try:
        declared = _CompanyFile(**content)
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
