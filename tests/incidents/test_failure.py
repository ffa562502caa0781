"""What failures belong together, and what is told of each."""

import errno
from pathlib import Path
from typing import Any

import pytest

from kith import errors
from kith.company.folder import load_company
from kith.incidents.failure import CURES, Failure, describe
from kith.settings import REPOSITORY
from tests.one_table import company

NAME = "Anna Meier"


def raised(error: BaseException) -> BaseException:
    """The error as it comes out of the code that raises it."""
    try:
        raise error
    except BaseException as caught:
        return caught


def keys(*failures: Failure) -> int:
    return len({each.key for each in failures})


def test_five_pulls_of_one_dead_source_are_one(tmp_path: Path) -> None:
    shop = load_company(company(tmp_path))
    dead = [
        describe(
            errors.SourceUnavailableError(f"till.t{n}: refused"),
            "pull",
            table,
            company=shop,
        )
        for n, table in enumerate(("till.a", "till.b", "till.c", "web.a", "till.d"))
    ]
    assert keys(*dead) == 2
    assert dead[0].evidence.thing == "source till"
    assert keys(*dead, describe(errors.CredentialsError("x"), "pull", "till.a")) == 3


def test_a_source_pulled_by_a_connection_is_that_connection(tmp_path: Path) -> None:
    made = company(tmp_path, path="s3://x/y.csv", connection="lake")
    found = describe(
        errors.SourceUnavailableError("x"),
        "pull",
        "shop.sales",
        company=load_company(made),
    )
    assert found.evidence.thing == "connection lake"


def test_tasks_that_meet_the_same_full_disk_are_one(kith_home: Path) -> None:
    kith_home.mkdir()
    full = [
        describe(OSError(errno.ENOSPC, "x", str(kith_home / name)), stage, item)
        for name, stage, item in (("a", "pull", "till.a"), ("b/c", "build", ""))
    ]
    assert keys(*full) == 1
    assert full[0].failure_class == "resource"
    assert keys(*full, describe(MemoryError(), "build")) == 2


def test_the_same_check_night_after_night_is_one_and_another_check_another() -> None:
    def stopped(check: str, count: int) -> Failure:
        error = errors.GateError(f"{check} failed: {count} rows; see x")
        return describe(error.showing(thing=check, rows=f"{count} rows"), "audit")

    assert keys(stopped("orders: a", 1), stopped("orders: a", 2)) == 1
    assert keys(stopped("orders: a", 1), stopped("orders: b", 1)) == 2


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        # Each table's delivery is one thing, whichever task finds out.
        (("contract", "admit", "till.a"), ("contract", "admit", "till.a"), 1),
        (("contract", "admit", "till.a"), ("contract", "admit", "till.b"), 2),
        (("contract", "admit", "till.a"), ("transient", "admit", "till.a"), 2),
    ],
)
def test_what_else_belongs_together(
    first: tuple[str, ...], second: tuple[str, ...], count: int
) -> None:
    kinds: dict[str, Any] = {
        "contract": errors.DeliveryError,
        "transient": errors.TransientError,
    }
    found = [describe(kinds[kind]("x; y"), *rest) for kind, *rest in (first, second)]
    assert keys(*found) == count


def test_all_tasks_that_read_one_wrong_file_are_one() -> None:
    wrong = "/c/company.yml: time_zone: 'x' is no zone; expected one"
    found = [
        describe(errors.ConfigurationError(wrong), stage) for stage in ("plan", "build")
    ]
    assert keys(*found) == 1
    assert found[0].evidence.thing == "/c/company.yml"
    assert found[0].cause == "/c/company.yml: time_zone: 'x' is no zone"
    assert found[0].details == "expected one"


def test_of_a_bug_its_place_is_told_and_not_its_message() -> None:
    from kith.deliveries.admitted import all_deliveries

    found = []
    for item in ("till.a", "till.b"):
        with pytest.raises(AttributeError) as caught:
            all_deliveries(NAME, item)  # type: ignore[arg-type]
        found.append(describe(caught.value, "admit", item))
    assert keys(*found) == 1
    assert NAME in str(caught.value) or "str" in str(caught.value)
    assert found[0].cause.startswith(
        "AttributeError in plugins/kith/deliveries/admitted.py ("
    )
    elsewhere = raised(ValueError(f"could not convert {NAME}"))
    other = describe(elsewhere, "admit", "till.a")
    assert other.cause == "ValueError in code that is not Kith's"
    assert NAME not in f"{other}"


def test_evidence_of_the_error_is_kept_without_persons() -> None:
    error = errors.DeliveryError(f"till.a: found '{NAME}'; mend it").showing(
        rows=f"1 of 2: '{NAME}'", file="/q/rows.parquet", query="select a from 'b c'"
    )
    found = describe(error, "admit", "till.a")
    assert NAME not in f"{found}"
    assert (found.evidence.file, found.evidence.query) == (
        "/q/rows.parquet",
        "select a from 'b c'",
    )
    assert found.evidence.rows == "1 of 2: 'xxxx xxxxx'"


def test_each_class_has_the_cure_of_its_page() -> None:
    page = (REPOSITORY / "docs" / "failures.md").read_text().replace("`", "")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines()]
    documented = {row[0][1:].split("]")[0]: row[3] for row in rows if len(row) == 4}
    assert {kind: documented[kind] for kind in CURES} == CURES
    assert set(CURES) == set(errors.FailureClass.__args__)
