"""Releases: what they hold, and that readers never see anything but a whole one."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.company.retention import Keep, Retention
from kith.errors import PublicationError, ResourceError
from kith.gate.audit import fingerprint, permit_path
from kith.publish import release as publishing
from kith.publish.pruning import prune
from kith.publish.release import (
    lacks_page,
    publish,
    releases,
    remove_superseded,
    rollback,
    standings,
    superseded,
    verify,
)
from kith.report import page
from kith.runs.journal import Journal
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.conftest import FEW


def permit(run: Run) -> None:
    """What the gate writes when it passed."""
    run.run_folder.mkdir(parents=True, exist_ok=True)
    permit_path(run).write_text(
        json.dumps(
            {
                "run_id": run.run_id,
                "candidate": fingerprint(run),
                "passed": 80,
                "failed_warnings": ["feeds.goals: No period ends before it begins"],
            }
        )
    )


def write_page(run: Run, release: Path) -> None:
    """Stands in for the charts, most of a publication's time: see tests/report."""
    (release / "report").mkdir()
    (release / "report" / "index.html").write_text("<p>What was published</p>")


def without_page_and_metadata(patch: pytest.MonkeyPatch) -> None:
    """Publish data alone: the rest is most of a publication's time."""
    patch.setattr(publishing, "write_page", write_page)
    patch.setattr(publishing, "write_metadata", lambda *_: [])


@pytest.fixture
def run(candidate: Run, few_marts: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose candidate the gate has passed; page and metadata take no time."""
    shutil.copy(few_marts, candidate.warehouse)
    permit(candidate)
    without_page_and_metadata(monkeypatch)
    return candidate


def models(run: Run) -> dict[str, dict[str, Any]]:
    """What dbt knows of each model, by `<schema>.<table>`."""
    manifest = (run.folder / "dbt" / "target" / "manifest.json").read_text()
    return {
        f"{node['schema']}.{node['alias']}": node
        for node in json.loads(manifest)["nodes"].values()
        if node["resource_type"] == "model"
    }


def current(run: Run) -> str:
    return (run.published / "current").readlink().name


def publish_times(run: Run, count: int) -> list[str]:
    for _ in range(count):
        publish(run)
    return releases(run.published)[-count:]


def is_whole(release: Path) -> bool:
    """All that the manifest names is there as it was written, the page too."""
    manifest = json.loads((release / "manifest.json").read_text())
    return manifest["report"] in manifest["files"] and verify(release) == []


def query(database: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def change_candidate(run: Run, sql: str) -> None:
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(sql)


def test_a_release_holds_data_parquet_comments_and_manifest(
    candidate: Run,
) -> None:
    run = candidate
    permit(run)
    publish(run)
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    database = release / "kith.duckdb"
    described = {
        f"metadata/{name}"
        for name in (
            *("dbt_docs.html", "dictionary.csv"),
            *("openlineage.jsonl", "semantic_manifest.json"),
        )
    }
    assert described == {name for name in manifest["files"] if "metadata" in name}

    marts = {
        name
        for name in models(run)
        if name.split(".")[0] in ("customer", "segment", "satisfaction", "operations")
    }
    assert set(manifest["marts"]) == marts
    for name, mart in manifest["marts"].items():
        parquet = release / "parquet" / f"{name.replace('.', '/')}.parquet"
        counts = query(
            database,
            f"select (select count(*) from {name}), (select count(*) from '{parquet}')",
        )
        assert counts == [(mart["rows"], mart["rows"])], name
        assert manifest["files"][str(parquet.relative_to(release))] == mart["sha256"]
    assert manifest["marts"]["customer.customer_months"]["key"] == [
        "customer_id",
        "month",
    ]

    assert query(database, "from _release select * exclude (published_at)") == [
        (release.name, "run_1", "corner_shop", *query(database, AS_OF)[0], 80, 1)
    ]
    assert manifest["gate"] == {
        "passed": 80,
        "warnings": 1,
        "failed_warnings": ["feeds.goals: No period ends before it begins"],
    }
    assert manifest["as_of_date"] == manifest["to_day"] == "2024-12-31"
    assert manifest["from_day"] == "2024-01-01"
    assert manifest["git_commit"] is None or len(manifest["git_commit"]) == 40

    table = models(run)["customer.customer_values"]
    assert query(
        database,
        "select comment from duckdb_tables() where table_name = 'customer_values'",
    ) == [(f"{table['description']} Key: customer_id.",)]
    commented = query(
        database,
        "select column_name, comment from duckdb_columns() "
        "where table_name = 'customer_values' order by column_index",
    )
    assert commented == [
        (column["name"], column["description"]) for column in table["columns"].values()
    ]
    assert query(database, "from duckdb_constraints()") == []
    assert query(
        database, "select distinct schema_name from duckdb_tables() order by 1"
    )[:3] == [("customer",), ("main",), ("operations",)]

    assert verify(release) == []
    files = [path for path in release.rglob("*") if path.is_file()]
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o444"}
    assert len(files) == len(marts) + len(described) + 3
    assert manifest["report"] == "report/index.html"
    report = (release / manifest["report"]).read_text()
    assert "Corner shop: customer report, 31 Dec 2024" in report


AS_OF = "select distinct as_of_date from customer.customers"


def test_a_release_logs_itself_for_its_readers_and_for_the_next_build(run: Run) -> None:
    first, second = publish_times(run, 2)
    for release_id in (first, second):
        database = run.published / release_id / "kith.duckdb"
        rows = query(
            database,
            "select release_id, run_id, mart_count, failed_warning_count, row_count = "
            "(select sum(estimated_size) from duckdb_tables() "
            "where schema_name <> 'main') from operations.publications "
            "order by published_at",
        )
        assert [row[0] for row in rows] == ["20241231T000000Z_abcdef", release_id]
        assert rows[1][1:] == ("run_1", len(FEW), 1, True)
    history = run.folder / "history" / "publications"
    assert duckdb.sql(
        f"select release_id from '{history}/*.parquet' order by published_at"
    ).fetchall() == [(first,), (second,)]


def test_the_content_hash_ignores_the_order_of_rows_and_nothing_else(run: Run) -> None:
    def hashes() -> dict[str, str]:
        permit(run)
        publish(run)
        manifest = (run.published / "current" / "manifest.json").read_text()
        return {
            name: mart["content_hash"]
            for name, mart in json.loads(manifest)["marts"].items()
            if name != "operations.publications"
        }

    first = hashes()
    change_candidate(
        run,
        "create or replace table segment.concentrations as "
        "from segment.concentrations order by top_pct desc",
    )
    assert hashes() == first
    change_candidate(
        run, "update segment.concentrations set gini = 0.0363 where top_pct = 7"
    )
    changed = hashes()
    assert {name for name in first if first[name] != changed[name]} == {
        "segment.concentrations"
    }


def test_what_the_gate_has_not_passed_is_refused(run: Run) -> None:
    publish(run)
    before = current(run)
    change_candidate(run, "update segment.concentrations set gini = 0")
    with pytest.raises(PublicationError, match="changed since the gate passed"):
        publish(run)
    permit_path(run).unlink()
    with pytest.raises(PublicationError, match="the gate has not passed"):
        publish(run)
    assert current(run) == before
    assert releases(run.published) == [before]


def test_a_publication_that_fails_leaves_nothing_behind(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run)
    before = current(run)

    def full_disk(path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "sha256", full_disk)
    with pytest.raises(ResourceError, match="no space left on the disk"):
        publish(run)
    assert current(run) == before
    assert list(run.published.glob(".tmp-*")) == []


def test_a_page_that_fails_leaves_the_former_release_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run)
    before = current(run)

    def broken(*_: object) -> str:
        raise KeyError("revenue_amount")

    monkeypatch.setattr(page, "render", broken)
    monkeypatch.setattr(publishing, "write_page", page.write_page)
    with pytest.raises(KeyError):
        publish(run)
    assert current(run) == before
    assert releases(run.published) == [before]
    assert list(run.published.glob(".tmp-*")) == []
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.failure() == (
        "publish: KeyError: 'revenue_amount'; met while the report page of the release "
        "was made"
    )


def test_metadata_that_fail_beside_the_data_leave_the_former_release(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run)
    before = current(run)
    copied = []

    def broken(_: Run, release: Path) -> None:
        (release / "metadata").mkdir()
        raise KeyError("depends_on")

    def copy_table(*arguments: Any) -> None:
        copied.append(arguments)
        original(*arguments)

    original = publishing._add_table
    monkeypatch.setattr(publishing, "_add_table", copy_table)
    monkeypatch.setattr(publishing, "write_metadata", broken)
    with pytest.raises(KeyError, match="depends_on"):
        publish(run)
    assert copied
    assert current(run) == before
    assert releases(run.published) == [before]
    assert list(run.published.glob(".tmp-*")) == []


# --- readers --------------------------------------------------------------------------

# Reads until the file `stop` appears, as BI tools do; prints the reads and the faults.
# Without a pause it would take a core from the publications that it watches.
READER = """
import json, os, sys, time
from pathlib import Path
import duckdb
published, stop = Path(sys.argv[1]), Path(sys.argv[2])
reads, faults = 0, []
while not stop.exists():
    try:
        database = str(published / "current" / "kith.duckdb")
        with duckdb.connect(database, read_only=True) as c:
            seen, rows, promised = c.execute(
                "select release_id, (select count(*) from customer.customers), "
                "(select mart_count from operations.publications "
                "order by published_at desc limit 1) from _release"
            ).fetchone()
            marts = c.execute("select count(*) from duckdb_tables() "
                              "where schema_name <> 'main'").fetchone()[0]
        release = Path(os.path.realpath(published / "current"))
        manifest = json.loads((release / "manifest.json").read_text())
        parquet = release / "parquet" / "customer" / "customers.parquet"
        stored = duckdb.sql(f"select count(*) from '{parquet}'").fetchone()[0]
        if (rows, stored, marts) != (41, 41, promised):
            faults.append([seen, rows, stored, marts])
        if manifest["release_id"] != release.name:
            faults.append([release.name, manifest["release_id"]])
    except Exception as error:
        faults.append(repr(error))
    reads += 1
    time.sleep(0.01)
print(json.dumps({"reads": reads, "faults": faults, "version": duckdb.__version__}))
"""
# Looks at the pointer alone, many thousand times a second.
WATCHER = """
import json, os, sys
reads, faults = 0, []
while reads % 1000 or not os.path.exists(sys.argv[2]):
    try:
        os.readlink(sys.argv[1] + "/current")
    except OSError as error:
        faults.append(repr(error))
    reads += 1
print(json.dumps({"reads": reads, "faults": faults[:3]}))
"""


@contextmanager
def reading(
    run: Run, script: str, stop: Path, **environment: str
) -> Iterator[Callable[[], dict[str, object]]]:
    """A reader in a process of its own; yields what ends it and tells its findings."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(run.published), str(stop)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )

    def end() -> dict[str, object]:
        stop.touch()
        output, _ = process.communicate(timeout=60)
        found: dict[str, object] = json.loads(output)
        return found

    try:
        yield end
    finally:
        process.kill()
        process.wait()


def test_readers_see_whole_releases_while_ten_are_published(
    run: Run, tmp_path: Path
) -> None:
    publish(run)
    with reading(run, READER, tmp_path / "stop") as end:
        time.sleep(1)
        publish_times(run, 10)
        found = end()
    assert found["faults"] == []
    assert int(str(found["reads"])) > 10


def test_the_pointer_is_never_missing(run: Run, tmp_path: Path) -> None:
    first, second = publish_times(run, 2)
    with reading(run, WATCHER, tmp_path / "stop") as end:
        time.sleep(0.3)
        for _ in range(500):
            publishing._switch(run.published, first)
            publishing._switch(run.published, second)
        found = end()
    assert found["faults"] == []
    assert int(str(found["reads"])) > 1000


@pytest.fixture(scope="session")
def duckdb_1_4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DuckDB client of 1.4."""
    folder = tmp_path_factory.mktemp("duckdb_1_4")
    uv = Path(sys.executable).with_name("uv")
    place = ["--python", sys.executable, "--target", str(folder)]
    done = subprocess.run(
        [str(uv), "pip", "install", "--quiet", "--no-deps", *place, "duckdb==1.4.*"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no registry that gives duckdb 1.4: {done.stderr.strip()[-200:]}")
    return folder


def test_a_client_of_duckdb_1_4_reads_while_the_next_release_is_published(
    run: Run, tmp_path: Path, duckdb_1_4: Path
) -> None:
    publish(run)
    with reading(run, READER, tmp_path / "stop", PYTHONPATH=str(duckdb_1_4)) as end:
        time.sleep(1)
        publish_times(run, 3)
        found = end()
    assert str(found["version"]).startswith("1.4.")
    assert found["faults"] == []
    assert int(str(found["reads"])) > 3


# --- killed ---------------------------------------------------------------------------

# Publishes, and stands still at the n-th call of a function until it is killed.
STANDS_STILL = """
import sys, time
from kith.publish import release as publishing
from pathlib import Path
from kith.company.folder import load_company
from kith.runs.run import Interval, Run
from kith.settings import load_settings
from tests.publish.test_release import write_page
publishing.write_page = write_page
publishing.write_metadata = lambda *_: []
name, wanted = sys.argv[1], int(sys.argv[2])
company, interval = load_company(Path(sys.argv[3])), Interval.from_slug(sys.argv[4])
company = company.model_copy(update={"largest_table_rows": 40})
original, calls = getattr(publishing, name), 0
def stand_still(*arguments):
    global calls
    calls += 1
    if calls == wanted:
        print("here", flush=True)
        time.sleep(600)
    return original(*arguments)
setattr(publishing, name, stand_still)
publishing.publish(Run(company, interval, "run_1", load_settings().home))
"""


@pytest.mark.parametrize(
    ("function", "call", "is_switched"),
    [
        ("_add_table", 8, False),
        ("_entry", 8, False),
        ("write_large", 3, False),
        ("comments_sql", 1, False),
        ("add_audiences", 1, False),
        ("write_metadata", 1, False),
        ("_write_json", 1, False),
        ("write_page", 1, False),
        ("point_views", 1, False),
        ("_write_manifest", 1, False),
        ("seal", 1, False),
        ("sync", 8, False),
        ("_switch", 1, False),
        ("_log_current", 2, True),
    ],
)
def test_killed_at_any_moment_readers_and_the_next_publication_are_well(
    run: Run, function: str, call: int, is_switched: bool
) -> None:
    """Killed is a publication with views, of marts of more than 40 rows."""
    publish(run)
    before = current(run)
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", STANDS_STILL, function, str(call)),
            *(str(run.company.folder), run.interval.slug),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/plugins:{REPOSITORY}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.kill()

    killed = current(run)
    assert (killed != before) == is_switched
    for release in run.published.glob("[0-9]*"):
        # The link by which views find an unfinished one's files is no release.
        assert is_whole(release) or release.name not in releases(run.published)
        assert is_whole(release) != release.is_symlink()
    publish(run)
    assert current(run) not in (before, killed)
    assert is_whole(run.published / current(run))
    assert list(run.published.glob(".tmp-*")) == []
    logged = duckdb.sql(
        f"select release_id from '{run.folder}/history/publications/*.parquet'"
    ).fetchall()
    assert {row[0] for row in logged} == {before, killed, current(run)}


# --- rollback and pruning -------------------------------------------------------------


def test_rollback_goes_one_back_or_to_the_one_that_is_named(run: Run) -> None:
    first, second, third = publish_times(run, 3)
    assert rollback(run.folder, None) == second == current(run)
    assert rollback(run.folder, None) == first == current(run)
    with pytest.raises(PublicationError, match=f"{first} \\(current\\), {second}"):
        rollback(run.folder, None)
    assert rollback(run.folder, third) == third == current(run)
    with pytest.raises(PublicationError, match=f"no release x; at hand are {first}"):
        rollback(run.folder, "x")
    assert current(run) == third

    rollback(run.folder, first)
    publish(run)
    assert current(run) not in (first, second, third)
    assert rollback(run.folder, None) == third


def test_each_release_is_listed_with_how_it_stands(run: Run) -> None:
    assert standings(run.published) == []
    (last,) = publish_times(run, 1)
    names = [f"2024010{day}T000000Z_abcdef" for day in (1, 2, 3)] + [last]
    for name in names[:3]:
        shutil.copytree(run.published / last, run.published / name)
    (run.published / names[0] / "manifest.json").unlink()
    (run.published / names[1] / "kith.duckdb").unlink()
    (run.published / names[2] / "report" / "index.html").unlink()
    found = standings(run.published)
    assert [each.release_id for each in found] == names[::-1]
    (as_of,) = query(
        run.published / names[3] / "kith.duckdb", "select data_as_of from _release"
    )
    assert [each.as_of_date for each in found] == [*[str(as_of[0])] * 3, "unknown"]
    assert [each.is_current for each in found] == [True, False, False, False]
    assert [each.has_page for each in found] == [True, False, True, True]
    whole, no_page, no_data, no_manifest = (each.faults for each in found)
    assert whole == []
    assert no_page == ["report/index.html is missing"]
    assert no_data == ["kith.duckdb is missing"]
    assert no_manifest[0].startswith("manifest.json cannot be read")
    database = (run.published / names[3] / "kith.duckdb").stat().st_size
    assert database < found[0].bytes < 3 * database


def test_rollback_before_any_publication_says_so(run: Run) -> None:
    with pytest.raises(PublicationError, match="at hand are none"):
        rollback(run.folder, None)


@pytest.mark.parametrize(
    "name",
    ["kith.duckdb", "parquet/customer/customers.parquet", "report/index.html"],
)
@pytest.mark.parametrize("is_removed", [True, False])
def test_a_release_that_was_tampered_with_is_refused(
    run: Run, name: str, is_removed: bool
) -> None:
    first, second = publish_times(run, 2)
    path = run.published / first / name
    content = path.read_bytes()
    path.unlink()
    if not is_removed:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(
        PublicationError, match=f"{first}: {name} (is missing|was chan)"
    ):
        rollback(run.folder, None)
    assert current(run) == second


def test_a_release_of_an_earlier_version_may_lack_its_page(run: Run) -> None:
    first, second = (run.published / name for name in publish_times(run, 2))
    # As it was: switched before the page was made, for which no manifest vouched.
    manifest = json.loads((first / "manifest.json").read_text())
    del manifest["files"][manifest["report"]]
    (first / "manifest.json").chmod(0o644)
    (first / "manifest.json").write_text(json.dumps(manifest))
    assert not lacks_page(first)
    (first / manifest["report"]).unlink()
    assert rollback(run.folder, None) == first.name == current(run)
    assert lacks_page(first)
    assert not lacks_page(second)


def test_pruning_keeps_the_newest_the_recent_and_the_current(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_RELEASE_GRACE_MINUTES", "10")
    two = Keep(count=2)
    published = publish_times(run, 4)
    remove_superseded(run.published, two)
    assert releases(run.published) == published  # all within the time of grace

    rollback(run.folder, published[0])
    monkeypatch.setattr(publishing, "_age", lambda _: dt.timedelta(minutes=11))
    assert superseded(run.published, two) == [published[1]]
    assert superseded(run.published, Keep(count=2, days=1)) == []
    remove_superseded(run.published, two)
    assert releases(run.published) == [published[0], *published[2:]]
    publish(run)
    remove_superseded(run.published, two)
    assert releases(run.published) == [published[3], current(run)]
    assert list(run.published.glob(".tmp-*")) == []


def test_readers_are_not_torn_while_releases_are_pruned(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command's own way: what the summary tells is what is gone."""
    published = publish_times(run, 4)
    monkeypatch.setattr(publishing, "_age", lambda _: dt.timedelta(days=400))
    kept = Retention(releases=Keep(count=1))
    company = run.company.model_copy(update={"retention": kept})
    with reading(run, READER, tmp_path / "stop") as end:
        time.sleep(1)
        again = Run(company, run.interval, run.run_id, run.home)
        removed = prune(again, (), apply=True)
        time.sleep(1)
        found = end()
    assert found["faults"] == []
    assert [Path(each.name).name for each in removed] == published[:-1]
    assert releases(run.published) == published[-1:]


def test_orphans_of_killed_publications_are_swept(run: Run) -> None:
    publish(run)
    (run.published / ".tmp-20240101T000000Z_aaaaaa" / "parquet").mkdir(parents=True)
    (run.published / ".tmp-current-x").symlink_to("nowhere")
    publish(run)
    assert list(run.published.glob(".tmp-*")) == []


def test_a_scheme_of_three_lines_stands_in_all_marts_of_segments(
    built_shop: Run,
) -> None:
    """The corner shop's company.yml declares `spending`."""
    with duckdb.connect(str(built_shop.warehouse), read_only=True) as warehouse:

        def found(query: str) -> list[tuple]:
            return warehouse.sql(query).fetchall()

        spent = """
            with amounts as (
                select
                    customers.customer_id, count(orders.customer_id) as order_count,
                    coalesce(sum(revenue_amount), 0) as amount
                from customer.customers as customers
                left join customer.orders as orders
                    on customers.customer_id = orders.customer_id
                    and order_date > date '2024-12-31' - 365
                where customers.customer_id <> 'unidentified'
                group by customers.customer_id
            ),
            named as (
                select
                    customer_id,
                    case
                        when amount >= 500 then 'Big spender'
                        when amount > 0 then 'Spender'
                        else 'other'
                    end as segment
                from amounts
            )
        """
        sizes = found(f"{spent} select segment, count(*) from named group by segment")
        assert {segment for segment, _ in sizes} >= {"Big spender", "Spender"}
        assert sorted(sizes) == found(
            "select segment, customer_count from segment.segments "
            "where scheme = 'spending' and state_on = as_of_date "
            "and segment <> 'unidentified' order by segment"
        )
        assert (
            found(
                f"{spent} from named full join (from segment.segment_memberships "
                "where scheme = 'spending' and is_current) as memberships "
                "using (customer_id) where named.segment is distinct from "
                "memberships.segment"
            )
            == []
        )
        assert sorted(sizes) == found(
            "select to_segment, sum(customer_count)::bigint "
            "from segment.segment_transitions "
            "where scheme = 'spending' and state_on = as_of_date "
            "and to_segment <> 'unidentified' group by all order by all"
        )
        assert found(
            "select segment, position, owner, definition_version, condition "
            "from segment.schemes where scheme = 'spending' order by position"
        ) == [
            ("Big spender", 1, "kith", 1, "revenue_amount_365d >= 500"),
            ("Spender", 2, "kith", 1, "revenue_amount_365d > 0"),
        ]
