"""Commands about releases and what led to them."""

import datetime as dt
import getpass
import sys

from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError, KithError
from kith.incidents.history import record_success
from kith.incidents.readers import current_day
from kith.pull.connections import environment_connection
from kith.runs.run import Interval, Run, folder_name
from kith.runs.source_systems import keys_of
from kith.settings import load_request, load_settings
from kith_airflow.companies import logs_of
from kith_airflow.home import AirflowHome
from kith_airflow.watchdog import send_pending_alerts


def releases() -> int:
    """List the releases that are there, the newest first, and how each stands."""
    from kith.publish.release import standings

    company = load_company(load_request().company)
    found = standings(load_settings().home / company.name / "published")
    if not found:
        print(f"{company.title}: nothing was published yet")
    for each in found:
        state = "; ".join(each.faults) or ("current" if each.is_current else "whole")
        page = "" if each.has_page else ", no page"
        print(
            f"{each.release_id}  data as of {each.as_of_date}  "
            f"{each.bytes / 1_000_000:>9,.1f} MB  {state}{page}"
        )
    return 0


def rollback() -> int:
    """Point `current` at an earlier release."""
    from kith.publish.release import lacks_page, rollback

    request = load_request()
    company = load_company(request.company)
    state = load_settings().home / company.name
    release = rollback(state, request.release)
    print(f"current is now {release}")
    if company.postgres:
        _serve_again(company)
    if lacks_page(state / "published" / release):
        print("It has no report page: an earlier version was killed before it made it")
    return 0


def _serve_again(company: Company) -> None:
    """Bring PostgreSQL to the release that readers of files have now."""
    try:
        _serve(company)
    except KithError as error:
        print(f"PostgreSQL still serves the former release: {error}", file=sys.stderr)
        print(
            "Then run make serve, or clear the task serve of the last run in Airflow",
            file=sys.stderr,
        )
        raise


def serve() -> int:
    """Load the current release into PostgreSQL."""
    _serve(load_company(load_request().company))
    return 0


def _serve(company: Company) -> None:
    from kith.serve.serve import serve

    home, moment = load_settings().home, dt.datetime.now(dt.UTC)
    _, day = current_day(home / company.name / "published")
    day = day or company.first_day
    run_id = f"serve__{company.name}__{moment:%Y%m%dT%H%M%S%f}"
    run = Run(company, Interval(day, day), run_id, home)
    with keys_of(company, home):
        served = serve(run, environment_connection)
    record_success(run, "serve")
    # Who was told that it failed is told that it recovered.
    send_pending_alerts(AirflowHome(load_settings()), company)
    print(f"PostgreSQL serves {served.release_id}, from schema {served.schema}")
    if served.missing_logins:
        print(f"no such login: {', '.join(served.missing_logins)}")


def prune() -> int:
    """Say what company.yml does not keep; with APPLY=yes remove it."""
    from kith.publish.pruning import listed, prune, told

    request = load_request()
    company = load_company(request.company)
    moment = dt.datetime.now(dt.UTC)
    run = Run(
        company,
        Interval(company.first_day, company.first_day),
        f"prune__{moment:%Y%m%dT%H%M%S%f}",
        load_settings().home,
    )
    found = prune(run, logs_of(company.name), apply=request.is_applied)
    if not found:
        print(f"{company.title}: nothing is superseded beyond what is kept")
        return 0
    would = "Removed" if request.is_applied else "Would go"
    print(f"{company.title}: {would}: {told(found)}")
    print(listed(found))
    if not request.is_applied:
        print("Nothing was removed; make prune APPLY=yes removes it")
    return 0


def reproduce() -> int:
    """Make a failed run again, to its failing rows, and let SQL be asked there."""
    from kith.build.shell import open_shell
    from kith.reproduce.reproduction import reproduce

    request = load_request()
    found = reproduce(load_company(request.company), load_settings().home, request.run)
    print("\n".join(found.lines), flush=True)
    if found.database:
        print(f"  database  {found.database}")
        if sys.stdin.isatty():
            return open_shell(found.database, found.database.parent / "scratch")
    return 0 if found.is_reached else 1


def rebuild() -> int:
    """Make the marts of a past day from raw, as it was known then, in a scratch."""
    from kith.reproduce.rebuild import rebuild

    request = load_request()
    try:
        day = dt.date.fromisoformat(request.as_of or "")
    except ValueError:
        raise ConfigurationError(
            f"AS_OF={request.as_of or ''}: not a day; write it as 2025-06-30"
        ) from None
    found = rebuild(load_company(request.company), load_settings().home, day)
    for mart, digest in found.hashes.items():
        print(f"  {mart:<40} {digest}")
    print(f"  database  {found.database}")
    return 0


def approve() -> int:
    """Approve the numbers that a run would change, for the next run of its days."""
    from kith.approve.approval import approve, noted_in

    request = load_request()
    company = load_company(request.company)
    if not request.run:
        raise ConfigurationError(
            "make approve needs the run whose changes are approved, as its error names "
            "it: make approve COMPANY=companies/x RUN=…"
        )
    state = load_settings().home / company.name
    found = noted_in(state / "runs" / folder_name(request.run))
    for each in found.beyond:
        print(f"  {each.line()}")
    if not found.beyond:
        print(f"{request.run} changes no published number beyond the limit")
        return 0
    approve(state, found, getpass.getuser())
    others = len(found.changes) - len(found.beyond)
    print(
        f"Approved: these {len(found.beyond)} changes and {others} smaller ones, if "
        "the next run of the same days makes exactly these"
    )
    return 0
