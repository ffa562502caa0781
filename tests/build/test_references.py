"""Rows that refer to what never came: held back, counted, and back when it comes."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.admit.table import admit_table
from kith.build.warehouse import prepare_warehouse
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.table import pull_table
from kith.runs.journal import Journal, describe
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import company

pytestmark = pytest.mark.usefixtures("kith_home")


# A share alone, of rows that do not wait.
LIMITS = {"quarantine_limit_rows": 0, "orphan_wait_days": 0}


def tables(
    folder: Path, orphans: str = "quarantine", limit: float = 50, **order: Any
) -> Path:
    """Lines refer to orders, orders to customers, customers to who brought them."""

    def column(name: str, kind: str = "varchar", **meta: Any) -> dict[str, Any]:
        return {"name": name, "data_type": kind, "config": {"meta": meta}}

    def refers(name: str, table: str, parent: str, how: str = orphans) -> Any:
        reference = {"table": f"shop.{table}", "column": parent, "orphans": how}
        return column(name, references=reference)

    def table(name: str, key: str, *columns: Any, **meta: Any) -> dict[str, Any]:
        rules = {"connector": "files", "path": f"data/{name}.csv", "key": [key]}
        rules |= {"quarantine_limit_pct": limit, **LIMITS, **meta}
        listed = [column(key), *columns]
        return {"name": name, "config": {"meta": rules}, "columns": listed}

    company(folder)
    declared = [
        table("lines", "line", refers("order_id", "orders", "order_id")),
        table(
            "orders",
            "order_id",
            refers("customer", "customers", "customer"),
            column("at", "timestamp"),
            cursor="at",
            **order,
        ),
        table("customers", "customer", refers("brought_by", "customers", "customer")),
    ]
    sources = {"sources": [{"name": "shop", "tables": declared}]}
    (folder / "sources.yml").write_text(yaml.safe_dump(sources))
    return folder


def deliver(folder: Path, **contents: str) -> None:
    headers = {
        "lines": "line,order_id",
        "orders": "order_id,customer,at",
        "customers": "customer,brought_by",
    }
    for name, rows in contents.items():
        text = "\n".join([headers[name], *rows.split()]) + "\n"
        (folder / "data" / f"{name}.csv").write_text(text)


GOOD = {
    "lines": "L1,O1 L2,O1 L3,O2",
    "orders": "O1,A,2024-03-01 O2,B,2024-03-01T23:30:00 O3,A,2024-03-03",
    "customers": "A, B,A",
}


def build_sources(run: Run) -> None:
    with run.writer_lock():
        prepare_warehouse(run)


def prepare(
    folder: Path, from_day: str = "2024-03-01", to_day: str = "2024-03-31"
) -> Run:
    run = new_run(folder, from_day, to_day)
    for table in run.company.sources:
        pull_table(run, table.full_name)
        admit_table(run, table.full_name)
    build_sources(run)
    return run


def rows(run: Run, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def keys(run: Run, table: str) -> str:
    found = rows(run, f"select * from shop.{table} order by 1")
    return " ".join(row[0] for row in found)


def refused(run: Run) -> list[tuple[Any, ...]]:
    return rows(
        run,
        "select table_name, column_name, reason, value, expected, cast(day as varchar) "
        "from kith.quarantined_rows order by all",
    )


def counts(run: Run) -> dict[str, tuple[int, int]]:
    """Admitted and quarantined rows of each table and day that has any."""
    found = rows(
        run,
        "select table_name || ' ' || day, row_count, quarantined_count "
        "from kith.admitted_days where row_count + quarantined_count > 0",
    )
    return {row[0]: row[1:] for row in found}


def test_without_orphans_nothing_changes(tmp_path: Path) -> None:
    deliver(tables(tmp_path, limit=0), **GOOD)
    run = prepare(tmp_path)
    assert [keys(run, name) for name in GOOD] == ["L1 L2 L3", "O1 O2 O3", "A B"]
    assert refused(run) == []
    views = "select view_name from duckdb_views() where view_name like '%orphans%'"
    assert rows(run, views) == []


def test_orphans_are_held_back_with_what_depends_on_them(tmp_path: Path) -> None:
    deliver(tables(tmp_path), **{**GOOD, "customers": "A,"})
    run = prepare(tmp_path)
    assert [keys(run, name) for name in GOOD] == ["L1 L2", "O1 O3", "A"]
    assert refused(run) == [
        (
            *("lines", "order_id", "unknown_reference", "O2"),
            *("a value of shop.orders.order_id, for row L3", None),
        ),
        (
            *("orders", "customer", "unknown_reference", "B"),
            # Of the business day in Paris.
            *("a value of shop.customers.customer, for row O2", "2024-03-02"),
        ),
    ]
    assert counts(run) == {
        "lines 2024-03-31": (2, 1),
        "orders 2024-03-01": (1, 0),
        "orders 2024-03-02": (0, 1),
        "orders 2024-03-03": (1, 0),
        "customers 2024-03-31": (1, 0),
    }
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.refused() == [
        "shop.orders: 1 of 3 rows: 1 unknown_reference in customer",
        "shop.lines: 1 of 3 rows: 1 unknown_reference in order_id",
    ]
    # They come back by themselves, also when only the other table is delivered again.
    deliver(tmp_path, customers=GOOD["customers"])
    again = new_run(tmp_path, "2024-03-01", "2024-03-31")
    pull_table(again, "shop.customers")
    admit_table(again, "shop.customers")
    build_sources(again)
    assert [keys(again, name) for name in GOOD] == ["L1 L2 L3", "O1 O2 O3", "A B"]
    assert refused(again) == []
    assert counts(again)["orders 2024-03-02"] == (1, 0)


def test_a_row_that_is_delivered_again_keeps_its_hash(tmp_path: Path) -> None:
    deliver(tables(tmp_path), **{**GOOD, "customers": "A,"})
    hashes = "select payload_hash from kith.quarantined_rows order by table_name"
    first, again = rows(prepare(tmp_path), hashes), rows(prepare(tmp_path), hashes)
    assert first == again
    assert len({*first}) == 2


def test_a_table_may_refer_to_itself(tmp_path: Path) -> None:
    deliver(tables(tmp_path), **{**GOOD, "customers": "A, B,A C,X"})
    run = prepare(tmp_path)
    assert keys(run, "customers") == "A B"
    assert [row[:4] for row in refused(run)] == [
        ("customers", "brought_by", "unknown_reference", "X")
    ]


def test_orphans_go_on_where_declared(tmp_path: Path) -> None:
    deliver(tables(tmp_path, "warn", limit=0), **{**GOOD, "customers": "A,"})
    run = prepare(tmp_path)
    assert keys(run, "orders") == "O1 O2 O3"
    assert refused(run) == []
    warning = (
        "shop.orders: column customer: 1 rows without their counterpart in "
        "shop.customers.customer; they count all the same (orphans: warn)"
    )
    journal = Journal(run.run_folder)
    told = [describe(entry) or "" for entry in journal.new_entries()]
    assert "0 orphans held back, 0 orphans waiting, 1 orphans let pass" in told[-1]
    assert journal.warnings() == [warning]
    shown = rows(run, "select * exclude (from_day, to_day) from kith.source_warnings")
    assert shown == [("shop", "orders", warning)]


def test_too_many_orphans_stop_the_run(tmp_path: Path) -> None:
    deliver(tables(tmp_path, limit=30), **{**GOOD, "customers": "B,"})
    with pytest.raises(DeliveryError) as caught:
        prepare(tmp_path)
    assert str(caught.value) == (
        "shop.orders: 2 of 3 rows until 2024-03-31 are orphans (66.7 %), over "
        "quarantine_limit_pct 30; column customer: unknown_reference, found 'A', "
        "expected a value of "
        "shop.customers.customer, for row O1; have the other table delivered whole, or "
        "declare orphans: warn for the column's references in sources.yml"
    )


def test_orphans_of_the_days_of_the_run_are_measured_by_themselves(
    tmp_path: Path,
) -> None:
    orders = " ".join(f"P{number},A,2024-03-01" for number in range(20))
    contents = {**GOOD, "orders": f"{orders} O1,A,2024-03-03 O2,X,2024-03-03"}
    deliver(tables(tmp_path, limit=40), **contents)
    prepare(tmp_path)
    with pytest.raises(DeliveryError, match=r"1 of 2 rows of 2024-03-03 to 2024-03-31"):
        prepare(tmp_path, "2024-03-03")


def refused_lines(run: Run) -> list[str]:
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    return journal.refused()


def test_an_orphan_stops_no_day_before_it_has_waited(tmp_path: Path) -> None:
    folder = tables(tmp_path, limit=1, orphan_wait_days=7)
    # Of the 3rd of March 4 of 10 orders wait for their customer.
    orders = " ".join(f"P{number},A,2024-03-03" for number in range(6))
    orphans = " ".join(f"Q{number},X,2024-03-03" for number in range(4))
    contents = {"lines": "", "orders": f"{orders} {orphans}", "customers": "A,"}
    deliver(folder, **contents)
    for last in ("2024-03-03", "2024-03-09"):
        run = prepare(tmp_path, "2024-03-03", last)
        assert keys(run, "orders") == "P0 P1 P2 P3 P4 P5"
        assert refused_lines(run) == [
            "shop.orders: 4 of 10 rows (40 %, over quarantine_limit_pct 1, 4 wait, for "
            "7 days at most): 4 unknown_reference in customer"
        ]
    # Only the tenth is a week later: it stops whichever days are run.
    message = r"shop.orders: 4 of 10 rows .* are orphans \(40 %\), over quar"
    for first in ("2024-03-03", "2024-03-10"):
        with pytest.raises(DeliveryError, match=message):
            prepare(tmp_path, first, "2024-03-10")
    # Its customer came.
    deliver(folder, customers="A, X,")
    assert keys(prepare(tmp_path, "2024-03-10", "2024-03-10"), "orders").count("Q") == 4


def test_a_day_whose_orphans_waited_in_vain_is_not_lost_among_all(
    tmp_path: Path,
) -> None:
    folder = tables(tmp_path, limit=10, orphan_wait_days=2)
    many = " ".join(f"P{number},A,2024-03-01" for number in range(50))
    contents = {
        "lines": "",
        "orders": f"{many} O1,A,2024-03-02 O2,X,2024-03-02",
        "customers": "A,",
    }
    deliver(folder, **contents)
    prepare(tmp_path, "2024-03-01", "2024-03-03")
    with pytest.raises(DeliveryError, match="1 of 2 rows of 2024-03-02 to 2024-03-02"):
        prepare(tmp_path, "2024-03-04", "2024-03-04")


def test_a_day_most_of_whose_rows_wait_stops_unless_they_are_few(
    tmp_path: Path,
) -> None:
    rules = {"quarantine_limit_rows": 3, "orphan_wait_days": 7}
    folder = tables(tmp_path, limit=1, **rules)
    good = "P0,A,2024-03-03 P1,A,2024-03-03 "
    orphans = [f"Q{number},X,2024-03-03" for number in range(4)]
    deliver(folder, lines="", orders=good + " ".join(orphans[:3]), customers="A,")
    assert keys(prepare(tmp_path, "2024-03-03", "2024-03-03"), "orders") == "P0 P1"
    deliver(folder, orders=good + " ".join(orphans))
    with pytest.raises(DeliveryError, match=r"4 of 6 rows of 2024-03-03 .* \(66.7 %\)"):
        prepare(tmp_path, "2024-03-03", "2024-03-03")
    # With two good rows more they are half of the day, which may wait.
    deliver(
        folder, orders=f"{good} P2,A,2024-03-03 P3,A,2024-03-03 " + " ".join(orphans)
    )
    run = prepare(tmp_path, "2024-03-03", "2024-03-03")
    assert keys(run, "orders") == "P0 P1 P2 P3"


def test_few_orphans_of_a_snapshot_stop_nothing(tmp_path: Path) -> None:
    path = tables(tmp_path, limit=1) / "sources.yml"
    sources = yaml.safe_load(path.read_text())
    for table in sources["sources"][0]["tables"]:
        table["config"]["meta"]["quarantine_limit_rows"] = 1
    path.write_text(yaml.safe_dump(sources))
    deliver(tmp_path, **{**GOOD, "lines": "L1,O1 L2,O1 L3,O9"})
    assert refused_lines(prepare(tmp_path)) == [
        "shop.lines: 1 of 3 rows (33.3 %, over quarantine_limit_pct 1, within "
        "quarantine_limit_rows 1): 1 unknown_reference in order_id"
    ]
    deliver(tmp_path, lines="L1,O1 L2,O1 L3,O9 L4,O8 L5,O2 L6,O2")
    with pytest.raises(DeliveryError, match="2 of 6 rows are orphans"):
        prepare(tmp_path)


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        ("shop.carts", "order_id", r"shop.carts.order_id: no such table; declared are"),
        ("shop.orders", "id", r"shop.orders.id: no such column; .* has order_id, cust"),
        (
            "shop.lines",
            "line",
            r"in a circle \(shop.* → shop.*\); declare orphans: war",
        ),
    ],
)
def test_a_wrong_reference_is_named(
    table: str, column: str, message: str, tmp_path: Path
) -> None:
    deliver(tables(tmp_path), **GOOD)
    path = tmp_path / "sources.yml"
    sources = yaml.safe_load(path.read_text())
    (*_, customers) = sources["sources"][0]["tables"]
    reference = customers["columns"][1]["config"]["meta"]["references"]
    reference |= {"table": table, "column": column}
    path.write_text(yaml.safe_dump(sources))
    with pytest.raises(ConfigurationError, match=message):
        prepare(tmp_path)


def test_no_hash_of_a_person_is_shown_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    path = tables(tmp_path) / "sources.yml"
    sources = yaml.safe_load(path.read_text())
    for table in sources["sources"][0]["tables"][1:]:
        for column in table["columns"]:
            if column["name"] in ("customer", "brought_by"):
                column["config"]["meta"]["pii"] = "card"
    path.write_text(yaml.safe_dump(sources))
    deliver(tmp_path, **{**GOOD, "customers": "A,"})
    run = prepare(tmp_path)
    assert keys(run, "orders") == "O1 O3"
    ((value, expected),) = rows(
        run,
        "select value, expected from kith.quarantined_rows where table_name = 'orders'",
    )
    assert len(value) == 8
    # What slipped by a column into the key could be a name.
    assert expected == "a value of shop.customers.customer, for row x9"
