"""A company's own indicators are lines of SQL that can be trusted, or are refused."""

from pathlib import Path

import pytest

from kith.company.folder import check_expressions, load_company
from kith.company.indicators import action_columns, fault_of, faults_of
from kith.errors import ConfigurationError
from tests.companies.generate import generate


@pytest.mark.parametrize(
    "line",
    [
        "count(*) filter (where kind = 'order' and channel = 'web' and age_days < 30)",
        "sum(order_amount) / nullif(count(distinct day), 0)",
        "coalesce(sum(case when act = 'view' then event_count end), 0)",
        "max(age_days) - min(age_days)",
        "sum(order_amount) filter (where touchpoint like 'Shop %') * 1.5",
        "sum(order_count) filter (where detail in ('a;b', 'it''s -- fine'))",
        "avg(cast(order_amount as double))",
    ],
)
def test_a_number_per_customer_is_an_indicator(line: str) -> None:
    assert fault_of(line) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "sum(order_amout)",
            "there is no column order_amout; did you mean order_amount",
        ),
        ("sum(order_amount", "is no expression in SQL"),
        ("order_amount", "sum, count, avg, min or max of them is expected"),
        ("1", "sum, count, avg, min or max of them is expected"),
        ("sum(order_amount) + age_days", "cannot be computed"),
        ("sum(channel)", "cannot be computed"),
        ("100 / (sum(order_count) - 9)", "write ... / nullif(..., 0)"),
        ("sqrt(9 - sum(order_count))", "function sqrt is not known"),
        ("min(order_amount, 2)", "a number is expected"),
        ("max(channel)", "gives varchar; a number is expected"),
        ("count(*) > 3", "gives boolean; a number is expected"),
        ("median(order_amount)", "function median is not known to give the same"),
        ("date_diff('day', max(day), observed_on)", "function date_diff is not known"),
        ("sum(order_amount) over ()", "sums over other rows are not possible"),
        (
            "(select count(*) from orders)",
            "a query within one expression is not possible",
        ),
        ("sum(order_amount), count(*)", "expected one expression and nothing else"),
        ("sum(order_amount) from orders", "expected one expression and nothing else"),
        ("sum(order_amount); drop table x", "is no expression in SQL"),
        ("sum(order_amount); select 1", "expected one expression and nothing else"),
        ("sum(order_amount) -- web", "expected one expression and nothing else"),
        ("sum(order_amount)::double", "expected one expression and nothing else"),
        ('sum("order_amount")', "names of columns stand without quotes"),
        ("sum(order_amount) as x", "expected one expression and nothing else"),
    ],
)
def test_anything_else_is_refused_with_its_cure(line: str, reason: str) -> None:
    assert reason in str(fault_of(line))


def test_the_error_names_file_indicator_column_and_cure(tmp_path: Path) -> None:
    folder = generate(tmp_path / "shop", 10)
    with (folder / "company.yml").open("a") as file:
        file.write("indicators: {loyal: sum(order_cuont), good: count(*)}\n")
    with pytest.raises(ConfigurationError) as error:
        check_expressions(load_company(folder))
    assert str(error.value) == (
        f"{folder}/company.yml: indicators.loyal: `sum(order_cuont)`: there is no "
        "column order_cuont; did you mean order_count? (docs/company.md lists the "
        "columns)"
    )


def test_a_word_of_sql_is_no_name() -> None:
    (fault,) = faults_of({"select": "count(*)", "days": "count(*)"})
    assert fault.startswith("indicators.select: `count(*)`: select is a word of SQL")
    assert "own_select" in fault


def test_lines_run_over_the_documented_table() -> None:
    assert action_columns()["order_amount"] == "decimal(18,2)"
