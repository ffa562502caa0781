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
    model_validator,
)

from kith.errors import ConfigurationError

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

    @model_validator(mode="after")
    def _names_exist(self) -> "SourceTable":
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("a column is declared twice")
        wanted = [*self.rules.key, *([self.rules.cursor] if self.rules.cursor else [])]
        for name in wanted:
            if name not in names:
                raise ValueError(f"key or cursor '{name}' is not among its columns")
        if self.rules.cursor and self.column(
            self.rules.cursor
        ).data_type.lower() not in ("date", "timestamp"):
            raise ValueError(
                f"cursor '{self.rules.cursor}' must be a date or timestamp"
            )
        return self


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


def _explain(path: Path, where: str, error: ValidationError) -> ConfigurationError:
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in (where, *fault["loc"]) if part != "")
        found = fault.get("input")
        shown = (
            f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
        )
        faults.append(f"{place}: {fault['msg']}{shown}")
    return ConfigurationError(f"{path}: " + "; ".join(faults))


def _meta(node: dict[str, Any]) -> dict[str, Any]:
    return {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}


def _source_tables(path: Path) -> list[SourceTable]:
    tables = []
    for source in _read_yaml(path).get("sources") or []:
        if source.get("name") in RESERVED_SCHEMAS:
            raise ConfigurationError(
                f"{path}: source '{source['name']}' has the name of one of Kith's own "
                "schemas; call it after the system that delivers it"
            )
        for table in source.get("tables") or []:
            where = f"sources.{source.get('name')}.{table.get('name')}"
            try:
                tables.append(
                    SourceTable(
                        source=source.get("name"),
                        name=table.get("name"),
                        rules=TableRules(**_meta(table)),
                        columns=[
                            Column(
                                name=column.get("name"),
                                data_type=column.get("data_type"),
                                rules=ColumnRules(**_meta(column)),
                            )
                            for column in table.get("columns") or []
                        ],
                    )
                )
            except ValidationError as error:
                raise _explain(path, where, error) from None
    if not tables:
        raise ConfigurationError(f"{path}: declares no source table")
    return tables


def load_company(folder: Path) -> Company:
    """Read and check a company folder.

    Raises ConfigurationError naming file, key and value of every fault.
    """
    path = folder / "company.yml"
    try:
        declared = _CompanyFile(**_read_yaml(path))
    except ValidationError as error:
        raise _explain(path, "", error) from None
    for feed, models in declared.feeds.items():
        for model in models:
            if not (folder / "staging" / f"{model}.sql").is_file():
                raise ConfigurationError(
                    f"{path}: feeds.{feed} names {model}, but staging/{model}.sql "
                    "does not exist"
                )
    return Company(
        **dict(declared), folder=folder, sources=_source_tables(folder / "sources.yml")
    )
