"""Commands for the rights of a person."""

import datetime as dt
import json

from kith.company.folder import load_company
from kith.errors import TransientError
from kith.pull.connections import environment_connection
from kith.runs.run import Interval, Run
from kith.runs.source_systems import keys_of
from kith.settings import load_request, load_settings
from kith_airflow.companies import logs_of
from kith_airflow.home import AirflowHome, Ownership


def _rights_run(name: str) -> Run:
    company = load_company(load_request().company)
    moment = dt.datetime.now(dt.UTC)
    days = Interval(company.first_day, company.first_day)
    return Run(company, days, f"{name}__{moment:%Y%m%dT%H%M%S%f}", load_settings().home)


def erase() -> int:
    """Say what is held of the persons whom FILE names; with APPLY=yes erase it."""
    from kith.rights.erasure import erase, is_left_out, is_pending
    from kith.rights.plan import preview

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
        left_out = is_left_out(run, request.file)
        proof = erase(
            run,
            request.file,
            logs,
            others=(home.folder,),
            find_connection=environment_connection,
        )
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
    if told["left"]:
        print(
            "What is left stands where it may be somebody else's word, or in a file "
            "that Kith cannot write anew; look into each, take it out by hand or at "
            "its source, and erase the same persons again (docs/rights.md)"
        )
    print(
        "Erase the person at the sources too: their files and databases are not "
        "Kith's. The next run publishes the new totals: make run "
        f"COMPANY={run.company.folder}"
    )
    if left_out:
        print(
            f"The persons of {request.file} were NOT erased: this has ended an erasure "
            "that was begun before; run make erase APPLY=yes with this FILE again"
        )
    return 1 if told["left"] or left_out else 0


def export_person() -> int:
    """Write all that is held of the person whom FILE names to the folder TO."""
    from kith.rights.export import export_person

    request, run = load_request(), _rights_run("export")
    with keys_of(run.company, run.home):
        print(export_person(run, request.file, request.target))
    return 0
