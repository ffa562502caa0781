"""The only place in Python that reads the environment."""

import datetime as dt
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kith.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[2]

# Every library's phone-home, off. Exported to each process that Kith starts.
NO_TELEMETRY = {
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}

# What a process that renders templates gets of our environment, where it is set: of
# anything that it has, a template can read the value.
_HARMLESS = (
    *("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"),
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "COLUMNS", "NO_COLOR"),
)


_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@dataclass(frozen=True)
class Settings:
    """Where state lives and how much of the machine a process may take.

    `company` is the default of `make run`, `companies` are those that Airflow shows,
    empty where nobody named them. `memory_limit` is DuckDB's spelling of bytes ("6GB"),
    `threads` a count. `airflow_database` is the address of Airflow's metadata, empty
    where nobody gave one. `spark` is where Spark is, for companies whose engine it is,
    `lock_database` the address of a PostgreSQL for libpq, empty where one machine does
    all.
    """

    home: Path
    company: Path
    companies: tuple[Path, ...]
    memory_limit: str
    threads: int
    release_grace_minutes: int
    airflow_host: str
    airflow_port: int
    superset_port: int
    airflow_database: str
    spark: str
    lock_database: str


@dataclass(frozen=True)
class Request:
    """What a command of make was asked for; None where nothing was."""

    company: Path
    from_day: str | None
    to_day: str | None
    release: str | None
    name: str | None = None
    files: Path | None = None
    arguments: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    at: str | None = None
    customer: str | None = None
    run: str | None = None
    file: Path | None = None
    target: Path | None = None
    is_applied: bool = False
    as_of: str | None = None
    by: list[str] = field(default_factory=list)
    column: str | None = None


def _default_memory_limit() -> str:
    # DuckDB's limit covers its buffers only: leave half the machine to the rest,
    # and do not take more than the largest benchmark needs.
    machine_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{max(1, min(6, int(machine_gb / 2)))}GB"


def _folder(path: str | Path) -> Path:
    return (REPOSITORY / path).resolve()


def day_of(name: str, text: str) -> dt.date:
    """The day that a variable names; raises ConfigurationError where it names none."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{name}={text}: not a day; write it as 2017-01-31"
        ) from None


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise ConfigurationError(f"{name}={text}: expected a whole number")
    return int(text)


def _yes(name: str) -> bool:
    text = os.environ.get(name) or ""
    if text not in ("", "yes", "no"):
        raise ConfigurationError(f"{name}={text}: expected yes, or nothing")
    return text == "yes"


def load_settings() -> Settings:
    """Read the settings from the environment (`.env.example` lists them)."""
    environment = os.environ
    named = (environment.get("KITH_COMPANIES") or "").split(",")
    home = _folder(environment.get("KITH_HOME") or ".kith")
    return Settings(
        home=home,
        company=_folder(environment.get("KITH_COMPANY") or "companies/demo"),
        companies=tuple(_folder(name.strip()) for name in named if name.strip()),
        memory_limit=environment.get("KITH_MEMORY_LIMIT") or _default_memory_limit(),
        threads=_number("KITH_THREADS", os.cpu_count() or 2),
        release_grace_minutes=_number("KITH_RELEASE_GRACE_MINUTES", 10),
        airflow_host=environment.get("KITH_HOST") or "127.0.0.1",
        airflow_port=_number("KITH_PORT", 8080),
        superset_port=_number("KITH_SUPERSET_PORT", 8088),
        airflow_database=environment.get(_DATABASE) or "",
        spark=environment.get("KITH_SPARK") or "local[*]",
        lock_database=environment.get("KITH_LOCK_DATABASE") or "",
    )


def _given(name: str) -> Path | None:
    return _folder(path) if (path := os.environ.get(name)) else None


def load_request() -> Request:
    """Read COMPANY, FROM, TO and so on, as make passes them."""
    environment = os.environ
    return Request(
        company=_folder(environment.get("COMPANY") or load_settings().company),
        from_day=environment.get("FROM") or None,
        to_day=environment.get("TO") or None,
        release=environment.get("RELEASE") or None,
        name=environment.get("NAME") or None,
        files=_folder(environment["FILES"]) if environment.get("FILES") else None,
        arguments=shlex.split(environment.get("ARGS") or ""),
        asked=shlex.split(environment.get("ID") or ""),
        at=environment.get("AT") or None,
        customer=environment.get("CUSTOMER") or None,
        run=environment.get("RUN") or None,
        file=_given("FILE"),
        target=_given("TO"),
        is_applied=_yes("APPLY"),
        as_of=environment.get("AS_OF") or None,
        by=[each for each in re.split(r"[\s,]+", environment.get("BY") or "") if each],
        column=environment.get("COLUMN") or None,
    )


def environment_variable(name: str) -> str | None:
    """A variable that a company's own files name; None where it is not set."""
    return os.environ.get(name) or None


def set_environment_variables(variables: dict[str, str]) -> None:
    """Set, for this process, what a company's own files may name."""
    os.environ.update(variables)


def openlineage_is_configured() -> bool:
    """Whether OpenLineage's own settings say where its events go."""
    return any(name.startswith("OPENLINEAGE") for name in os.environ) or any(
        path.is_file()
        for path in (
            Path("openlineage.yml"),
            Path.home() / ".openlineage" / "openlineage.yml",
        )
    )


def identifier_key() -> str | None:
    """Key of the hashes that stand for e-mail addresses, phone numbers and the like."""
    return os.environ.get("KITH_IDENTIFIER_KEY") or None


def former_identifier_keys() -> list[str]:
    """Keys that were in use before: by them those are known who were erased then."""
    named = os.environ.get("KITH_FORMER_IDENTIFIER_KEYS") or ""
    return [key.strip() for key in named.split(",") if key.strip()]


# Keys of a connection, or of its `extra`, that hold a secret.
_SECRET_KEY = re.compile(r"(?i)pass|secret|token|key|credential|auth|signature")
# What is shorter would be found within ordinary words.
_SHORTEST_SECRET = 5


def secrets_known() -> list[str]:
    """Secrets in the environment, the longest first, to keep them out of what is told.

    They are the keys of the hashes, and passwords, tokens and the like in connections
    (`AIRFLOW_CONN_<ID>`, that of Airflow's own database, and the address of Spark).
    """
    found = {identifier_key() or "", *former_identifier_keys()}
    spark = os.environ.get("KITH_SPARK") or ""
    found |= {*re.findall(r"(?<=;token=)[^;]+", spark), *_secrets_of(spark)}
    for name, text in os.environ.items():
        if name.startswith("AIRFLOW_CONN_") or name == _DATABASE:
            found |= _secrets_of(text)
    return sorted((s for s in found if len(s) >= _SHORTEST_SECRET), key=len)[::-1]


def _secrets_of(connection: str) -> set[str]:
    """What is secret in a connection, written as JSON or as a URI."""
    with suppress(ValueError):
        if isinstance(values := json.loads(connection), dict):
            return set(_secret_values(values))
    try:
        parts = urlsplit(connection)
    except ValueError:
        return {connection}
    found = [parts.password or ""]
    for key, _, value in (each.partition("=") for each in parts.query.split("&")):
        if key == "__extra__":
            found += _secrets_of(unquote(value))
        elif _SECRET_KEY.search(key):
            found.append(value)
    return {*found, *map(unquote, found)}


def _secret_values(values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _secret_values(value)
        elif isinstance(value, str) and key == "extra":
            yield from _secrets_of(value)
        elif isinstance(value, str) and _SECRET_KEY.search(key):
            yield value


def child_environment(**extra: str) -> dict[str, str]:
    """Environment of a child process: ours, telemetry off, and `extra`."""
    return {**os.environ, **NO_TELEMETRY, **extra}


def sealed_environment(**extra: str) -> dict[str, str]:
    """The same without anything of ours that is not known to be harmless.

    No key, no connection and no variable of a company is in it.
    """
    harmless = {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    return {**harmless, **NO_TELEMETRY, **extra}


def switch_telemetry_off() -> None:
    """For a library that reads the environment of this very process on import."""
    os.environ.update(NO_TELEMETRY)


def use_one_thread() -> None:
    """The same for linear algebra: numpy reads it on import."""
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
