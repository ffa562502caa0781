"""The commands behind `make run`, `make company`, `make up` and their like."""

import datetime as dt
import getpass
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from typing import Any, TypeVar

from kith.company.folder import Company, load_company
from kith.company.tables import SourceTable
from kith.errors import ConfigurationError, KithError, TransientError
from kith.failures import explained
from kith.incidents.history import open_incidents, record_success
from kith.incidents.incident import Incident
from kith.incidents.readers import current_day
from kith.pull.connections import environment_connection
from kith.runs.journal import Journal, describe, summary
from kith.runs.run import (
    Interval,
    Run,
    current_release,
    folder_name,
    last_complete_day,
    requested_interval,
)
from kith.runs.source_systems import keys_of, source_systems
from kith.settings import (
    REPOSITORY,
    Request,
    load_request,
    load_settings,
)
from kith_airflow import server as airflow_server
from kith_airflow.companies import (
    COMPANIES,
    dag_id,
    known_companies,
    logs_of,
    runnable_company,
    watch_id,
)
from kith_airflow.home import (
    LAUNCH,
    USER,
    AirflowHome,
    Ownership,
    end_session,
    last_line,
)
from kith_airflow.server import Api, ApiError
from kith_airflow.watchdog import send_pending_alerts, watchdog

T = TypeVar("T")
POLL_SECONDS = 0.2
# So much of the end of a run's log is looked through for what it died of.
_LOG_BYTES = 1 << 16
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
        return _day(name, text) if text else default

    return requested_interval(
        company,
        day("FROM", request.from_day, company.first_day),
        day("TO", request.to_day, default_end),
    )


def _day(name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{name}={text}: not a day; write it as 2017-01-31"
        ) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make the first signal to stop a KeyboardInterrupt, and ignore those after it.

    They come in numbers, as when make hands on what its group has received, and must
    not stop the cleaning up. What is ignored already stays so, as under nohup.
    """

    def interrupt(*_: Any) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers = {number: signal.getsignal(number) for number in _STOPS}
    before = {n: old for n, old in handlers.items() if old != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow(journal: Journal) -> None:
    for entry in journal.new_entries():
        if line := describe(entry):
            print(line, flush=True)


def _owner_or_server(home: AirflowHome) -> Ownership | Api:
    """Become the owner of the Airflow home, or find the server that owns it.

    Waits while another run owns it, or while the server is starting. Ends what a
    server has left whose supervisor was killed: nobody would start its parts again.
    """
    ownership = Ownership(home)
    told = ""
    deadline = time.monotonic() + airflow_server.START_SECONDS
    while not ownership.acquire():
        owner = ownership.owner()
        if owner.get("kind") == "server":
            if airflow_server.end_leftovers(owner):
                print("Ended what a killed Airflow server has left", flush=True)
                continue
            api = Api(owner["url"], home.password(), owner["since"])
            if api.is_ready(map(dag_id, owner["companies"])):
                return api
            if time.monotonic() > deadline:
                raise KithError(
                    f"the Airflow server at {api.url} was not ready after "
                    f"{airflow_server.START_SECONDS} s; see {home.logs}, and start it "
                    "anew with `make down` and `make up`"
                )
            news = f"Waiting for the Airflow server at {api.url} to be ready …"
        else:
            news = f"Waiting for another run to end (process {owner.get('pid')}) …"
        if news != told and owner:
            print(news, flush=True)
            told = news
        time.sleep(1)
    return ownership


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


def _run_in_process(
    home: AirflowHome, ownership: Ownership, run: Run, params: dict[str, Any], dag: str
) -> tuple[Journal, RunFault | None]:
    """Let a child process of Airflow lead the run. Returns what it failed of."""
    home.prepare({run.company.name: run.company.folder})
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
    with source_systems(run.company, home.settings.home):
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


def run() -> int:
    """Run the pipeline through Airflow and say what came out."""
    return _run(replays=False)


def replay() -> int:
    """The same on what was pulled before, judged anew; nothing new is pulled."""
    return _run(replays=True)


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
    runner = _owner_or_server(home)
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


def alerts() -> int:
    """Send what is still to be told of a company's incidents."""
    from kith_airflow.alerts import send_pending

    settings, company = load_settings(), load_company(load_request().company)
    for line in send_pending(settings.home / company.name, company):
        print(line)
    return 0


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


def up() -> int:
    """Start the Airflow server."""
    settings = load_settings()
    home = AirflowHome(settings, serves=True)
    companies = known_companies(settings)
    runner = _owner_or_server(home)
    if isinstance(runner, Api):
        print(f"Airflow is already up: {runner.url}")
        faults = runner.import_errors()
        _tell_restarts(home)
    else:
        print("Starting Airflow …", flush=True)
        faults = airflow_server.start(home, runner, companies)
        print(f"Airflow is up: {home.url}")
    print(f"  companies {', '.join(Ownership(home).owner()['companies'])}")
    for dag, fault in faults.items():
        print(f"            {dag} cannot run: {fault}")
    print(f"  user      {USER}")
    print(f"  password  in {home.password_file}")
    print(f"  logs      {home.logs}")
    return 0


def _tell_restarts(home: AirflowHome) -> None:
    """Say which parts of the server died, since somebody should look after it."""
    last = {each["part"]: each for each in airflow_server.restarts(home)}
    counts = Counter(each["part"] for each in airflow_server.restarts(home))
    for part, each in last.items():
        print(f"  restarted {part}, {counts[part]} times, last {each['at']}, because")
        print(f"            {each['reason']}")


def airflow() -> int:
    """Call Airflow's own command line, on the metadata of the server.

    Without a server they are made accessible for as long as the command takes.
    """
    settings = load_settings()
    home = AirflowHome(settings, serves=True)
    command = [*LAUNCH, *load_request().arguments]
    runner = _owner_or_server(home)
    with ExitStack() as stack:
        if isinstance(runner, Ownership):
            stack.callback(runner.release)
            runner.write_note("run", os.getpid())
            home.prepare(known_companies(settings))
            if home.postgres:
                stack.enter_context(home.postgres.running())
        return subprocess.run(command, env=home.environment(), check=False).returncode


def prepare() -> int:
    """Prepare the Airflow home for the server of docker compose."""
    settings = load_settings()
    home = AirflowHome(settings, serves=True)
    home.password()
    home.prepare(known_companies(settings))
    return 0


def down() -> int:
    """Stop the Airflow server and nothing else."""
    if airflow_server.stop(AirflowHome(load_settings())):
        print("Airflow is down")
    else:
        print("No Airflow server of this KITH_HOME is running")
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
    return open_shell(database, state / "scratch")


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


def _rights_run(name: str) -> Run:
    company = load_company(load_request().company)
    moment = dt.datetime.now(dt.UTC)
    days = Interval(company.first_day, company.first_day)
    return Run(company, days, f"{name}__{moment:%Y%m%dT%H%M%S%f}", load_settings().home)


def erase() -> int:
    """Say what is held of the persons whom FILE names; with APPLY=yes erase it."""
    from kith.rights.erasure import erase, is_pending, preview

    request, run = load_request(), _rights_run("erase")
    with keys_of(run.company, run.home):
        if not request.is_applied:
            if is_pending(run):
                print("An erasure was begun and has not ended; APPLY=yes ends it")
                return 1
            print("\n".join(preview(run, request.file).lines()))
            print("Nothing was erased; make erase APPLY=yes with the same FILE does it")
            return 0
        home = AirflowHome(load_settings())
        owner = Ownership(home)
        if owner.is_owned() and owner.owner().get("kind") == "run":
            raise TransientError(
                f"{home.folder}: a run is in progress (process "
                f"{owner.owner().get('pid')}); expected none; wait until it has ended"
            )
        logs = logs_of(run.company.name)
        proof = erase(run, request.file, logs, others=(home.folder,))
    told = json.loads(proof.read_text(encoding="utf-8"))
    print(f"Erased, entry {', '.join(map(str, told['entries']))}; proof: {proof}")
    for kind, tables in told["removed"].items():
        rows = sum(each["rows"] for each in tables.values())
        files = sum(each["files"] for each in tables.values())
        print(f"  {kind:<11}{rows:>9,} rows, {files:,} files of {len(tables)} tables")
    print(f"  releases   {len(told['releases']):>9,} written anew")
    print(f"  searched   {told['searched_files']:>9,} files, {len(told['left'])} left")
    for place in told["left"]:
        print(f"             {place}")
    print(
        "Erase the person at the sources too: their files and databases are not "
        "Kith's. The next run publishes the new totals: make run "
        f"COMPANY={run.company.folder}"
    )
    return 1 if told["left"] else 0


def export_person() -> int:
    """Write all that is held of the person whom FILE names to the folder TO."""
    from kith.rights.export import export_person

    request, run = load_request(), _rights_run("export")
    with keys_of(run.company, run.home):
        print(export_person(run, request.file, request.target))
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
        return _day(name, text) if text else None

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


COMMANDS: dict[str, Callable[[], int]] = {
    "run": run,
    "up": up,
    "down": down,
    "rollback": rollback,
    "company": company,
    "replay": replay,
    "airflow": airflow,
    "prepare": prepare,
    "dbt": dbt,
    "shell": shell,
    "identity-explain": identity_explain,
    "watch": watch,
    "show": show,
    "releases": releases,
    "metric": metric,
    "superset": superset,
    "lineage": lineage,
    "prune": prune,
    "serve": serve,
    "reproduce": reproduce,
    "approve": approve,
    "rebuild": rebuild,
    "watchdog": watchdog,
    "alerts": alerts,
    "catch-up": catch_up,
    "erase": erase,
    "export-person": export_person,
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code. An error is one line on stderr."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m kith_airflow {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        with _interruptible():
            return COMMANDS[arguments[0]]()
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        print(f"Failed: {known}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        return 130
