"""What the gate says about a run."""

import pytest

from kith.errors import BrokenCheckError, GateError
from kith.gate.audit import audit, permit_path
from kith.runs.run import Run
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
        "customer.customer_values",
        "Revenue and lines are those of the feeds' orders",
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
