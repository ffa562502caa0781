"""Marts of many rows are Parquet alone, and everybody reads them as before."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.approve.approval import compare
from kith.catalogue.metrics import Metrics
from kith.publish import large_marts
from kith.publish import release as publishing
from kith.publish.release import publish, releases, standings, verify
from kith.report.show import show_customer
from kith.runs.marts import connect_release, parquet_files
from kith.runs.run import Run
from tests.conftest import FEW
from tests.publish.test_release import (
    permit,
    query,
    without_page_and_metadata,
    write_page,
)

# Those of operations stay tables, and the shop has one complaint.
LARGE = {mart for mart in FEW if not mart.startswith("operations.")}
LARGE -= {"satisfaction.complaints"}


def small(run: Run) -> Run:
    """The run of a company for which each mart of two rows is large."""
    company = run.company.model_copy(
        update={"largest_table_rows": 1, "audiences": ["without_personal_data"]}
    )
    return dataclasses.replace(run, company=company)


@pytest.fixture
def run(candidate: Run, few_marts: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shutil.copy(few_marts, candidate.warehouse)
    without_page_and_metadata(monkeypatch)
    return small(candidate)


def current(run: Run) -> Path:
    return (run.published / "current").resolve()


def manifest_of(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "manifest.json").read_text())
    return found


def test_a_large_mart_is_a_view_with_the_rows_and_comments_of_the_table(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit(run)
    company = run.company.model_copy(update={"largest_table_rows": 10**6})
    publish(dataclasses.replace(run, company=company))
    tables = current(run)
    monkeypatch.setattr(large_marts, "_FILE_SIZE", "1kB")
    publish(run)
    views = current(run)
    assert tables != views
    assert verify(views) == []
    marts = manifest_of(views)["marts"]
    is_view = {name: mart["in_database"] == "view" for name, mart in marts.items()}
    assert {name for name, is_so in is_view.items() if is_so} == LARGE
    for mart in LARGE:
        assert (
            marts[mart]["content_hash"]
            == (manifest_of(tables)["marts"][mart]["content_hash"])
        )
        rows = [
            query(release / "kith.duckdb", f"from {mart} order by all")
            for release in (tables, views)
        ]
        assert rows[0] == rows[1]
        assert len(rows[0]) == marts[mart]["rows"] > 0
        assert parquet_files(tables, mart) == [
            tables / "parquet" / f"{mart.replace('.', '/')}.parquet"
        ]
        stored = [str(path) for path in parquet_files(views, mart)]
        assert duckdb.read_parquet(stored).order("all").fetchall() == rows[0]
    told = (
        "select schema_name, {name}, comment from {all} where not internal order by all"
    )
    names = {"duckdb_tables()": "table_name", "duckdb_views()": "view_name"}
    comments = [
        sorted(
            row
            for source, name in names.items()
            for row in query(
                release / "kith.duckdb", told.format(all=source, name=name)
            )
        )
        for release in (tables, views)
    ]
    assert comments[0] == comments[1]
    columns = (
        "select schema_name, table_name, column_name, data_type, comment "
        "from duckdb_columns() where not internal order by all"
    )
    assert query(views / "kith.duckdb", columns) == query(
        tables / "kith.duckdb", columns
    )
    # What is given to an audience holds its rows itself.
    given = "kith_without_personal_data.duckdb"
    segments = "from segment.segments order by all"
    assert query(views / given, segments) == query(tables / given, segments) != []


def test_a_mart_of_many_rows_is_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_marts, "_FILE_SIZE", "100kB")
    with duckdb.connect() as connection:
        connection.execute(
            "attach ':memory:' as release; create schema release.customer"
        )
        connection.execute(
            "attach ':memory:' as candidate; create schema candidate.customer"
        )
        connection.execute(
            "create table candidate.customer.orders as "
            "select i, md5(i::varchar) as id from range(400000) t (i)"
        )
        large_marts.write_large(connection, "candidate", "customer.orders", tmp_path)
        assert len(parquet_files(tmp_path, "customer.orders")) > 1
        for place in ("release", "candidate"):
            assert (
                connection.execute(
                    f"select count(*), sum(hash(i, id)) from {place}.customer.orders"
                ).fetchall()
                == connection.execute(
                    "select count(*), sum(hash(i, md5(i::varchar))) "
                    "from range(400000) t (i)"
                ).fetchall()
            )


def test_a_folder_may_have_a_name_that_is_a_pattern(
    candidate: Run, few_marts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_page_and_metadata(monkeypatch)
    run = dataclasses.replace(small(candidate), home=tmp_path / "it's [a] *home")
    shutil.copytree(candidate.folder, run.folder)
    shutil.copy(few_marts, run.warehouse)
    permit(run)
    publish(run)
    assert query(current(run) / "kith.duckdb", "select count(*) from customer.orders")


def test_killed_while_the_views_are_pointed_the_next_publication_clears_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit(run)
    publish(run)
    before = current(run)
    looked = []

    class Killed(BaseException):
        pass

    def killed(database: Path, release: Path, scratch: Path) -> None:
        # Under its own name it is there, and nobody takes it for a release.
        assert (release / "kith.duckdb").is_file()
        assert (release / "manifest.json").is_file()
        assert releases(run.published) == [before.name]
        assert [each.release_id for each in standings(run.published)] == [before.name]
        looked.append(release)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "point_views", killed)
        # A process that is killed removes nothing.
        patch.setattr(publishing.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            publish(run)
    assert looked[0].is_symlink()
    assert current(run) == before
    assert releases(run.published) == [before.name]
    publish(run)
    assert len(releases(run.published)) == 2
    assert not any(path.is_symlink() for path in run.published.glob("[0-9]*"))
    assert list(run.published.glob(".tmp-*")) == []
    assert verify(current(run)) == []


def test_of_a_release_that_was_moved_kith_reads_all(
    candidate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small(candidate)
    monkeypatch.setattr(publishing, "write_page", write_page)
    permit(run)
    publish(run)
    moved = dataclasses.replace(run, home=tmp_path / "another's")
    told = []
    for each in (run, moved):
        if each is moved:
            run.home.rename(moved.home)
        release, scratch = current(each), each.folder / "scratch"
        with connect_release(release / "kith.duckdb", scratch=scratch) as opened:
            values = opened.execute(
                "select customer_id, revenue_amount from customer.customer_values "
                "where order_count > 1 order by all"
            ).fetchall()
        metrics = Metrics(release, scratch)
        told.append(
            [
                values,
                show_customer(each.company, each.folder, values[0][0]),
                metrics.table("revenue", ["month"]),
                compare(each).changes,
            ]
        )
        assert verify(release) == []
    assert told[0] == told[1]
    with pytest.raises(duckdb.IOException, match="No files found"):
        query(release / "kith.duckdb", "from customer.customer_values")


def test_the_page_of_views_is_that_of_tables(candidate: Run) -> None:
    permit(candidate)
    pages = []
    for run in (candidate, small(candidate)):
        publish(run)
        release = current(run)
        text = (release / "report" / "index.html").read_text()
        assert release.name in text
        text = text.replace(release.name, "")
        text = re.sub(r"\d{1,2} \w{3} \d{4}, \d\d:\d\d UTC", "", text)
        # Doubles are summed in another order.
        pages.append(re.sub(r"\d+\.\d{9,}", lambda n: f"{float(n[0]):.9g}", text))
    assert pages[0] == pages[1]
    assert "customer.orders" in {
        name
        for name, mart in manifest_of(release)["marts"].items()
        if mart["in_database"] == "view"
    }
