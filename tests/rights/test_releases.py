"""A release without a person is whole, and the same but for them."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from kith.approve.declarations import Comparison
from kith.publish.release import verify
from kith.rights import releases
from kith.rights.erasure import erase
from kith.rights.export import export_person
from kith.runs.run import Run
from kith.storage import sha256
from tests.rights.shop import ADA, ADA_ID, BOB, ask, traces_in
from tests.rights.shop import release as write_release


def test_a_release_is_written_anew_with_its_hashes(run: Run, tmp_path: Path) -> None:
    folder = (run.published / "current").resolve()
    proof = json.loads(erase(run, ask(tmp_path, f"email,{ADA}")).read_text())
    assert (run.published / "current").resolve() == folder
    assert verify(folder) == []
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rewritten"][0]["reason"] == "erasure"
    assert manifest["rewritten"][0]["rows"] == {
        "customer.customer_identifiers": 3,
        "customer.customers": 1,
        "customer.orders": 2,
    }
    assert manifest["marts"]["customer.orders"]["rows"] == 2
    with duckdb.connect(str(folder / "kith.duckdb"), read_only=True) as database:
        orders = database.execute("select order_id from customer.orders order by 1")
        assert orders.fetchall() == [("O10002",), ("O10003",)]
        told = database.execute("select examples from customer.totals").fetchall()
        assert told == [("first in [erased] and O10002",)]
        comments = database.execute("select comment from duckdb_tables()").fetchall()
        assert ("One row per orders.",) in comments
    parquet = folder / "parquet" / "customer" / "orders.parquet"
    assert duckdb.sql(f"select count(*) from '{parquet}'").fetchall() == [(2,)]
    assert proof["served_anew"] is None
    assert sorted(p.name for p in run.published.iterdir()) == [
        ".lock",
        folder.name,
        "current",
    ]


def test_a_large_mart_stays_a_view_of_files_without_the_person(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = (run.published / "current").resolve()
    (folder / "report" / "index.html").chmod(0o644)
    (folder / "report" / "index.html").write_text(f"<p>{ADA_ID}</p>")
    make_large(folder, "customer.orders")
    seen = []

    def page(_: Run, building: Path) -> None:
        with duckdb.connect(str(building / "kith.duckdb"), read_only=True) as database:
            seen.extend(database.execute("from customer.orders").fetchall())
        (building / "report").mkdir(exist_ok=True)
        (building / "report" / "index.html").write_text("<p>anew</p>")

    monkeypatch.setattr(releases, "write_page", page)
    erase(run, ask(tmp_path, f"email,{ADA}"))
    assert sorted(row[1] for row in seen) == ["O10002", "O10003"]
    assert verify(folder) == []
    assert traces_in(run.published) == set()
    entry = json.loads((folder / "manifest.json").read_text())["marts"][
        "customer.orders"
    ]
    assert entry["rows"] == 2
    with duckdb.connect(str(folder / "kith.duckdb"), read_only=True) as database:
        orders = database.execute("select order_id from customer.orders order by 1")
        assert orders.fetchall() == [("O10002",), ("O10003",)]
        views = database.execute(
            "select view_name, comment from duckdb_views() where not internal"
        )
        assert views.fetchall() == [("orders", "One row per orders.")]
        ((content,),) = database.execute(
            "select sum(hash(source, order_id, customer_id, total, ordered_on)) "
            "from customer.orders"
        ).fetchall()
    assert entry["content_hash"] == f"{content:032x}"
    assert list(run.published.glob(".tmp-*")) == []


def test_a_home_that_was_moved_is_exported_and_erased_as_well(
    run: Run, tmp_path: Path
) -> None:
    make_large((run.published / "current").resolve(), "customer.orders")
    moved = replace(run, home=tmp_path / "moved")
    run.home.rename(moved.home)
    export_person(moved, ask(tmp_path, f"email,{ADA}"), tmp_path / "out")
    rows = (tmp_path / "out" / "marts" / "customer.orders.jsonl").read_text()
    assert [json.loads(row)["total"] for row in rows.splitlines()] == [10, 80]
    erase(moved, ask(tmp_path, f"email,{ADA}"))
    folder = (moved.published / "current").resolve()
    assert verify(folder) == []
    assert traces_in(moved.home) == set()
    rewritten = json.loads((folder / "manifest.json").read_text())["rewritten"]
    assert rewritten[0]["rows"]["customer.orders"] == 2
    with duckdb.connect(str(folder / "kith.duckdb"), read_only=True) as database:
        orders = database.execute("select order_id from customer.orders order by 1")
        assert orders.fetchall() == [("O10002",), ("O10003",)]


def test_a_release_of_the_watch_is_written_anew_as_well(
    run: Run, tmp_path: Path
) -> None:
    """Its manifest tells of no marts."""
    folder = write_release(replace(run, home=run.home / "watch"))
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["marts"], manifest["report"]
    (folder / "manifest.json").chmod(0o644)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    erase(run, ask(tmp_path, f"email,{ADA}"))
    assert verify(folder) == []
    assert traces_in(run.home) == set()
    rewritten = json.loads((folder / "manifest.json").read_text())["rewritten"]
    assert rewritten[0]["rows"]["customer.orders"] == 2


def make_large(release: Path, mart: str) -> None:
    """Let a mart be files of a row each, and a view, as a publication leaves it."""
    schema, name = mart.split(".")
    for path in (release, *release.rglob("*")):
        path.chmod(0o755)
    file = release / "parquet" / schema / f"{name}.parquet"
    parts = file.with_suffix("")
    parts.mkdir()
    with duckdb.connect(str(release / "kith.duckdb")) as database:
        rows = database.execute(f"from {mart}").fetchall()
        for place in range(len(rows)):
            database.execute(
                f"copy (from {mart} limit 1 offset {place}) "
                f"to '{parts}/data_{place}.parquet' (format parquet)"
            )
        database.execute(
            f"drop table {mart}; create view {mart} as from '{parts}/*.parquet'; "
            f"comment on view {mart} is 'One row per {name}.'"
        )
    file.unlink()
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["marts"][mart]["in_database"] = "view"
    files = [p for p in release.rglob("*") if p.is_file() and p.name != "manifest.json"]
    manifest["files"] = {str(p.relative_to(release)): sha256(p) for p in files}
    (release / "manifest.json").write_text(json.dumps(manifest))


def test_numbers_that_were_published_are_kept_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monthly = Comparison(
        period="ordered_on", grain="month", measures={"total_amount": "sum(total)"}
    )
    declared = {"customer.orders": [monthly], "customer.missing": [monthly]}
    monkeypatch.setattr(releases, "comparisons", lambda _: declared)
    release = (run.published / "current").resolve()
    for person in (ADA, BOB):
        erase(run, ask(tmp_path, f"email,{person}"))
        (numbers,) = json.loads((release / "numbers.json").read_text()).values()
        assert numbers == [["month", "2024-03-01", "2024-03-31", "150"]]
        assert verify(release) == []
    manifest = json.loads((release / "manifest.json").read_text())
    assert manifest["marts"]["customer.orders"]["rows"] == 1


def test_where_nothing_can_be_exchanged_one_goes_after_the_other(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases.ctypes, "CDLL", lambda *_, **__: object())
    erase(run, ask(tmp_path, f"email,{ADA}"))
    assert verify((run.published / "current").resolve()) == []
    assert traces_in(run.published) == set()


def test_a_release_between_two_names_comes_back(run: Run, tmp_path: Path) -> None:
    release = (run.published / "current").resolve()
    release.rename(release.with_name(f".former-{release.name}"))
    erase(run, ask(tmp_path, f"email,{ADA}"))
    assert verify(release) == []
    assert traces_in(run.published) == set()


def test_rows_of_traces_without_a_person_are_known_by_their_records() -> None:
    columns = {"source": "VARCHAR", "record_id": "VARCHAR", "n": "BIGINT"}
    known = releases.Known(set(), set(), {("web", "C1")}, set())
    with duckdb.connect() as connection:
        releases.attach(connection, known)
        goes = releases.rows_of(columns)
        rows = connection.execute(
            "select n from (values ('web', 'C1', 1), ('shop', 'C1', 2), "
            f"('web', null, 3)) as t (source, record_id, n) where {goes}"
        ).fetchall()
    assert rows == [(1,)]
    assert releases.rows_of({"city": "VARCHAR"}) is None
