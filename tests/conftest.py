"""What several test files share: a run of the whole pipeline, on a company."""

import datetime as dt
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from xdist.scheduler import LoadScopeScheduling

from kith.build.control_tables import LOGS
from kith.company.folder import PUBLISHED_SCHEMAS, load_company
from kith.errors import GateError
from kith.incidents.failure import describe
from kith.incidents.history import record_failure
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY
from kith.storage import sha256_of
from tests.companies.generate import generate
from tests.companies.whole_shop import generate_whole_shop

CORNER_SHOP_FORMATS = {
    "customers": "csv",
    "products": "jsonl.gz",
    "orders": "csv.gz",
    "order_lines": "csv",
    "mailings": "csv.zst",
    "clicks": "jsonl.zst",
}


# Enough to publish: with all marts each of so many publications would take seconds.
FEW = (
    *("customer.customers", "customer.customer_values", "customer.orders"),
    *("satisfaction.complaints", "segment.concentrations", "segment.segments"),
    *("operations.gate_results", "operations.publications"),
    *("operations.restatements", "operations.source_deliveries"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip-unless",
        metavar="REASON",
        action="append",
        help="end non-zero when a test was skipped for any reason but these, word for "
        "word: for machines that have everything else",
    )


# Files that share a server, a company's run or pages, and the other slow files, the
# slowest first. The tests of a group run in one process, so that each of these is made
# once. (xdist's own groups, by mark, put nothing together under pytest 9.2.)
GROUPS = {
    "pipeline": "tests/test_pipeline",
    "demo": "tests/companies/test_demo",
    "grocer": r"tests/(build/test_dbt"
    r"|dbt_project/test_(customer_marts|segment_marts|intermediate|indicators))",
    "server": "tests/kith_airflow/test_server",
    "publication": "tests/publish/",
    "approval": "tests/approve/",
    "expectations": "tests/expectations/",
    "unfinished": "tests/build/test_candidate",
    "spark": "tests/build/test_spark",
    "gate": "tests/gate/",
    "strangers": "tests/onboard/test_(scaffold|strangers)",
    "survey": "tests/companies/test_sfo_survey",
    "rights": "tests/rights/",
    "reproduction": "tests/reproduce/",
    "desk": "tests/companies/test_service_desk",
    "pages": "tests/report/",
    "commands": "tests/kith_airflow/commands/",
    "catalogue": "tests/(catalogue|dashboards)/",
    "serving": "tests/serve/",
}


def _group(nodeid: str) -> str:
    found = (name for name, files in GROUPS.items() if re.match(files, nodeid))
    return next(found, nodeid.split("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """Gives the tests of one group, else those of one file, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow groups first."""
    places = {name: place for place, name in enumerate(GROUPS)}
    items.sort(key=lambda item: places.get(_group(item.nodeid), len(places)))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, without the file in which that stands."""
    *_, reason = report.longrepr
    return str(reason).removeprefix("Skipped: ")


def pytest_sessionfinish(session: pytest.Session) -> None:
    accepted = session.config.getoption("--fail-on-skip-unless")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if accepted is None or reporter is None:
        return
    reasons = [_reason(report) for report in reporter.stats.get("skipped", [])]
    unexpected = [reason for reason in reasons if reason not in accepted]
    if unexpected and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"\nskipped unexpectedly: {unexpected}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder that pytest gives all processes of this run."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A folder that the first process to need it makes, and that all of them read."""
    shared = shared_folder(factory)
    folder = shared / name
    with (shared / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() != "made":
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            lock.write("made")
    return folder


@pytest.fixture(scope="session")
def _parses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Path]]:
    """Give a new home dbt's parse of an earlier one, if it was told the same vars.

    It is a quarter of a small build; dbt itself parses anew what files have changed.
    Yields which home's parse is to be kept where, for all processes.
    """
    from kith.build import dbt

    folder = shared_folder(tmp_path_factory) / "parses"
    folder.mkdir(exist_ok=True)
    first: dict[Path, Path] = {}
    assemble_project = dbt.assemble_project

    def assemble(run: Run) -> Path:
        parse = dbt.target(run) / "partial_parse.msgpack"
        told = [run.company.engine, dbt.dbt_vars(run.company)]
        kept = folder / sha256_of(told)
        own = first.setdefault(kept, parse)
        for known in (kept, own):
            if known.is_file() and not parse.exists():
                parse.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(known, parse)
        return assemble_project(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "assemble_project", assemble)
        yield first


@pytest.fixture(autouse=True)
def _parse_kept(_parses: dict[Path, Path]) -> Iterator[None]:
    yield
    for kept, parse in _parses.items():
        if parse.is_file() and not kept.exists():
            whole = kept.with_suffix(f".{os.getpid()}")
            shutil.copy(parse, whole)
            whole.replace(kept)


@pytest.fixture(scope="session", autouse=True)
def _vega_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give all homes one bundle of Vega: to make one takes three seconds."""
    from kith.report import page

    vega_bundle = page.vega_bundle
    folder = tmp_path_factory.mktemp("vega")

    def kept(home: Path) -> str:
        if not (home / "cache").exists():
            vega_bundle(folder)
            shutil.copytree(folder / "cache", home / "cache")
        return vega_bundle(home)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "vega_bundle", kept)
        yield


@pytest.fixture
def kith_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $KITH_HOME of the test's own."""
    home = tmp_path / "home"
    monkeypatch.setenv("KITH_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def corner_shop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corner shop of 3,000 interactions, as files; not to be changed."""
    folder = tmp_path_factory.mktemp("corner_shop")
    return generate(folder, 3000, CORNER_SHOP_FORMATS)


def new_run(
    company: Path, from_day: str = "2024-01-01", to_day: str = "2024-12-31"
) -> Run:
    """A run over these days in the current $KITH_HOME."""
    return Run(
        company=load_company(company),
        interval=Interval(
            dt.date.fromisoformat(from_day), dt.date.fromisoformat(to_day)
        ),
        run_id=f"test__{uuid.uuid4().hex}",
        home=Path(os.environ["KITH_HOME"]),
    )


def run_pipeline(run: Run) -> Path:
    """Call the stages in the DAG's order; returns the release now current."""
    from kith.gate.audit import audit
    from kith.publish.release import publish

    build_candidate(run)
    for closing in (audit, publish):
        closing(run)
    return (run.published / "current").resolve()


def build_candidate(run: Run) -> None:
    """Call the stages up to the build."""
    from kith.admit.table import admit_table
    from kith.build.candidate import build
    from kith.pull.table import pull_table

    for stage in (pull_table, admit_table):
        for table in run.company.sources:
            stage(run, table.full_name)
    build(run)


def content_hashes(release: Path) -> dict[str, str]:
    """Content hash of each mart, without the logs of runs."""
    marts = json.loads((release / "manifest.json").read_text())["marts"]
    return {
        name: mart["content_hash"]
        for name, mart in marts.items()
        if name.removeprefix("operations.") not in LOGS
    }


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that built the shop with a row in every feed and mart; not to be changed.

    Nobody has judged its candidate yet; an earlier run was published.
    """
    home = made_once(tmp_path_factory, "built_shop", _build_shop)
    return _run_of_shop(home)


def _run_of_shop(home: Path) -> Run:
    year = Interval(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    return Run(load_company(home / "company"), year, "run_1", home)


def _build_shop(home: Path) -> None:
    generate_whole_shop(home / "company")
    run = _run_of_shop(home)
    company, year = run.company, run.interval
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(home))
        failed = describe(GateError("x: 'y' failed; see z"), "audit", "", year, "run_0")
        record_failure(run.folder, company.name, company, failed)
        build_candidate(run)
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(
            """
            insert into operations.gate_results by name
            select 'run_0' as run_id, 'customer.customers' as table_name,
                'Somebody is there' as expectation, 'critical' as severity,
                'passed' as outcome, timestamp '2024-12-31' as checked_at,
                date '2024-12-31' as as_of_date;
            insert into operations.publications by name
            select '20241231T000000Z_abcdef' as release_id, 'run_0' as run_id,
                timestamp '2024-12-31' as published_at, date '2024-12-30' as from_day,
                date '2024-12-30' as to_day, date '2024-12-30' as data_as_of,
                1 as mart_count, 1 as row_count, 0 as failed_warning_count,
                date '2024-12-31' as as_of_date;
            insert into operations.restatements by name
            select '20241231T000000Z_abcdef' as release_id, 'run_0' as run_id,
                timestamp '2024-12-31' as published_at, 'customer.orders' as mart,
                'month' as period_grain, date '2024-11-01' as period_start,
                date '2024-11-30' as period_end, '{}' as dimensions,
                'order_count' as measure, 100 as old_value, 101 as new_value,
                1 as difference, 1.0 as change_pct, 'late data' as reason,
                false as is_beyond_limit, date '2024-12-31' as as_of_date
            """
        )


def keep_few(warehouse: Path) -> None:
    """Drop all marts but `FEW`."""
    with duckdb.connect(str(warehouse)) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall():
            if schema in PUBLISHED_SCHEMAS and f"{schema}.{table}" not in FEW:
                connection.execute(f"drop table {schema}.{table}")


@pytest.fixture(scope="session")
def few_marts(built_shop: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built shop's warehouse with few of its marts."""
    path = tmp_path_factory.mktemp("few") / built_shop.warehouse.name
    shutil.copy(built_shop.warehouse, path)
    keep_few(path)
    return path


@pytest.fixture
def candidate(built_shop: Run, kith_home: Path) -> Run:
    """The same run in a $KITH_HOME of the test's own, with a copy of the candidate."""
    return copied_candidate(built_shop, kith_home)


def copied_candidate(built_shop: Run, home: Path) -> Run:
    """The same run in another $KITH_HOME, with what is read of its build."""
    run = Run(built_shop.company, built_shop.interval, built_shop.run_id, home)
    artefacts = [
        Path("dbt", "target", name)
        for name in ("manifest.json", "semantic_manifest.json")
    ]
    for path in (Path("warehouse", run.warehouse.name), *artefacts):
        (run.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(built_shop.folder / path, run.folder / path)
    return run


@pytest.fixture(scope="session")
def kith_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python -m kith_airflow …` in a process of its own, as the Makefile calls it."""

    def call(
        *arguments: str, timeout: int = 600, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kith_airflow", *arguments],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY / "plugins"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def complete_journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of the company complete_journey after a run of all its days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(tmp_path_factory.mktemp("complete_journey")))
        company = REPOSITORY / "companies" / "complete_journey"
        run = new_run(company, "2017-01-01", "2017-12-31")
        run_pipeline(run)
    return run.folder


@pytest.fixture(scope="session")
def complete_journey_candidate(complete_journey: Path) -> Path:
    """The candidate of that run, a DuckDB file with all models."""
    return complete_journey / "warehouse" / "kith_build.duckdb"


@pytest.fixture(scope="session")
def demo(
    tmp_path_factory: pytest.TempPathFactory,
    kith_command: Callable[..., subprocess.CompletedProcess[str]],
) -> Path:
    """State of the demo company after `make run`, through Airflow."""

    def make(home: Path) -> None:
        done = kith_command("run", COMPANY="companies/demo", KITH_HOME=str(home))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    return made_once(tmp_path_factory, "demo", make) / "demo"
