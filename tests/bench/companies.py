"""Five companies on one server, asked for runs at the same moment, again and again.

    python -m tests.bench.companies --rounds 10

The companies are corner shops; a file of the last one is damaged. In each round all are
asked at once, each once, by requests that are not repeated, and the round ends with the
last run. It fails unless every run was created and ended, each of the first four with
success, and each of the last one as failed. Everything is made in a new folder, which
is removed when all went well.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kith.settings import REPOSITORY
from kith_airflow.companies import dag_id
from kith_airflow.home import USER
from kith_airflow.server import Api
from tests.companies.generate import generate
from tests.conftest import CORNER_SHOP_FORMATS
from tests.kith_airflow.test_server import free_port, replace, small_shop

NAMES = ("ash", "beech", "cedar", "damson", "elder")
BROKEN = NAMES[-1]
DAYS = {"from_day": "2024-01-01", "to_day": "2024-12-31"}
ENDED = ("success", "failed")


def make_companies(folder: Path) -> dict[str, Path]:
    """Corner shops of 3,000 interactions, of which the last delivers half a file."""
    shop = generate(folder / "corner_shop", 3000, CORNER_SHOP_FORMATS)
    companies = {}
    for name in NAMES:
        companies[name] = small_shop(shop, folder / name)
        replace(companies[name] / "company.yml", "name: corner_shop", f"name: {name}")
    orders = companies[BROKEN] / "data" / "orders.csv.gz"
    orders.write_bytes(orders.read_bytes()[: orders.stat().st_size // 2])
    return companies


def ask(url: str, password: str, run: tuple[str, str]) -> str:
    """Ask once for a run; returns what went wrong, or nothing."""
    name, run_id = run
    try:
        Api(url, password).trigger(dag_id(name), run_id, DAYS)
    except Exception as error:
        return f"{name}: {error}"
    return ""


def wait(api: Api, runs: dict[str, str], deadline: float) -> dict[str, str]:
    """States of the runs once all have ended, or the time is over."""
    states: dict[str, str] = {}
    while set(states.values()) - set(ENDED) or len(states) < len(runs):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
        states = {
            name: api.state(dag_id(name), run_id) for name, run_id in runs.items()
        }
    return states


def play(home: Path, url: str, rounds: int, minutes: int) -> list[str]:
    """Ask for all rounds; returns what went wrong."""
    file = home / "airflow" / "simple_auth_manager_passwords.json.generated"
    password = json.loads(file.read_text())[USER]
    api = Api(url, password)
    faults: list[str] = []
    expected = {name: "failed" if name == BROKEN else "success" for name in NAMES}
    for number in range(1, rounds + 1):
        begun = time.monotonic()
        runs = {name: f"{name}__round_{number}" for name in NAMES}
        with ThreadPoolExecutor(len(runs)) as threads:
            refused = list(
                threads.map(lambda run: ask(url, password, run), runs.items())
            )
        created = time.monotonic() - begun
        refused = [fault for fault in refused if fault]
        faults += refused
        states = {} if refused else wait(api, runs, begun + 60 * minutes)
        if states != expected:
            faults.append(f"round {number}: {states}")
        releases = {
            name: sum(path.is_dir() for path in (home / name / "published").glob("2*"))
            for name in NAMES
        }
        print(
            f"round {number}: created {len(NAMES) - len(refused)} of {len(NAMES)} in "
            f"{created:.1f} s, ended after {time.monotonic() - begun:.0f} s: "
            f"{states}; releases kept {releases}",
            flush=True,
        )
    return faults


def main() -> int:
    """Play the rounds on a server that is started for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--minutes", type=int, default=20, help="limit of one round")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kith-companies-"))
    companies = make_companies(folder / "companies")
    home, port = folder / "home", free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "plugins"),
        "KITH_HOME": str(home),
        "KITH_PORT": str(port),
        "KITH_COMPANIES": ",".join(map(str, companies.values())),
    }

    def kith(command: str) -> None:
        called = [sys.executable, "-m", "kith_airflow", command]
        subprocess.run(called, env=environment, cwd=REPOSITORY, check=True)

    try:
        kith("up")
        faults = play(home, f"http://127.0.0.1:{port}", given.rounds, given.minutes)
        restarts = (home / "airflow" / "restarts.jsonl").read_text()
    finally:
        kith("down")
    faults += [f"restarted: {line}" for line in restarts.splitlines()]
    print("\n".join(faults) or "every run was created and ended as expected")
    if not faults:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
