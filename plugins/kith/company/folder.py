"""A company folder, read and checked: `company.yml` and what lies beside it."""

import datetime as dt
import functools
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kith.company import consumers as declared_consumers
from kith.company import indicators, life_stages, postgres, schemes, weights
from kith.company.alert_routes import AlertRoute
from kith.company.business_hours import BusinessHours
from kith.company.consumers import Consumer
from kith.company.lead_stages import LeadStages
from kith.company.life_stages import LifeStage
from kith.company.order_statuses import OrderStatuses
from kith.company.postgres import Postgres
from kith.company.quiet_hours import Shift, bands_beside
from kith.company.restatement_limit import RestatementLimit
from kith.company.retention import Retention
from kith.company.schemes import Scheme
from kith.company.sources import read_source_tables
from kith.company.tables import OTHERS, PII_KINDS, Name, SourceTable, Strict, TimeZone
from kith.company.weights import Part, ValuePart, Weights
from kith.company.yaml_files import explained, read_yaml
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY
from kith.storage import state_of

# Folders of $KITH_HOME that belong to no company.
RESERVED_FOLDERS = {"airflow", "bench", "cache", "reproduced", "watch"}
PUBLISHED_SCHEMAS = ("customer", "segment", "satisfaction", "operations")


class ActivityStates(Strict):
    """Days since the last purchase from which a customer counts as such."""

    by: Literal["days", "rhythm"] = Field(
        default="days",
        description="`rhythm` compares that time with the customer's own usual gap "
        "between purchases, where they have made enough of them.",
    )
    drowsy: int = Field(
        default=30, gt=0, description="Before that a customer is active."
    )
    half_asleep: int = Field(default=90, gt=0, description="Later than drowsy.")
    asleep: int = Field(default=180, gt=0, description="Later than half asleep.")
    rhythm_gaps: tuple[float, ...] = Field(
        default=(1.5, 3, 6),
        min_length=3,
        max_length=3,
        description="Usual gaps of their own after which a customer is, with `by: "
        "rhythm`, drowsy, half asleep and asleep. Whatever `by` says, after the second "
        "one the warning `long_gap` opens and a need of the kind `replenishment` "
        "lapses; after the third one the severity of that warning is `high`.",
    )
    minimum_gaps: int = Field(
        default=3,
        gt=0,
        description="Gaps between purchases below which a customer has no usual gap: "
        "with `by: rhythm` the declared days count, and, whatever `by` says, there is "
        "no warning `long_gap`. Likewise gaps between purchases of a product or "
        "category, below which it has no need of the kind `replenishment`.",
    )

    @model_validator(mode="after")
    def _ascending(self) -> "ActivityStates":
        if not self.drowsy < self.half_asleep < self.asleep:
            raise ValueError("expected drowsy < half_asleep < asleep, in days")
        if not 0 < self.rhythm_gaps[0] < self.rhythm_gaps[1] < self.rhythm_gaps[2]:
            raise ValueError(
                "expected rhythm_gaps above 0, ascending: drowsy, half asleep, asleep"
            )
        return self


class Models(Strict):
    """How far models look ahead, and how often they may be wrong."""

    horizon_days: int = Field(
        default=90,
        gt=0,
        le=365,
        description="Days ahead of which models of customers tell who will buy.",
    )
    max_error_rate_pct: float = Field(
        default=50,
        ge=0,
        le=100,
        description="Of those whom a model names, the share that may turn out wrong; "
        "above it the model is not published.",
    )
    max_miss_rate_pct: float = Field(
        default=50,
        ge=0,
        le=100,
        description="Of those whom it should have named, the share that it may miss.",
    )


class CrisisWatch(Strict):
    """Whom to tell of a spike, and how."""

    alert: Name | None = Field(
        default=None,
        description="Id of the Airflow connection by which an alert goes out: one of "
        "type `http` or `slackwebhook` is a webhook, one of type `smtp` sends e-mail. "
        "Default: spikes are only published.",
    )
    to: list[str] = Field(default_factory=list, description="Addresses, for e-mail.")

    @model_validator(mode="after")
    def _knows_the_way(self) -> "CrisisWatch":
        if self.to and not self.alert:
            raise ValueError("to: expected alert beside it, the connection to send by")
        return self


class ContactRules(Strict):
    """How often, and at what hours, a customer may be written to or called."""

    quiet_hours: Shift | None = Field(
        default="21:00-08:00",
        description="Time of the day, by the company's clocks, in which nobody is "
        "contacted; it may pass midnight. `null` for none.",
    )
    cap: int = Field(
        default=4,
        gt=0,
        description="Messages and calls that a customer may get within cap_days.",
    )
    cap_days: int = Field(default=30, gt=0, description="Days of the cap.")
    complaint_pause_days: int = Field(
        default=14,
        ge=0,
        description="Days after the end of a complaint in which the customer is left "
        "in peace, as they are while it is open.",
    )
    after_sale_days: int = Field(
        default=7,
        ge=0,
        description="Days after a purchase (its delivery, where that is known) on "
        "which to ask how it went.",
    )

    @field_validator("quiet_hours")
    @classmethod
    def _leaves_three_hours(cls, text: str | None) -> str | None:
        if not bands_beside(text):
            raise ValueError("expected quiet hours that leave three hours in a row")
        return text

    def values(self) -> dict[str, Any]:
        """For dbt: the rules, and the hours at which three begin that are not quiet."""
        return self.model_dump() | {"bands": bands_beside(self.quiet_hours)}


# What a customer's records tell, and by which rule one of them counts for it.
Attribute = Literal[
    "customer_kind",
    "city",
    "region",
    "country",
    "industry",
    "level",
    "account_id",
    "registration_source",
    "birth_date",
]
Survival = Literal["most_recent", "most_trusted", "longest", "most_frequent"]

# What people write where a form insists.
ALWAYS_BLOCKED = {
    "email": [
        *("test@test.com", "test@test.de", "test@example.com", "test@gmail.com"),
        *("a@a.com", "a@b.com", "abc@abc.com", "asdf@asdf.com", "no@email.com"),
        *("none@none.com", "no@no.com", "noemail@noemail.com", "noreply@example.com"),
        *("123@qq.com", "user@example.com", "example@example.com"),
    ],
    "phone": ["+11234567890", "+15555555555", "+8613800138000", "+4912345678"],
}


class Identity(Strict):
    """By which rules identifiers become persons. Kinds are those of the feeds."""

    blocked: dict[str, list[str]] = Field(
        default_factory=dict,
        description="By kind, whole values that stand for nobody, as people write "
        "them, beside those that are always blocked.",
    )
    partner_limits: dict[str, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict,
        description="By kind, the number of partners of one kind above which the "
        "links of an identifier do not count; 5 for others.",
    )
    strongest_first: tuple[str, ...] = Field(
        default=("card", "email", "handle", "phone", "device"),
        description="Of several identifiers the first of these kinds stands for the "
        "customer; others come before them.",
    )
    shareable: tuple[str, ...] = Field(
        default=("phone", "device"),
        description="Kinds that several people may use: one joins persons unless they "
        "contradict each other.",
    )
    anonymous: tuple[str, ...] = Field(
        default=("device", "handle"),
        description="Kinds that make nobody a customer who only browses, passes by or "
        "posts.",
    )


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
    alerts: list[AlertRoute] = Field(
        default_factory=list,
        description="Whom to tell of incidents, and how: once of each, and once of its "
        "recovery, see below. Default: nobody.",
    )
    fresh_within_hours: float | None = Field(
        default=None,
        gt=0,
        le=8784,
        description="The promise to readers: so many hours after the end of the last "
        "day that it covers, a release is fresh. Default: until four hours after the "
        "next time of `schedule`. Nothing is promised of a company whose `last_day` "
        "has passed.",
    )
    activity_states: ActivityStates = ActivityStates()
    schemes: dict[Name, Scheme] = Field(
        default_factory=dict,
        description="The company's own schemes of segments by name, beside Kith's own, "
        "see below.",
    )
    order_statuses: OrderStatuses = OrderStatuses()
    lead_stages: LeadStages = LeadStages()
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
    stay_pause_minutes: int = Field(
        default=60,
        gt=0,
        description="Time without a reading after which a stay in a place is over, "
        "and how far off it a purchase may lie that belongs to it.",
    )
    minimum_answers: int = Field(
        default=30,
        gt=0,
        description="Valid answers below which a score is NULL, and persons below "
        "which it has no interval. Likewise customers, leads, searchers, mentions or "
        "units sold, where the dictionary says that too few of them make a figure "
        "NULL, and traces below which a market is no prospect.",
    )
    weights: Weights = Weights()
    value_parts: dict[Part, ValuePart] = Field(
        default_factory=dict,
        description="Which answers tell a part of what customers get or give, instead "
        "of those whose dimension is called like the part, see below.",
    )
    complaint_response_hours: int = Field(
        default=24, gt=0, description="Hours within which a case must be answered."
    )
    life_stages: list[LifeStage] = Field(
        default_factory=list,
        description="What the dependants of customers need at which age, the youngest "
        "first, see below. Default: no needs are told of them.",
    )
    need_days: int = Field(
        default=90,
        gt=0,
        description="Days after which a need that somebody showed, such as a search, "
        "and did not show again, counts as lapsed.",
    )
    crisis_watch: CrisisWatch | None = Field(
        default=None,
        description="Watches complaints and posts every hour for spikes, between the "
        "daily runs; `{}` without alerts. Default: no watch.",
    )
    business_hours: BusinessHours | None = Field(
        default=None,
        description="When the company is open, by its clocks, such as `{monday: "
        "'09:00-12:30, 13:00-18:00', holidays: [2025-12-25]}`, with `monday` to "
        "`sunday`: answers to cases are then timed in hours of business as well. "
        "Default: by the clock only.",
    )
    contact_rules: ContactRules = ContactRules()
    spike_minimum_count: int = Field(
        default=5,
        gt=0,
        description="Complaints, or posts about the company, within an hour below "
        "which there is no spike; within a day thrice as many.",
    )
    identity: Identity = Identity()
    survivorship: dict[Attribute, Survival] = Field(
        default_factory=dict,
        description="Which record counts for an attribute of a customer, such as "
        "`{city: longest}`: `most_recent` (the default), `most_trusted`, `longest` or "
        "`most_frequent`.",
    )
    trusted_sources: list[Name] = Field(
        default_factory=list,
        description="Sources in the order of their trust, the most trusted first.",
    )
    profiling: Literal["without_permission", "with_permission"] = Field(
        default="without_permission",
        description="Whether somebody is scored who has not permitted it (purpose "
        "`profiling` of the feed consents). With `with_permission` they have no "
        "scores, predictions or needs of their own, see below, and are counted as "
        "`not_permitted`.",
    )
    models: Models | None = Field(
        default_factory=Models,
        description="What models that foretell what customers will do must satisfy. "
        "With `false` there are none: the marts of predictions, of recommendations, "
        "and of what drives satisfaction, are then empty, and cost nothing.",
    )
    indicators: dict[Name, str] = Field(
        default_factory=dict,
        description="The company's own indicators of behaviour, each by its name with "
        "a line of SQL over all actions of a customer, see below.",
    )
    margin_pct: float | None = Field(
        default=None,
        le=100,
        description="Share of revenue that is margin, for lifetime values; may be "
        "below 0. Default: that of the orders whose cost is known, or 100 without any.",
    )
    monthly_discount_pct: float = Field(
        default=1,
        ge=0,
        description="By how much what comes a month later is worth less, for lifetime "
        "values.",
    )
    restatement_limit: RestatementLimit = RestatementLimit()
    retention: Retention = Retention()
    audiences: list[Literal["without_personal_data"]] = Field(
        default_factory=list,
        description="For whom a release holds a DuckDB file of its own beside "
        "`kith.duckdb`: `without_personal_data` makes "
        "`kith_without_personal_data.duckdb`, without a row about one recognisable "
        "person.",
    )
    largest_table_rows: int | None = Field(
        default=None,
        gt=0,
        description="A mart of more rows stands in a release as Parquet files alone: "
        "in `kith.duckdb` it is a view of these, by their absolute path, and "
        "PostgreSQL does not get it. The release's manifest says of each mart which it "
        "is. Default: no mart is too large.",
    )
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb",
        description="What computes the marts: `duckdb` on this machine, or `spark`, "
        "for data that outgrow it; KITH_SPARK says where that is (`.env.example`), and "
        "`make spark` installs what it takes.",
    )
    spark_connection: Name | None = Field(
        default=None,
        description="Id of the Airflow connection that says where Spark is, of type "
        "`spark`, `spark_connect` or `hiveserver2`. Default: KITH_SPARK says it.",
    )
    postgres: Postgres | None = Field(
        default=None,
        description="Serves each release on a PostgreSQL server as well, see below and "
        "[postgres.md](postgres.md). Default: files only.",
    )
    language: Literal["en", "zh"] = Field(
        default="en",
        description="Language of the report page, and beside English of labels and "
        "descriptions in the data dictionary: `en`, or `zh` for Chinese.",
    )
    consumers: dict[Name, Consumer] = Field(
        default_factory=dict,
        description="Who reads the marts, such as a dashboard, by name, see below: "
        "they stand in the graph of the release's documentation.",
    )
    feeds: dict[str, list[str]] = Field(
        description="Each feed with the staging models that provide it; those that "
        "are left out are empty."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _are_on_or_off(cls, models: object) -> object:
        return {True: {}, False: None}[models] if isinstance(models, bool) else models

    @model_validator(mode="after")
    def _connects_what_it_uses(self) -> "CompanyFile":
        if self.spark_connection and self.engine != "spark":
            raise ValueError("spark_connection: expected `engine: spark` beside it")
        return self

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

    def is_large(self, schema: str, rows: int) -> bool:
        """Whether a table's rows stay in Parquet files, of which DuckDB has a view.

        Those of operations get rows after they were built.
        """
        limit = self.largest_table_rows
        return limit is not None and schema != "operations" and rows > limit

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
    if "models" in content and content["models"] is None:
        raise ConfigurationError(
            f"{path}: models: expected true, false, or keys below it (found nothing)"
        )
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
    company = Company(
        **dict(declared),
        folder=folder,
        sources=read_source_tables(folder / "sources.yml"),
    )
    _check_names(path, company)
    return company


def check_expressions(company: Company) -> None:
    """Refuse conditions of schemes, and indicators, that cannot be computed.

    Not part of `load_company`, which each parse of a DAG file calls: DuckDB reads them.
    """
    faults = schemes.faults_of_conditions(company.schemes)
    faults += indicators.faults_of(company.indicators)
    if faults:
        raise ConfigurationError(
            f"{company.folder / 'company.yml'}: {'; '.join(faults)}"
        )


def _check_names(path: Path, company: Company) -> None:
    """Refuse kinds of identifiers and sources that nothing of the company has.

    A kind is what `pii` or `identifies` says, or what a staging model calls it.
    """
    rules = [column.rules for table in company.sources for column in table.columns]
    declared = {kind for each in rules for kind in (each.pii, each.identifies) if kind}
    kinds = (declared | set(PII_KINDS)) - set(OTHERS)
    staged = "".join(
        model.read_text(encoding="utf-8")
        for model in (company.folder / "staging").glob("*.sql")
    )
    named = set(re.findall(r"'(\w+)'", staged))
    sources = {table.source for table in company.sources}
    known_sources = ", ".join(sorted(sources))
    identity = company.identity
    faults = [
        f"identity.{key}: nothing of the company is called {name}; expected one of "
        f"{', '.join(sorted(kinds))}, or an identifier_type that a staging model writes"
        for key in sorted(identity.model_fields_set)
        for name in getattr(identity, key)
        if name not in kinds | named
    ] + [
        f"trusted_sources: there is no source {name}; expected one of {known_sources}, "
        "or a source that a staging model writes"
        for name in company.trusted_sources
        if name not in sources | named
    ]
    if "most_trusted" in company.survivorship.values() and not company.trusted_sources:
        faults.append(
            "survivorship: most_trusted needs trusted_sources; add them, the most "
            f"trusted first, of {known_sources}"
        )
    faults += schemes.faults_of(company.schemes)
    faults += weights.faults_of(company.weights, company.value_parts, company.schemes)
    faults += life_stages.faults_of(company.life_stages)
    if company.postgres:
        faults += postgres.faults_of(company.postgres, company.name)
    faults += declared_consumers.faults_of(company.consumers)
    if faults:
        raise ConfigurationError(f"{path}: {'; '.join(faults)}")
