"""Tables of the candidate and their keys."""

import json

import pytest

from kith.errors import GateError
from kith.gate.audit import audit
from kith.gate.checks import check_tables
from kith.gate.suites import load_suites
from kith.gate.tables import list_tables
from kith.runs.run import Run
from tests.gate.conftest import spoil


def test_a_candidate_of_another_run_is_not_judged(candidate: Run) -> None:
    spoil(candidate, "update kith.run set run_id = 'run_2'")
    with pytest.raises(GateError, match="was built by run run_2, not by run_1"):
        audit(candidate)


def test_no_table_is_left_out(candidate: Run) -> None:
    tables = list_tables(candidate)
    assert len(tables) == 96
    checks = check_tables(candidate, tables, load_suites(candidate.company.folder))
    assert {check.table_name for check in checks} == {t.full_name for t in tables}
    values = next(t for t in tables if t.full_name == "customer.customer_months")
    assert values.key == ("customer_id", "month")


def test_tests_of_a_model_that_is_switched_off_do_no_harm(candidate: Run) -> None:
    """dbt leaves the tests of a disabled model among its nodes, but not the model."""
    path = candidate.folder / "dbt" / "target" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["nodes"]["model.kith.int_purchase_histories"]
    path.write_text(json.dumps(manifest))
    assert len(list_tables(candidate)) == 96
