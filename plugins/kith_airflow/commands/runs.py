"""Commands that lead a run, in a process of their own or on the server."""

import datetime as dt
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from typing import Any, TypeVar

from kith.company.folder import Company, load_company
from kith.company.tables import SourceTable
from kith.errors import ConfigurationError, KithError, TransientError
from kith.incidents.history import open_incidents
from kith.incidents.incident import Incident
from kith.runs.journal import Journal, describe, summary
from kith.runs.run import (
    Interval,
    Run,
    current_release,
    folder_name,
    last_complete_day,
    requested_interval,
)
from kith.runs.source_systems import source_systems
from kith.settings import Request, day_of, load_request, load_settings
from kith_airflow import server as airflow_server
from kith_airflow.companies import dag_id, runnable_company, watch_id
from kith_airflow.home import LAUNCH, AirflowHome, Ownership, end_session, last_line
from kith_airflow.server import Api, ApiError
from kith_airflow.watchdog import send_pending_alerts

T = TypeVar("T")
POLL_SECONDS = 0.2
# So much of the end of a run's log is looked through for what it died of.
_LOG_BYTES = 1 << 16
REREAD_SECONDS = 60
# So long a server may answer nothing, or that it is busy, before a run is given up.
PATIENCE_SECONDS = 300
_TELLING_SECONDS = 10


def chosen_days(request: Request, company: Company) -> Interval:
    """FROM and TO of the request.

    By default from the company's first day to its last, or to yesterday in its time
    zone.
    """
    default_end = company.last_day or last_complete_day(company)

    def day(name: str, text: str | None, default: dt.date) -> dt.date:
        return day_of(name, text) if text else default

    return requested_interval(
        company,
        day("FROM", request.from_day, company.first_day),
        day("TO", request.to_day, default_end),
    )


@dataclass(frozen=True)
class RunFault:
    """Why a run failed; `more` may quote anything, such as the last line of its log.

    `says` is the end of what its own process has written. It may also go on where
    nobody can see it.
    """

    cause: str
    more: str = ""
    says: str = ""
    is_over: bool = True


def run() -> int:
    """Run the pipeline through Airflow and say what came out."""
    return _run(replays=False)


def replay() -> int:
    """The same on what was pulled before, judged anew; nothing new is pulled."""
    return _run(replays=True)


def watch() -> int:
    """Look once for spikes of complaints and mentions, now or as of AT."""
    from kith.watch.fresh import plan_watch

    settings, request = load_settings(), load_request()
    company = load_company(request.company)
    runnable_company(company.name, str(company.folder))
    if company.crisis_watch is None:
        raise ConfigurationError(
            f"{company.folder / 'company.yml'}: declares no crisis_watch; add "
            "`crisis_watch: {}`"
        )
    moment = dt.datetime.now(dt.UTC)
    name = f"watch__{company.name}__{moment:%Y%m%dT%H%M%S%f}"
    look = plan_watch(company, request.at, name)
    print(f"{company.title}: spikes as of {look.at:%Y-%m-%d %H:%M} UTC", flush=True)
    params = {"at": f"{look.at.isoformat()}+00:00"}
    home = AirflowHome(settings)
    code, journal = _lead(home, look.run, params, watch_id(company.name))
    if journal:
        print(f"  release   {(look.run.published / 'current').resolve()}")
    return code


def catch_up() -> int:
    """Run the days that the nights missed, up to yesterday in company time."""
    from kith.watchdog.due import days_to_catch_up

    settings, request = load_settings(), load_request()
    company = load_company(request.company)
    first = Interval(company.first_day, company.first_day)
    days = days_to_catch_up(Run(company, first, "", settings.home))
    if days is None:
        print(f"{company.title}: no day is missing")
        return 0
    return _run(replays=False, days=days)


def _run(replays: bool, days: Interval | None = None) -> int:
    settings, request = load_settings(), load_request()
    company = load_company(request.company)
    runnable_company(company.name, str(company.folder))  # As the DAG file will.
    begun = time.monotonic()
    moment = dt.datetime.now(dt.UTC)
    chosen = days or chosen_days(request, company)
    this = Run(
        company,
        chosen,
        _run_id("replay" if replays else "make", company, chosen, moment),
        settings.home,
    )
    asked = {key: this.to_dict()[key] for key in ("from_day", "to_day")}
    params = {**asked, "replay": replays}
    home = AirflowHome(settings)
    tables = _replayed_tables(this) if replays else company.sources
    print(
        f"{company.title}: {this.interval.from_day} to {this.interval.to_day}, "
        f"{len(tables)} source tables{' to be judged anew' if replays else ''}",
        flush=True,
    )
    if not tables:
        return 0
    from kith.build.dbt import parsing_ahead

    dag = dag_id(company.name)
    code, journal = _lead(home, this, params, dag, parsing_ahead(this))
    if journal:
        print(summary(this, journal, time.monotonic() - begun))
    return code


def _run_id(kind: str, company: Company, days: Interval, moment: dt.datetime) -> str:
    """Name of a run, from which people see what it is."""
    return (
        f"{kind}__{company.name}__{days.from_day}_to_{days.to_day}"
        f"__{moment:%Y%m%dT%H%M%S%f}"
    )


def _lead(
    home: AirflowHome,
    this: Run,
    params: dict[str, Any],
    dag: str,
    beside: AbstractContextManager[None] | None = None,
) -> tuple[int, Journal | None]:
    """Lead one run of a DAG to its end: here, within `beside`, or on the server.

    Returns the exit code, and the journal of a run that succeeded; says what failed.
    """
    company = this.company
    runner = airflow_server.owner_or_server(home)
    before = current_release(this.published)
    try:
        if isinstance(runner, Api):
            _check_known(home, runner, company)
            journal, fault = _run_on_server(home, runner, this, params, dag)
        else:
            with beside or nullcontext():
                journal, fault = _run_in_process(home, runner, this, params, dag)
    except KeyboardInterrupt:
        stopped = "Interrupted, and the run was stopped"
        print(f"{stopped}; {_standing(this, before)}", file=sys.stderr)
        return 130, None
    if fault:
        under_way = ", ".join(journal.under_way()) or "before the first stage"
        cause = f"{under_way}: {fault.cause}"
        wrong = _fault_of_files(company)
        reason = journal.failure() or wrong or f"{cause}{fault.more}"
        print(f"Failed: {reason}", file=sys.stderr)
        print(_standing(this, before), file=sys.stderr)
        seen = wrong or KithError(f"{cause}; its message stands in the log")
        for incident in _incidents_of(home, company, journal, fault, seen):
            print("\n".join(incident.lines()), file=sys.stderr)
        return 1, None
    return 0, journal


def _run_in_process(
    home: AirflowHome, ownership: Ownership, run: Run, params: dict[str, Any], dag: str
) -> tuple[Journal, RunFault | None]:
    """Let a child process of Airflow lead the run. Returns what it failed of."""
    started = dt.datetime.now(dt.UTC)
    log = home.logs / f"run_{run.company.name}-{started:%Y%m%dT%H%M%S%f}.log"
    # Airflow makes up the run's id. This home has one owner, so that the folder which
    # appears among the company's runs is that of our child.
    runs = run.run_folder.parent
    before = set(runs.iterdir()) if runs.is_dir() else set()
    command = [
        *("dags", "test", dag, started.isoformat()),
        *("--conf", json.dumps(params)),
    ]
    with _ready(home, run):
        with log.open("w") as output:
            child = subprocess.Popen(
                [*LAUNCH, *command],
                env=home.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The child owns the home too, should this process be killed.
                pass_fds=ownership.inheritance,
            )
        journal = None
        try:
            ownership.write_note("run", child.pid, log=str(log))
            while True:
                exit_code = child.poll()
                if journal is None and runs.is_dir():
                    for folder in set(runs.iterdir()) - before:
                        journal = Journal(folder)
                if journal:
                    _follow(journal)
                if exit_code is not None:
                    break
                time.sleep(POLL_SECONDS)
        finally:
            # Also what a killed child has left behind, such as dbt.
            end_session(child.pid, 3)
            child.wait()
    journal = journal or Journal(run.run_folder)
    if exit_code == 0:
        return journal, None
    more = f"; log: {log}"
    if exit_code > 0:
        cause, more = f"ended with {exit_code}", f": {last_line(log)}{more}"
    else:
        cause = f"was killed by {signal.Signals(-exit_code).name}"
        if -exit_code == signal.SIGKILL:
            cause += ", perhaps for lack of memory (KITH_MEMORY_LIMIT)"
    says = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
    return journal, RunFault(f"Airflow {cause}", more, says)


@contextmanager
def _ready(home: AirflowHome, run: Run) -> Iterator[None]:
    """Have source systems, and beside their start all that a first run has to make.

    The page makes its script itself where that fails here.
    """

    def make_script() -> None:
        from kith.report.page import vega_bundle

        vega_bundle(home.settings.home)

    with ThreadPoolExecutor(1) as beside:
        preparing = beside.submit(home.prepare, {run.company.name: run.company.folder})
        if not (home.settings.home / "cache").exists():  # It keeps that script alone.
            beside.submit(make_script)
        with source_systems(run.company, home.settings.home):
            preparing.result()
            yield


def _follow(journal: Journal) -> None:
    for entry in journal.new_entries():
        if line := describe(entry):
            print(line, flush=True)


def _check_known(home: AirflowHome, api: Api, company: Company) -> None:
    """Refuse a company that the server was not started for."""
    served = Ownership(home).owner()["companies"]
    if served.get(company.name) != str(company.folder):
        raise ConfigurationError(
            f"the Airflow server at {api.url} does not know {company.folder}; it was "
            f"started for {', '.join(served.values())}; stop it with `make down` and "
            "run again, or start it with KITH_COMPANIES naming that folder too"
        )


def _patiently(home: AirflowHome, call: Callable[[], T]) -> T:
    """Ask the server again until it answers.

    Raises TransientError when it was stopped, or answers nothing for
    `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = False
    while True:
        try:
            return call()
        except TransientError as error:
            if not _is_served(home):
                raise TransientError("the Airflow server was stopped") from None
            if time.monotonic() > deadline:
                raise
            if not told:
                print(f"{error}; asking again for {PATIENCE_SECONDS} s …", flush=True)
            told = True
            time.sleep(2)


def _is_served(home: AirflowHome) -> bool:
    ownership = Ownership(home)
    if ownership.acquire():
        ownership.release()
        return False
    return True


def _wait_until_read(home: AirflowHome, api: Api, dag: str) -> None:
    """Wait while Airflow still shows what was wrong with a company mended since."""
    deadline = time.monotonic() + REREAD_SECONDS
    told = False
    while fault := _patiently(home, api.import_errors).get(dag):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"Airflow at {api.url} cannot read {dag}: {fault}")
        if not told:
            print(f"Waiting for Airflow to read {dag} again …", flush=True)
        told = True
        time.sleep(1)


def _run_on_server(
    home: AirflowHome, api: Api, run: Run, params: dict[str, Any], dag: str
) -> tuple[Journal, RunFault | None]:
    """Let the server run the DAG. Returns what it failed of."""
    _wait_until_read(home, api, dag_id(run.company.name))
    print(f"Airflow at {api.url} runs it as {run.run_id}", flush=True)
    if _patiently(home, lambda: api.unpause(dag)):
        print(f"{dag} was paused; it is not any more", flush=True)
    journal = Journal(run.run_folder)
    note = f"{run.company.title}: {run.interval.from_day} to {run.interval.to_day}"
    page = f"{api.url}/dags/{dag}/runs/{run.run_id}"
    seconds_queued = 0

    def state() -> str:
        return _patiently(home, lambda: api.state(dag, run.run_id))

    try:
        _patiently(home, lambda: api.trigger(dag, run.run_id, params, note))
        while (now := state()) not in ("success", "failed"):
            seconds_queued += now == "queued"
            if now == "queued" and seconds_queued == 10:
                print("Waiting for another run to end …", flush=True)
            _follow(journal)
            time.sleep(1)
    except KeyboardInterrupt:
        _stop_on_server(api, dag, run.run_id)
        raise
    except TransientError as error:
        _follow(journal)
        if journal.has_ended("publish"):
            print(f"{error}; the run has published its release", flush=True)
            return journal, None
        if _is_served(home):
            goes_on = f"; the run may go on: {page}"
            return journal, RunFault(str(error), goes_on, is_over=False)
        return journal, RunFault(str(error))
    _follow(journal)
    if now == "success":
        return journal, None
    return journal, RunFault("the run failed", f"; task logs: {page}")


def _stop_on_server(api: Api, dag: str, run_id: str) -> None:
    try:
        with suppress(ApiError):  # Of a run that it knows nothing of yet.
            api.fail(dag, run_id)
    except TransientError as error:
        raise KithError(
            f"interrupted, but {run_id} of {dag} may go on: {error}; stop it with "
            "`make down`"
        ) from None


def _incidents_of(
    home: AirflowHome,
    company: Company,
    journal: Journal,
    fault: RunFault,
    seen: KithError,
) -> list[Incident]:
    """What failed in a run and no retry mended.

    Its tasks have told of it, but for those that were killed, or died with Airflow: of
    these tells what was `seen` from here.
    """
    from kith.watchdog.died import record, untold

    root = home.settings.home

    def told() -> list[Incident]:
        return [
            incident
            for incident in open_incidents(root / company.name)
            if folder_name(incident.run_id) == journal.run_folder.name
        ]

    deadline = time.monotonic() + _TELLING_SECONDS
    # A server knows that a task has failed before that has told of it.
    while not (found := told()) and journal.failed() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    # That of a crisis watch has its own home, and comes again in an hour.
    is_daily = journal.run_folder.parent == root / company.name / "runs"
    if not found and fault.is_over and is_daily:
        found.append(record(untold(company, root, journal, seen, fault.says)))
    send_pending_alerts(home, company)
    return found


def _fault_of_files(company: Company) -> ConfigurationError | None:
    """What has become wrong with a company's files since the run was asked for."""
    try:
        runnable_company(company.name, str(company.folder))
    except ConfigurationError as error:
        # Another one: its traceback would hold the frames, and they the home's lock.
        return ConfigurationError(str(error))
    return None


def _replayed_tables(run: Run) -> list[SourceTable]:
    from kith.admit.replay import replayed_intervals

    return [t for t in run.company.sources if replayed_intervals(run, t)]


def _standing(run: Run, before: str | None) -> str:
    after = current_release(run.published)
    if after == before:
        return f"current is unchanged: {after or 'nothing was published yet'}"
    return f"current is the new release already: {after}"
