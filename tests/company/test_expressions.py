"""What a company writes in SQL over columns is one expression, or is refused."""

import pytest

from kith.company.expressions import Fault, check

COLUMNS = {"name": "string", "amount": "decimal(18,2)", "day": "date"}


def test_the_type_and_the_functions_of_an_expression_are_told() -> None:
    assert check("amount > 5", "condition", COLUMNS) == ("BOOLEAN", set())
    kind, functions = check(
        "max(round(amount)) + 1", "expression", COLUMNS, frozenset({"max"})
    )
    assert kind.startswith("DECIMAL")
    assert functions == {"max", "round", "+"}


def test_each_is_tried_with_values_and_without() -> None:
    """A text that is no number fails on values alone."""
    for expression in (
        "cast(name as bigint) > 1",
        "cast(replace(name, 'x', '1') as bigint) > 1",
        "cast(amount as tinyint) > 1",
    ):
        with pytest.raises(Fault, match="cannot be computed"):
            check(expression, "condition", COLUMNS)


def test_nothing_is_divided_by_0() -> None:
    for divisor in ("2", "2.5", "nullif(amount, 0)", "nullif(amount, 0.00)"):
        check(f"amount / {divisor}", "expression", COLUMNS)
    for divisor in ("0", "0.0", "0e0", "null", "'0'", "amount", "nullif(amount, 1)"):
        with pytest.raises(Fault, match="divides by what may be 0"):
            check(f"amount / {divisor}", "expression", COLUMNS)


def test_functions_of_groups_are_for_those_who_have_groups() -> None:
    with pytest.raises(Fault, match="function max is not known"):
        check("max(amount) > 1", "condition", COLUMNS)


def test_a_column_is_called_as_it_is_or_the_nearest_is_named() -> None:
    with pytest.raises(Fault, match="no column amout; did you mean amount"):
        check("amout > 1", "condition", COLUMNS)
    with pytest.raises(Fault, match="no column AMOUNT; did you mean amount"):
        check("AMOUNT > 1", "condition", COLUMNS)
