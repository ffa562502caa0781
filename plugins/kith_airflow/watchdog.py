"""The watchdog: of companies from outside, and when a run has not ended in time."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kith.company.folder import Company, load_company
from kith.company.promise import time_allowed
from kith.errors import ConfigurationError
from kith.failures import explained
from kith.incidents.alerts import pending
from kith.settings import environment_variable, load_request, load_settings
from kith_airflow.companies import known_companies
from kith_airflow.home import AirflowHome, Ownership

# The watchdog looks without Airflow.
if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert


def watchdog() -> int:
    """Look at one company, or at all of them: 1 where something is wrong.

    Without Airflow, so that it sees whether Airflow stands still; that is called only
    to send an alert.
    """
    settings = load_settings()
    home = AirflowHome(settings)
    named = environment_variable("COMPANY")
    chosen = [load_request().company] if named else known_companies(settings).values()
    code = 0
    for folder in chosen:
        try:
            company = load_company(folder)
        except ConfigurationError as error:
            print(f"{folder.name}: {error}", file=sys.stderr)
            code = 1
            continue
        try:
            code = max(code, watch_over(home, company))
        except Exception as error:
            # The companies after it are looked at all the same.
            known = explained(error) or f"{type(error).__name__}: {error}"
            print(f"{company.title}: cannot be looked at: {known}", file=sys.stderr)
            code = 1
    return code


def deadline_of(company: Company) -> "DeadlineAlert | None":
    """When a server must have ended a run of a company, else it looks after that.

    None where `airflow dags test` leads the run: nobody looks at deadlines there, and
    up to Airflow 3.3.2 it fails of them at the end (apache/airflow#73428).
    """
    from airflow.sdk.definitions.callback import SyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    if is_led_by_a_command():
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=time_allowed(company),
        callback=SyncCallback(look_after, {"folder": str(company.folder)}),
    )


def is_led_by_a_command() -> bool:
    """Whether this process is `airflow dags test`, which needs no server."""
    return sys.argv[1:3] == ["dags", "test"]


def look_after(folder: str, **_: Any) -> None:
    """Look at a company, of which Airflow says that a run has missed its deadline."""
    watch_over(AirflowHome(load_settings()), load_company(Path(folder)))


def watch_over(home: AirflowHome, company: Company) -> int:
    """Look at one company, say what is wrong with it, and tell who wants to know.

    Returns the exit code: 1 where something is wrong.
    """
    # Here: a DAG file and every command import this module.
    from kith.incidents.readers import standing
    from kith.watchdog.look import look

    root, now = home.settings.home, dt.datetime.now(dt.UTC)
    state = root / company.name
    found = look(company, root, now, is_led=Ownership(home).is_owned())
    if not state.is_dir():
        print(f"{company.title}: never ran")
        return 0
    print(f"{company.title}: {standing(state, company, now).text}", flush=True)
    for incident in found:
        print("\n".join(incident.lines()), file=sys.stderr)
    send_pending_alerts(home, company)
    return 1 if found else 0


def send_pending_alerts(home: AirflowHome, company: Company) -> None:
    """Let Airflow send what is still to be told of a company's incidents, if any is."""
    if not pending(home.settings.home / company.name, company):
        return
    command = [sys.executable, "-m", "kith_airflow", "alerts"]
    environment = {
        **home.environment(),
        "COMPANY": str(company.folder),
        # Connections may stand in Airflow's own database.
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    subprocess.run(command, env=environment, check=False)
