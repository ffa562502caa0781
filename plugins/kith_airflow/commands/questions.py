"""Commands that ask what Kith knows, and one that begins a company."""

import datetime as dt
import shlex
from contextlib import nullcontext

from kith.company.folder import load_company
from kith.errors import ConfigurationError, KithError
from kith.pull.connections import environment_connection
from kith.runs.source_systems import keys_of
from kith.settings import REPOSITORY, day_of, load_request, load_settings
from kith_airflow.companies import COMPANIES


def company() -> int:
    """Write a company folder after somebody's files."""
    from kith.onboard.scaffold import scaffold, summary

    request = load_request()
    if not request.name or not request.files:
        raise ConfigurationError(
            "make company needs a name and a folder of files, such as "
            "make company NAME=corner_shop FILES=/data/corner_shop"
        )
    done = scaffold(request.name, request.files, COMPANIES / request.name)
    print(summary(done))
    print(f"Run it: make run COMPANY={done.folder.relative_to(REPOSITORY)}")
    return 0


def dbt() -> int:
    """Run a dbt command on the last candidate."""
    from kith.build.by_hand import run_dbt

    request = load_request()
    if not request.arguments:
        raise ConfigurationError(
            'make dbt needs a command, such as make dbt ARGS="build -s customers+"'
        )
    return run_dbt(load_company(request.company), request.arguments)


def shell() -> int:
    """Answer SQL on the current release, on another, or on the candidate."""
    from kith.build.shell import open_shell

    request = load_request()
    state = load_settings().home / load_company(request.company).name
    database = state / "published" / (request.release or "current") / "kith.duckdb"
    if request.arguments == ["candidate"]:
        database = state / "warehouse" / "kith_build.duckdb"
    elif request.arguments:
        raise ConfigurationError(
            f"ARGS={shlex.join(request.arguments)}: expected ARGS=candidate, or "
            "nothing for the current release"
        )
    return open_shell(database, state / "scratch", is_release=not request.arguments)


def identity_explain() -> int:
    """Say what makes a customer, or two identifiers, one."""
    from kith.build.explain import explain_identity

    request = load_request()
    company = load_company(request.company)
    home = load_settings().home
    with keys_of(company, home):
        print(explain_identity(company, home / company.name, request.asked))
    return 0


def show() -> int:
    """Say who a customer is and what to do next, from the current release."""
    from kith.report.show import show_customer

    request = load_request()
    company = load_company(request.company)
    home, asked = load_settings().home, request.customer or ""
    with keys_of(company, home) if ":" in asked else nullcontext():
        print(show_customer(company, home / company.name, asked))
    return 0


def metric() -> int:
    """List the metrics of the current release, or compute one of them."""
    from kith.catalogue.answers import list_metrics, tell_metric

    request = load_request()
    company = load_company(request.company)
    state = load_settings().home / company.name
    if not request.name:
        print(list_metrics(state))
        return 0

    def day(name: str, text: str | None) -> dt.date | None:
        return day_of(name, text) if text else None

    print(
        tell_metric(
            state,
            request.name,
            request.by,
            day("FROM", request.from_day),
            day("TO", request.to_day),
        )
    )
    return 0


def superset() -> int:
    """Run Superset with a company's dashboards, until it is interrupted."""
    from kith.dashboards.superset import running

    company, settings = load_company(load_request().company), load_settings()
    with running(company, settings, environment_connection) as found:
        print(f"Superset is up: {found.home.url}")
        for page in found.pages:
            print(f"  dashboard {page}")
        print("  user      admin")
        print(f"  password  in {found.home.password_file}")
        for file in found.files:
            print(f"  to import {file}")
        print(f"  log       {found.home.log}")
        print("Ctrl-C ends it", flush=True)
        code = found.process.wait()
    raise KithError(
        f"Superset ended with {code}, unasked; see the end of {found.home.log}, and "
        "start it again"
    )


def lineage() -> int:
    """Say from which columns of which sources a column of a mart comes."""
    from kith.catalogue.answers import tell_lineage

    request = load_request()
    state = load_settings().home / load_company(request.company).name
    print(tell_lineage(state, request.column or ""))
    return 0
