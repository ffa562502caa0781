"""A company folder, read and checked: `company.yml` and what lies beside it."""

import datetime as dt
import functools
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kith.company.sources import read_source_tables
from kith.company.tables import Name, SourceTable, Strict, TimeZone
from kith.company.yaml_files import explained, read_yaml
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY
from kith.storage import state_of

# Folders of $KITH_HOME that belong to no company.
RESERVED_FOLDERS = {"airflow", "bench", "cache"}
PUBLISHED_SCHEMAS = ("customer", "segment", "satisfaction", "operations")


class ActivityStates(Strict):
    """Days since the last purchase from which a customer counts as such."""

    drowsy: int = Field(
        default=30, gt=0, description="Before that a customer is active."
    )
    half_asleep: int = Field(default=90, gt=0, description="Later than drowsy.")
    asleep: int = Field(default=180, gt=0, description="Later than half asleep.")

    @model_validator(mode="after")
    def _ascending(self) -> "ActivityStates":
        if not self.drowsy < self.half_asleep < self.asleep:
            raise ValueError("expected drowsy < half_asleep < asleep, in days")
        return self


def _once_a_day_at_most(cron: str) -> str:
    fields = cron.split()
    if (
        len(fields) != 5
        or not all(field.isdecimal() for field in fields[:2])
        or int(fields[0]) > 59
        or int(fields[1]) > 23
    ):
        raise ValueError(
            "expected five fields of cron, the first two a minute and an hour, such as "
            "'30 6 * * *' for each day at half past six"
        )
    return cron


Schedule = Annotated[str, AfterValidator(_once_a_day_at_most)]


class CompanyFile(Strict):
    """What `company.yml` says."""

    name: Name = Field(
        description="Name of the company's folder under `$KITH_HOME` and of its DAG: "
        "small letters, digits and underscores, a letter first."
    )
    title: str = Field(description="Its name for people, in the report.")
    time_zone: TimeZone = Field(
        description="Zone of business days and months, a name of the IANA list."
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        description="ISO code of all amounts, such as EUR."
    )
    first_day: dt.date = Field(
        description="First business day. Earlier rows are counted, never taken."
    )
    last_day: dt.date | None = Field(
        default=None,
        description="Last business day of a company whose data have ended. Default: "
        "yesterday.",
    )
    owner: str = Field(
        default="kith", min_length=1, description="Whom Airflow names for each task."
    )
    schedule: Schedule = Field(
        default="0 0 * * *",
        description="Cron, in the company's time zone: when Airflow takes the days "
        "that are over since the time before, once a day at most.",
    )
    activity_states: ActivityStates = ActivityStates()
    rfm_window_days: int = Field(
        default=365,
        gt=0,
        description="Days up to the as-of date whose purchases RFM counts.",
    )
    session_timeout_minutes: int = Field(
        default=30,
        gt=0,
        description="Pause after which a device's next event begins a new session.",
    )
    minimum_answers: int = Field(
        default=30, gt=0, description="Valid answers below which a score is NULL."
    )
    complaint_response_hours: int = Field(
        default=24, gt=0, description="Hours within which a case must be answered."
    )
    feeds: dict[str, list[str]] = Field(
        description="Each feed with the staging models that provide it; those that "
        "are left out are empty."
    )

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED_FOLDERS:
            raise ValueError("Kith keeps its own files under that name; choose another")
        return name


class Company(CompanyFile):
    """A company: its business meaning, its source tables, its feeds."""

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


@functools.cache
def feed_names() -> list[str]:
    """Names of all feeds, after the models feed_<name> in dbt_project/models/feeds."""
    models = (REPOSITORY / "dbt_project" / "models" / "feeds").glob("feed_*.sql")
    return sorted(model.stem.removeprefix("feed_") for model in models)


def load_company(folder: Path) -> Company:
    """Read and check a company folder; not again while its files are as they were.

    Raises ConfigurationError naming file, key and value of every fault.
    """
    files = ("company.yml", "sources.yml", "staging")
    return _load(folder, tuple(state_of(folder / name) for name in files))


@functools.lru_cache(maxsize=1)
def _load(folder: Path, _: tuple[tuple[int, ...], ...]) -> Company:
    path = folder / "company.yml"
    content = read_yaml(path)
    try:
        declared = CompanyFile.model_validate(content)
    except ValidationError as error:
        raise explained(path, content, error) from None
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
        **dict(declared),
        folder=folder,
        sources=read_source_tables(folder / "sources.yml"),
    )
