"""Commands about the Airflow server."""

import os
import subprocess
from collections import Counter
from contextlib import ExitStack

from kith.company.folder import load_company
from kith.settings import load_request, load_settings
from kith_airflow import server as airflow_server
from kith_airflow.companies import known_companies
from kith_airflow.home import LAUNCH, USER, AirflowHome, Ownership
from kith_airflow.server import Api


def up() -> int:
    """Start the Airflow server."""
    settings = load_settings()
    home = AirflowHome(settings, serves=True)
    companies = known_companies(settings)
    runner = airflow_server.owner_or_server(home)
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
    runner = airflow_server.owner_or_server(home)
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


def alerts() -> int:
    """Send what is still to be told of a company's incidents."""
    from kith_airflow.alerts import send_pending

    settings, company = load_settings(), load_company(load_request().company)
    for line in send_pending(settings.home / company.name, company):
        print(line)
    return 0
