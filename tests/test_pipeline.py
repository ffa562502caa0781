"""The pipeline as a whole, on the corner shop: a second company that no file outside
of its folder knows."""

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from kith.admit.table import admit_table
from kith.errors import DeliveryError, GateError, PublicationError
from kith.gate.audit import audit
from kith.publish.release import publish
from kith.pull.table import pull_table
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.companies.generate import write
from tests.conftest import content_hashes, new_run, run_pipeline


@pytest.fixture(scope="module")
def linked_shop(
    corner_shop_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The corner shop whose page views show which card and which device are one.

    Some devices show one card, so that what they saw before is that customer's, some
    two or three, so that they stand for nobody.
    """
    folder = tmp_path_factory.mktemp("linked") / "corner_shop"
    shutil.copytree(corner_shop_data, folder)
    sources, events = folder / "sources.yml", folder / "staging/stg_web__events.sql"
    declared, query = sources.read_text(), events.read_text()
    for plain, meta in (
        ("name: device, data_type: varchar", ", config: {meta: {identifies: device}}"),
        (
            "description: Card of the signed-in customer, else empty.",
            "\n            config: {meta: {identifies: card_number}}",
        ),
    ):
        assert plain in declared
        declared = declared.replace(plain, plain + meta)
    sources.write_text(declared)
    known_by = "case when card_number is not null then 'card_number' end"
    assert known_by in query
    events.write_text(
        query.replace(known_by, known_by.replace(" end", " else 'device' end")).replace(
            "card_number as identifier_value",
            "coalesce(card_number, device) as identifier_value",
        )
    )
    return folder


@pytest.fixture(scope="module")
def shop(linked_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A $KITH_HOME in which the corner shop was published once; not to be changed."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(folder / "home"))
        run_pipeline(new_run(linked_shop))
    shutil.copytree(folder / "home", folder / "published", symlinks=True)
    return folder / "published"


@pytest.fixture
def shop_copy(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published corner shop, the test's own.

    It lies where it was made, so that dbt need not parse its project anew.
    """
    home = shop.with_name("home")
    shutil.rmtree(home)
    shutil.copytree(shop, home, symlinks=True)
    monkeypatch.setenv("KITH_HOME", str(home))
    return home


@pytest.fixture
def company(linked_shop: Path, tmp_path: Path) -> Path:
    """A copy of the corner shop's folder whose deliveries a test may spoil."""
    return Path(shutil.copytree(linked_shop, tmp_path / "corner_shop"))


def current(home: Path) -> Path:
    return (home / "corner_shop" / "published" / "current").resolve()


def query(release: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def test_marts_equal_an_independent_computation(
    shop: Path, corner_shop_data: Path
) -> None:
    data = corner_shop_data / "data"
    orders = pd.read_csv(data / "orders.csv.gz")
    lines = pd.read_csv(data / "order_lines.csv")
    clicks = len(duckdb.sql(f"from '{data}/clicks.jsonl.zst'").df())
    mailings = len(duckdb.sql(f"from '{data}/mailings.csv.zst'").df())
    revenue = (
        (lines["quantity"] * (lines["unit_price"] * 100).round())
        .groupby(lines["receipt_number"])
        .sum()
    )
    orders["cents"] = orders["receipt_number"].map(revenue).astype("int64") - (
        orders["voucher_amount"] * 100
    ).round().astype("int64")
    expected = orders.groupby(orders["card_number"].fillna("unidentified"))["cents"]

    values = query(
        current(shop),
        """
        select coalesce(identifier_value, 'unidentified') as card,
            customer_values.revenue_amount
        from customer.customer_values left join customer.customers using (customer_id)
        where customer_values.order_count > 0
        """,
    ).set_index("card")["revenue_amount"]
    cents = (values.astype("float64") * 100).round().astype("int64")
    assert cents.to_dict() == expected.sum().to_dict()

    kinds = query(
        current(shop),
        "select interaction_kind, count(*) as n from customer.interactions group by 1",
    )
    assert dict(zip(kinds["interaction_kind"], kinds["n"], strict=True)) == {
        "order": len(orders),
        "event": clicks,
        "contact": mailings,
    }


def test_page_views_without_a_card_are_their_device_s_customer_s_or_nobody_s(
    shop: Path, corner_shop_data: Path
) -> None:
    clicks = duckdb.sql(f"from '{corner_shop_data}/data/clicks.jsonl.zst'").df()
    cards = clicks.groupby("device")["card_number"].agg(["nunique", "first"])
    of_device = clicks["device"].map(cards["first"].where(cards["nunique"] == 1))
    cards_of_views = clicks["card_number"].fillna(of_device)
    expected = cards_of_views.fillna("unidentified").value_counts()

    found = query(
        current(shop),
        """
        select coalesce(identifier_value, 'unidentified') as card, count(*) as n
        from customer.interactions left join customer.customers using (customer_id)
        where interaction_kind = 'event' group by 1
        """,
    )
    assert set(cards["nunique"]) == {0, 1, 2, 3}
    assert found.set_index("card")["n"].to_dict() == expected.to_dict()


def test_interval_by_interval_and_row_by_row_in_disorder_equals_all_at_once(
    shop: Path, company: Path, kith_home: Path
) -> None:
    for path in (company / "data").iterdir():
        with duckdb.connect() as connection:
            connection.execute(f"create table rows as from '{path}'")
            write(connection, "from rows order by md5(cast(rows as text))", path)
    days = pd.date_range("2024-01-01", "2024-12-31").strftime("%Y-%m-%d").tolist()
    draw = random.Random(11)
    cuts = [0, *sorted(draw.sample(range(1, len(days)), 12)), len(days)]
    intervals = [
        (days[start], days[end - 1]) for start, end in itertools.pairwise(cuts)
    ]
    draw.shuffle(intervals)
    # One interval is delivered a second time, which must change nothing.
    for from_day, to_day in [intervals[3], *intervals[:-1]]:
        run = new_run(company, from_day, to_day)
        for table in run.company.sources:
            pull_table(run, table.full_name)
            admit_table(run, table.full_name)
    release = run_pipeline(new_run(company, *intervals[-1]))
    first = content_hashes(current(shop))
    assert content_hashes(release) == first and len(first) >= 12


def test_dirt_within_the_limits_is_quarantined_and_the_rest_published(
    shop_copy: Path, company: Path
) -> None:
    path = company / "data" / "order_lines.csv"
    header, *rows = path.read_text().splitlines()
    fields = [row.split(",") for row in rows]
    fields[10][4] = "three"  # wrong type
    fields[20][0] = ""  # null key
    fields[30][4] = "-2"  # negative quantity
    fields[40][2] = "2199-01-01 00:00:00"  # in the future
    fields.append(list(fields[50]))  # duplicate key
    path.write_text("\n".join([header, *(",".join(row) for row in fields)]) + "\n")
    with (company / "company.yml").open("a") as declared:
        # Of so small a shop four rows are more than one per cent.
        declared.write("restatement_limit: {change_pct: 100, score_change_pct: 100}\n")

    release = run_pipeline(new_run(company))

    refused = query(
        release,
        "select row_number, column_name, reason, value "
        "from operations.quarantined_rows order by row_number",
    )
    assert refused[["row_number", "column_name", "reason"]].values.tolist() == [
        [11, "quantity", "wrong_type"],
        [21, "receipt_number", "required_missing"],
        [31, "quantity", "below_minimum"],
        [41, "bought_at", "in_the_future"],
    ]
    assert refused["value"].tolist()[0] == "three"
    counts = query(
        release,
        "select sum(row_count) as kept, sum(duplicate_count) as repeated "
        "from operations.source_deliveries where table_name = 'order_lines'",
    ).iloc[0]
    assert (counts["kept"], counts["repeated"]) == (len(rows) - 4, 1)


def _drop_column(data: Path) -> None:
    path = data / "order_lines.csv"
    frame = pd.read_csv(path, dtype=str).drop(columns="quantity")
    frame.to_csv(path, index=False)


def _words_for_numbers(data: Path) -> None:
    path = data / "order_lines.csv"
    frame = pd.read_csv(path, dtype=str).assign(quantity="many")
    frame.to_csv(path, index=False)


def _truncate_parquet(data: Path) -> None:
    frame = duckdb.sql(f"from '{data}/order_lines.csv'")
    frame.write_parquet(str(data / "order_lines.parquet"))
    (data / "order_lines.csv").unlink()
    content = (data / "order_lines.parquet").read_bytes()
    (data / "order_lines.parquet").write_bytes(content[: len(content) // 2])


def _empty(data: Path) -> None:
    (data / "order_lines.csv").write_bytes(b"")


def _semicolons(data: Path) -> None:
    path = data / "order_lines.csv"
    path.write_text(path.read_text().replace(",", ";"))


def _latin_1(data: Path) -> None:
    path = data / "order_lines.csv"
    path.write_bytes(path.read_text().replace(",P", ",\u00fcP").encode("latin-1"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_drop_column, ["order_lines.csv", "quantity", "sources.yml"]),
        (_words_for_numbers, ["order_lines.csv", "quantity", "many", "bigint"]),
        (_truncate_parquet, ["order_lines.parquet"]),
        (_empty, ["order_lines.csv", "empty"]),
        (_semicolons, ["order_lines.csv", '";"', "delimiter"]),
        (_latin_1, ["order_lines.csv", "encoding"]),
    ],
)
def test_a_spoiled_delivery_stops_with_the_cure_and_current_stays(
    shop_copy: Path, company: Path, spoil: object, words: list[str]
) -> None:
    before = current(shop_copy)
    spoil(company / "data")  # type: ignore[operator]
    with pytest.raises(DeliveryError) as refused:
        run_pipeline(new_run(company))
    assert [word for word in words if word not in str(refused.value)] == []
    assert "\n" not in str(refused.value)
    assert current(shop_copy) == before


def published_run(home: Path, company: Path) -> Run:
    """The run that published the corner shop, as when its tasks are cleared."""
    (folder,) = (home / "corner_shop" / "runs").glob("test__*")
    return replace(new_run(company), run_id=folder.name)


def test_what_the_gate_refuses_is_not_published(shop_copy: Path, company: Path) -> None:
    before = current(shop_copy)
    suites = company / "expectations" / "marts"
    suites.mkdir(parents=True)
    (suites / "customers.py").write_text(
        "import great_expectations.expectations as gxe\n\n"
        "EXPECTATIONS = [gxe.ExpectTableRowCountToBeBetween(\n"
        "    min_value=1_000_000, severity='critical')]\n"
    )
    run = published_run(shop_copy, company)
    with pytest.raises(GateError, match="customers"):
        audit(run)
    with pytest.raises(PublicationError):
        publish(run)
    assert current(shop_copy) == before
    assert "customer.customers" in (run.run_folder / "gate_summary.md").read_text()


def _watch(published: Path, stop: multiprocessing.Event, faults: list[str]) -> None:  # type: ignore[valid-type]
    """Read `current` as a BI tool would, at once when it is switched and ever again.

    Whatever is not whole is noted. Reading without a pause would take a core of the
    build's.
    """
    last, read_at = None, 0.0
    while not stop.is_set():  # type: ignore[attr-defined]
        release = (published / "current").resolve()
        if release != last or time.monotonic() > read_at + 0.2:
            try:
                found = query(
                    release,
                    "select release_id, (select count(*) from customer.customers) as n "
                    "from _release",
                )
                manifest = json.loads((release / "manifest.json").read_text())
                promised = manifest["marts"]["customer.customers"]["rows"]
                if found.iloc[0].tolist() != [release.name, promised]:
                    faults.append(f"{release.name}: {found.iloc[0].tolist()}")
            except Exception as error:
                faults.append(f"{release.name}: {error!r}")
            last, read_at = release, time.monotonic()
        time.sleep(0.01)


def test_killed_in_build_audit_or_publish_the_next_run_ends_right(
    shop_copy: Path, company: Path
) -> None:
    published = shop_copy / "corner_shop" / "published"
    before = content_hashes(current(shop_copy))
    with multiprocessing.Manager() as manager:
        faults = manager.list()
        stop = manager.Event()
        reader = multiprocessing.Process(target=_watch, args=(published, stop, faults))
        reader.start()
        run = published_run(shop_copy, company)
        for stage, delay in (("audit", 1.0), ("publish", 0.15)):
            _kill_within(stage, delay, "audit(run); publish(run)", run)
            assert content_hashes(current(shop_copy)) == before
        _kill_within("build", 3.0, "build_candidate(run)", new_run(company))
        assert content_hashes(current(shop_copy)) == before
        release = run_pipeline(new_run(company))
        stop.set()
        reader.join()
        assert list(faults) == []
    assert content_hashes(release) == before
    assert [path.name for path in published.glob(".tmp-*")] == []


def _kill_within(stage: str, delay: float, stages: str, run: Run) -> None:
    """Start stages of a run and kill them, with SIGKILL, some seconds into one."""
    journal = run.run_folder / "journal.jsonl"

    def told() -> str:
        return journal.read_text() if journal.exists() else ""

    before = told()
    script = (
        "import sys; from dataclasses import replace; from pathlib import Path; "
        "from kith.gate.audit import audit; from kith.publish.release import publish; "
        "from tests.conftest import build_candidate, new_run; "
        "run = replace(new_run(Path(sys.argv[1])), run_id=sys.argv[2]); "
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script + stages, str(run.company.folder), run.run_id],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/plugins"},
    )
    deadline = time.monotonic() + 600
    while f'"stage": "{stage}"' not in told().removeprefix(before):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(delay)
    assert process.poll() is None, f"{stage} had ended before the kill"
    process.send_signal(signal.SIGKILL)
    process.wait()
    entries = [json.loads(line) for line in told().splitlines()]
    assert (entries[-1]["stage"], entries[-1]["event"]) == (stage, "start")
