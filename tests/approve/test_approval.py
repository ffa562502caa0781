"""What changes after it was published is told, and beyond the limit waits."""

import datetime as dt
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from kith.approve.approval import (
    Approval,
    approval_of,
    approve,
    check_approved,
    compare,
    is_beyond,
    kind_of,
    note_path,
    noted_in,
    question,
    restatements_of,
)
from kith.approve.changes import Change
from kith.company.restatement_limit import RestatementLimit
from kith.errors import ApprovalError, ConfigurationError
from kith.publish.release import publish, rollback
from kith.runs.run import Run
from tests.conftest import copied_candidate
from tests.publish.test_release import permit, without_page_and_metadata

ANY = RestatementLimit(
    change_pct=1000, minimum_count=10**9, minimum_amount=1e9, score_change_pct=1000
)


def declaring(run: Run, limit: RestatementLimit) -> Run:
    company = run.company.model_copy(update={"restatement_limit": limit})
    return Run(company, run.interval, run.run_id, run.home)


@pytest.fixture(scope="module")
def published_once(built_shop: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of the shop after its candidate was published; not to be changed."""
    home = tmp_path_factory.mktemp("published")
    run = copied_candidate(built_shop, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(home))
        without_page_and_metadata(patch)
        permit(run)
        publish(run)
    return run.folder


@pytest.fixture
def published(
    built_shop: Run,
    published_once: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A run whose candidate is published and may be changed; any change is allowed."""
    without_page_and_metadata(monkeypatch)
    run = Run(built_shop.company, built_shop.interval, built_shop.run_id, kith_home)
    shutil.copytree(published_once, run.folder, symlinks=True)
    return declaring(run, ANY)


def change(run: Run, *statements: str) -> None:
    """Stands in for another build: the gate passes on what it made."""
    with duckdb.connect(str(run.warehouse)) as warehouse:
        for statement in statements:
            warehouse.execute(statement)
    permit(run)


def orders(release: Path) -> pd.DataFrame:
    return pd.read_parquet(release / "parquet" / "customer" / "orders.parquet")


def by_month(frame: pd.DataFrame) -> pd.DataFrame:
    """Purchases and money of each month, by pandas."""
    purchases = frame[frame["is_purchase"]]
    return pd.DataFrame(
        {
            "order_count": purchases.groupby("order_month").size(),
            "revenue_amount": frame.groupby("order_month")["revenue_amount"].agg(
                lambda amounts: sum(amounts, Decimal(0))
            ),
        }
    )


def restated(release: Path, mart: str = "customer.orders") -> list[dict[str, Any]]:
    """Rows of the mart that this release has added, of a mart."""
    frame = pd.read_parquet(release / "parquet" / "operations" / "restatements.parquet")
    frame = frame[(frame["release_id"] == release.name) & (frame["mart"] == mart)]
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


_AN_ORDER = "(from customer.orders where {} order by order_id limit 1)"


def test_what_was_published_and_has_changed_is_told_as_pandas_finds_it(
    published: Run,
) -> None:
    before = (published.published / "current").resolve()
    change(
        published,
        # A late one in March, a corrected one in May, one of July is gone.
        "insert into customer.orders select * replace ('late' as order_id) from "
        + _AN_ORDER.format("order_month = '2024-03-01' and is_purchase"),
        "update customer.orders set revenue_amount = revenue_amount + 0.01 where "
        "order_id = (select order_id from "
        + _AN_ORDER.format("order_month = '2024-05-01' and is_purchase")
        + ")",
        "delete from customer.orders where order_id = (select order_id from "
        + _AN_ORDER.format("order_month = '2024-07-01' and is_purchase")
        + ")",
        # A month that is new, and one that lies before all that was published.
        *(
            f"insert into customer.orders select * replace ('{month}' as order_id, "
            f"date '{month}' as order_month) from " + _AN_ORDER.format("is_purchase")
            for month in ("2025-01-01", "2023-12-01")
        ),
    )
    publish(published)
    after = (published.published / "current").resolve()
    assert before != after
    then, now = by_month(orders(before)), by_month(orders(after))
    expected = {
        (month, measure): tuple(
            Decimal(str(frame.at[month, measure])) for frame in (then, now)
        )
        for month in then.index
        for measure in then
        if then.at[month, measure] != now.at[month, measure]
    }
    assert {month for month, _ in expected} == {
        dt.date(2024, 3, 1),
        dt.date(2024, 5, 1),
        dt.date(2024, 7, 1),
    }
    rows = restated(after)
    found = {
        (row["period_start"], row["measure"]): (row["old_value"], row["new_value"])
        for row in rows
        if row["dimensions"] == "{}" and row["measure"] in then
    }
    assert found == expected
    ends = {(row["period_start"], row["period_end"]) for row in rows}
    assert ends == {
        (dt.date(2024, month, 1), dt.date(2024, month, 31)) for month in (3, 5, 7)
    }
    for row in rows:
        assert row["difference"] == row["new_value"] - row["old_value"]
        # Nobody delivered anything, and no file was changed.
        assert (row["reason"], row["is_beyond_limit"]) == ("unknown", False)
        assert row["approved_by"] is None
    (may,) = (
        row
        for row in rows
        if row["period_start"] == dt.date(2024, 5, 1)
        and (row["measure"], row["dimensions"]) == ("revenue_amount", "{}")
    )
    assert may["difference"] == Decimal("0.01")
    month = now.at[dt.date(2024, 5, 1), "revenue_amount"]
    assert may["change_pct"] == pytest.approx(float(Decimal("1.00") / month))


def test_the_same_again_restates_nothing_and_what_was_restated_stays(
    published: Run,
) -> None:
    permit(published)
    publish(published)
    assert noted_in(published.run_folder).changes == []
    change(published, "update customer.orders set revenue_amount = revenue_amount + 1")
    publish(published)
    third = (published.published / "current").resolve()
    assert len(restated(third)) > 12
    manifest = json.loads((third / "manifest.json").read_text())
    log = third.parents[1] / "history" / "restatements"
    assert [path.stem for path in log.iterdir()] == [third.name]
    with duckdb.connect(str(third / "kith.duckdb"), read_only=True) as release:
        told = release.sql("select count(*) from operations.restatements").fetchone()
        (rows,) = release.sql(
            f"select row_count from operations.publications "
            f"where release_id = '{third.name}'"
        ).fetchone() or (0,)
    assert told == (manifest["marts"]["operations.restatements"]["rows"],)
    kept = pd.read_parquet(log / f"{third.name}.parquet")
    assert len(kept) == len(noted_in(published.run_folder).changes)
    # Of one kind of rows each mart tells how many it has.
    marts = manifest["marts"].values()
    assert rows == sum(mart["rows"] for mart in marts)


def test_the_first_release_restates_nothing(candidate: Run) -> None:
    found = compare(candidate)
    assert (found.release_id, found.changes) == (None, [])
    assert question(candidate) is None


def test_a_number_that_appears_or_vanishes_has_no_old_or_no_new_one(
    published: Run,
) -> None:
    change(
        published,
        "delete from customer.goals_attained",
        "insert into segment.cohorts select * replace "
        "('a new one' as cohort) from segment.cohorts where period_number = 1 "
        "and period_month = '2024-03-01'",
    )
    found = {
        (each.mart, each.measure): each
        for each in compare(published).changes
        if each.mart in ("customer.goals_attained", "segment.cohorts")
    }
    gone = found["customer.goals_attained", "target_value"]
    assert (gone.new_value, gone.difference) == (None, -(gone.old_value or 0))
    came = found["segment.cohorts", "cohort_size"]
    assert (came.old_value, came.difference) == (None, came.new_value)
    assert json.loads(came.dimensions) == {"cohort": "a new one"}


def test_the_noise_of_doubles_is_no_change(published: Run) -> None:
    assert compare(published).changes == []
    noisy = "update segment.cohorts set retention_pct = retention_pct * (1 + {})"
    change(published, noisy.format("1e-12"))
    assert compare(published).changes == []
    change(published, noisy.format("1e-6"))
    assert {each.measure for each in compare(published).changes} == {"retention_pct"}


def test_what_no_release_has_published_cannot_change(published: Run) -> None:
    # As a mart, or a column, of a newer version of Kith.
    release = (published.published / "current").resolve() / "kith.duckdb"
    release.chmod(0o644)
    with duckdb.connect(str(release)) as opened:
        opened.execute("drop table segment.cohorts")
        opened.execute("alter table segment.engagement drop column contact_count")
    change(published, "update segment.engagement set contact_count = 1 + contact_count")
    assert compare(published).changes == []
    change(published, "update segment.engagement set interaction_count = 0")
    assert {each.measure for each in compare(published).changes} == {
        "interaction_count"
    }


# --- the limit ------------------------------------------------------------------------


def a_change(measure: str, old: str, new: str, base: str) -> Change:
    return Change(
        mart="customer.orders",
        period_grain="month",
        period_start=dt.date(2024, 3, 1),
        period_end=dt.date(2024, 3, 31),
        dimensions="{}",
        measure=measure,
        old_value=Decimal(old),
        new_value=Decimal(new),
        base=Decimal(base),
    )


@pytest.mark.parametrize(
    ("measure", "old", "new", "base", "is_too_much"),
    [
        ("order_count", "100", "110", "110", False),
        ("order_count", "100", "111", "111", True),
        ("order_count", "10000", "10100", "10100", False),
        ("order_count", "0", "11", "10000", False),
        ("revenue_amount", "5000", "5100", "5100", False),
        ("revenue_amount", "5000", "5100.01", "5100.01", True),
        ("revenue_amount_365d", "5000", "4000", "5000", True),
        ("revenue_amount", "0", "200", "1000000", False),
        ("score", "40", "44", "44", False),
        ("score", "40", "45", "45", True),
        ("score", "-2", "2", "45", False),
    ],
)
def test_a_change_is_beyond_the_limit_by_share_and_size(
    measure: str, old: str, new: str, base: str, is_too_much: bool
) -> None:
    found = is_beyond(a_change(measure, old, new, base), RestatementLimit(), 30)
    assert found is is_too_much


@pytest.mark.parametrize(("n", "is_too_much"), [(None, True), (29, False), (30, True)])
def test_a_score_of_few_may_change_by_much(n: int | None, is_too_much: bool) -> None:
    change = a_change("retention_pct", "33", "67", "100")
    change = change.model_copy(update={"n": n if n is None else Decimal(n)})
    assert is_beyond(change, RestatementLimit(), 30) is is_too_much
    count = change.model_copy(update={"measure": "active_count"})
    assert is_beyond(count, RestatementLimit(), 30)


def test_measures_are_counts_amounts_or_scores_by_name() -> None:
    kinds = {
        **dict.fromkeys(("n", "order_count", "cohort_size"), "count"),
        **dict.fromkeys(("revenue_amount", "revenue_amount_365d"), "amount"),
        **dict.fromkeys(("score", "retention_pct", "daily_active_average"), "score"),
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_beyond_the_limit_publication_waits_for_exactly_these_numbers(
    published: Run,
) -> None:
    run = declaring(published, RestatementLimit())
    before = (run.published / "current").resolve()
    double = "update customer.orders set revenue_amount = 2 * revenue_amount"
    change(run, double)
    with pytest.raises(ApprovalError, match="change by more than") as refused:
        publish(run)
    assert (run.published / "current").resolve() == before
    told = str(refused.value)
    assert f"make approve COMPANY={run.company.folder} RUN={run.run_id}" in told
    assert "customer.orders, 2024-" in told and "revenue_amount" in told
    assert refused.value.failure_class == "approval"
    assert refused.value.evidence.file == str(note_path(run.run_folder))
    # What a person is shown: the biggest, and how many more.
    asked = question(run)
    assert asked is not None
    found = noted_in(run.run_folder)
    assert found.beyond and len(found.changes) >= len(found.beyond)
    assert found.beyond[0].line() in asked.text
    assert f"and {len(found.changes) - 20:,} more changed numbers" in asked.text
    hours = (asked.until - dt.datetime.now(dt.UTC)).total_seconds() / 3600
    assert 19.9 < hours <= 20

    approve(run.folder, found, "anna")
    # One number more is another list.
    change(run, "update customer.orders set margin_amount = 1 + margin_amount")
    with pytest.raises(ApprovalError):
        publish(run)
    change(run, "update customer.orders set margin_amount = margin_amount - 1")
    assert question(run) is None
    publish(run)
    rows = restated((run.published / "current").resolve())
    beyond = [row for row in rows if row["is_beyond_limit"]]
    assert beyond
    assert {row["approved_by"] for row in beyond} == {"anna"}


def test_an_approval_counts_in_another_run_of_the_same_numbers(published: Run) -> None:
    run = declaring(published, RestatementLimit())
    change(run, "update customer.orders set revenue_amount = 2 * revenue_amount")
    approved = approve(run.folder, compare(run), "anna")
    again = Run(run.company, run.interval, "run_2", run.home)
    found, by = check_approved(again)
    assert (found.digest, by) == (approved.digest, "anna")
    assert approval_of(run.folder, found.digest) == Approval(
        digest=found.digest, by="anna", run_id=run.run_id, at=approved.at
    )
    assert approval_of(run.folder, "another") is None


def test_what_was_noted_counts_for_its_candidate_and_release_alone(
    published: Run,
) -> None:
    change(published, "update customer.orders set revenue_amount = 0")
    publish(published)
    permit(published)
    assert restatements_of(published).changes == []
    rollback(published.folder, None)
    assert restatements_of(published).changes != []
    with pytest.raises(ConfigurationError, match="run its days again"):
        noted_in(published.folder)


@pytest.mark.parametrize("sign", ["`", "```\n# x", "<b>"])
def test_what_was_delivered_stays_text_on_the_page(published: Run, sign: str) -> None:
    run = declaring(published, RestatementLimit())
    change(
        run,
        f"update customer.orders set channel = '{sign}', "
        "revenue_amount = 2 * revenue_amount",
    )
    asked = question(run)
    assert asked is not None
    # Each number is a line of its own, and code from its beginning to its end.
    told = [line for line in asked.text.splitlines() if "customer.orders" in line]
    assert told
    assert all(re.fullmatch("- `[^`]+`", line) for line in told)
    assert not re.search("^#|<b>(?!.*`$)", asked.text, re.MULTILINE)
