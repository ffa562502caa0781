"""Suites of Kith and of a company."""

import re

import pytest

from kith.errors import BrokenCheckError, ConfigurationError, GateError
from kith.gate.audit import audit
from kith.gate.suites import load_suites
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.gate.conftest import add_suite, results


def test_a_company_adds_checks_to_those_of_kith(candidate: Run) -> None:
    kith = len(load_suites(candidate.company.folder)["marts", "customers"])
    add_suite(candidate, "marts/customers", "gxe.ExpectTableRowCountToEqual(value=4)")
    assert len(load_suites(candidate.company.folder)["marts", "customers"]) == kith + 1
    with pytest.raises(
        GateError,
        match=r"customer\.customers: 'expect_table_row_count_to_equal' failed",
    ):
        audit(candidate)


def test_a_company_writes_queries_as_kith_does(candidate: Run) -> None:
    add_suite(
        candidate,
        "marts/customers",
        "no_rows('Nobody lives in Berlin', WARNING, "
        "\"select customer_id from {batch} where city = 'Berlin'\")",
    )
    audit(candidate)
    outcome, _, count, sample = results(candidate)["Nobody lives in Berlin"]
    assert (outcome, count) == ("failed", 14)
    assert str(sample).count("customer_id") == 10


def test_the_example_of_the_documentation_runs(candidate: Run) -> None:
    documentation = (REPOSITORY / "docs" / "sources.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", documentation, flags=re.DOTALL)
    add_suite(candidate, "feeds/customers")
    suite = candidate.company.folder / "expectations" / "feeds" / "customers.py"
    suite.write_text(example)
    audit(candidate)
    found = results(candidate)
    assert found["Nobody was registered before the shop opened"][:2] == (
        "passed",
        "0 rows",
    )
    share = found["Nineteen customers in twenty live in Berlin or Potsdam"]
    assert share[:2] == ("failed", "13 of 40 values")


def test_a_company_s_suite_for_no_table_is_refused(candidate: Run) -> None:
    add_suite(candidate, "marts/custommers", "gxe.ExpectTableRowCountToEqual(value=4)")
    with pytest.raises(ConfigurationError, match=r"custommers\.py: there is no table"):
        load_suites(candidate.company.folder)


@pytest.mark.parametrize(
    "expectation", ["gxe.ExpectTableRowCountToEqualOrSo(value=4)", "gxe"]
)
def test_a_misspelt_expectation_does_not_pass(candidate: Run, expectation: str) -> None:
    add_suite(candidate, "marts/customers", expectation)
    with pytest.raises(BrokenCheckError):
        audit(candidate)
