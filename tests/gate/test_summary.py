"""What the gate says about a run."""

import datetime as dt
from pathlib import Path

import pytest

from kith.errors import BrokenCheckError, GateError
from kith.gate.audit import audit, permit_path
from kith.gate.checks import Check
from kith.gate.summary import stop_unless_passed, write_summary
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.gate.conftest import query, spoil


def test_a_critical_failure_stops_with_table_check_figures_and_place(
    candidate: Run,
) -> None:
    spoil(
        candidate,
        "update feeds.order_lines set line_amount = line_amount + 1 "
        "where order_line_id = 'R1-1'",
    )
    (revenue,) = query(
        candidate, "select sum(revenue_amount) from customer.customer_values"
    )[0]
    with pytest.raises(GateError) as stopped:
        audit(candidate)
    message = str(stopped.value)
    for part in (
        "customer.orders",
        "Orders, lines and revenue are those of the feeds",
        f"revenue {revenue}",
        f"revenue_of_feeds {revenue + 1}",
        str(candidate.run_folder / "gate_summary.md"),
        "`current` is unchanged",
    ):
        assert part in message
    assert "\n" not in message
    assert not isinstance(stopped.value, BrokenCheckError)
    assert not permit_path(candidate).exists()
    summary = (candidate.run_folder / "gate_summary.md").read_text()
    assert "## Stopped by" in summary and f"revenue {revenue}" in summary
    assert (
        len(list((candidate.folder / "history" / "gate_results").glob("*.parquet")))
        == 1
    )


@pytest.fixture
def run(kith_home: Path) -> Run:
    run = new_run(REPOSITORY / "tests/companies/corner_shop")
    run.run_folder.mkdir(parents=True)
    return run


@pytest.mark.parametrize(
    ("cure", "told", "observed", "found"),
    [
        ("give discounts", "give discounts", "2 rows", "2 of 40 rows"),
        (None, "give what the check expects", "2 of 40 values", "2 of 40 rows"),
        (
            None,
            "give what the check expects",
            "2 of 9 values",
            "2 of 9 values, of 40 rows",
        ),
    ],
)
def test_the_stop_names_the_first_keys_and_who_provides_the_feed(
    run: Run, cure: str | None, told: str, observed: str, found: str
) -> None:
    check = Check(
        "feeds.orders",
        "Every order is an order",
        "critical",
        "failed",
        observed=observed,
        unexpected_count=2,
        row_count=40,
        sample='[{"source": "shop", "order_id": "7"}, '
        '{"source": "shop", "order_id": "0123456789abcdef0123456789abcdef"}]',
        cure=cure,
    )
    with pytest.raises(GateError) as stopped:
        stop_unless_passed(run, [check], Path("gate_summary.md"))
    assert str(stopped.value) == (
        f"feeds.orders: 'Every order is an order' failed: {found}, first: source "
        "shop, order_id 7; source shop, order_id 01234567…; have the source corrected, "
        f"or let stg_shop__orders.sql in {run.company.folder / 'staging'} {told}; "
        "see gate_summary.md; `current` is unchanged"
    )


def test_values_are_code_in_the_summary_whatever_they_hold(run: Run) -> None:
    check = Check("customer.customers", "x", "warning", "failed")
    check.observed = "1` <script> ``2\n# Gate: passed"
    check.sample = '[{"customer_id": "| a |"}]'
    page = write_summary(run, [check], dt.date(2024, 1, 1)).read_text()
    assert "\n  - observed: ``` 1` <script> ``2 # Gate: passed ```\n" in page
    assert '\n  - sample: `[{"customer_id": "| a |"}]`\n' in page
