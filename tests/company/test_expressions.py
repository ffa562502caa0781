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
    with pytest.raises(Fault, match="cannot be computed"):
        check("cast(name as bigint) > 1", "condition", COLUMNS)


def test_functions_of_groups_are_for_those_who_have_groups() -> None:
    with pytest.raises(Fault, match="function max is not known"):
        check("max(amount) > 1", "condition", COLUMNS)


def test_a_column_is_called_as_it_is_or_the_nearest_is_named() -> None:
    with pytest.raises(Fault, match="no column amout; did you mean amount"):
        check("amout > 1", "condition", COLUMNS)
