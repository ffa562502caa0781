"""Schemes are checked before anything runs: conditions, names, columns."""

import shutil
from pathlib import Path

import pytest
import yaml

from kith.company.folder import load_company
from kith.company.schemes import fault_of, faults_of, own_schemes, state_columns
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY
from kith.stages import plan
from tests.company.faults import CORNER_SHOP, check_fault


@pytest.mark.parametrize(
    "condition",
    [
        "level = 'gold' and revenue_amount_365d >= 100.5",
        "city in ('Ulm', 'Bonn') or city like 'B%' and not is_earlier",
        "coalesce(csat_mean_365d, 0) < 3 and complaint_count_365d between 1 and 9",
        "revenue_amount_90d / nullif(revenue_amount_365d, 0) > 0.5",
        "first_order_date >= date '2024-01-01'",
        "case when is_earlier then order_count > 1 else lifecycle is null end",
        "abs(margin_amount) + 1 > 2 -1",
        "city = 'a;b--c/*::\"'",
        "true",
    ],
)
def test_conditions_over_the_columns_are_taken(condition: str) -> None:
    assert fault_of(condition) is None


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("levle = 'gold'", "no column levle; did you mean level? (docs/company.md"),
        ('level = "gold"', "texts in single ones"),
        ('"city" = city', "names of columns stand without quotes"),
        ("customers.city = 'Ulm'", "no column customers.city"),
        ("order_count", "neither true nor false"),
        ("order_count > 1 or", "no condition in SQL (syntax error"),
        ("order_count > 1; drop table x", "no condition in SQL"),
        ("order_count > 1 -- many", "expected one condition and nothing else"),
        ("order_count > 1 /* many */", "expected one condition and nothing else"),
        ("true) or (true", "no condition in SQL"),
        ("true from customers", "expected one condition and nothing else"),
        ("true as many", "expected one condition and nothing else"),
        ("true, false", "expected one condition and nothing else"),
        ("true order by 1", "expected one condition and nothing else"),
        ("true union select false", "expected one condition and nothing else"),
        ("exists (select 1)", "a query within one condition"),
        ("order_count > (select 1)", "a query within one condition"),
        ("sum(order_count) over () > 1", "sums over other rows"),
        ("max(order_count) > 1", "function max is not known"),
        ("random() < 0.5", "function random is not known"),
        ("level ilike 'g%'", "function ~~* is not known"),
        ("current_date > state_on", "no column current_date"),
        ("order_count > ?", "parameter is not possible"),
        ("*", "star is not possible"),
        ("city > 5", "cannot be computed"),
        ("100 / (order_count - 9) > 20", "write ... / nullif(..., 0)"),
        ("cast(city as bigint) > 5", "cannot be computed"),
        ("order_count::double > 5", "write cast(... as ...)"),
        ("read_text('/etc/passwd') is not null", "function read_text is not known"),
    ],
)
def test_any_other_condition_is_refused_with_what_to_do(
    condition: str, words: str
) -> None:
    assert words in (fault_of(condition) or "")


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ("spending:", "tier:", "schemes.tier: Kith has a scheme of that name"),
        ("Big spender:", "VIP:", "VIP: Kith's own scheme tier has a segment of that"),
        ("Big spender:", "other:", "other stands in each scheme"),
        ("Big spender:", "unidentified:", "unidentified stands in each scheme"),
        ("Big spender:", "not_yet_known:", "not_yet_known stands in each scheme"),
        ("Big spender:", "' Big':", "is no name"),
        ("Big spender:", "Yes:", "schemes.spending.segments"),
        ("spending:", "Spending:", "schemes.Spending"),
        (
            "    segments: {",
            "    version: 0\n    segments: {",
            "schemes.spending.version",
        ),
        (
            "    segments: {",
            "    other_names: {Big: x}\n    segments: {",
            "other_names.Big: the scheme has no such segment; it has Big spender, Sp",
        ),
        (
            "feeds:\n",
            "  second:\n    segments: {Spender: order_count > 5}\nfeeds:\n",
            "schemes.second.segments.Spender: schemes.spending has a segment of that "
            "name, with another condition (`revenue_amount_365d > 0`)",
        ),
        ("drowsy: 14", "rhythm_gaps: [3, 2, 1], drowsy: 14", "ascending"),
        ("drowsy: 14", "rhythm_gaps: [1, 2], drowsy: 14", "rhythm_gaps"),
        ("drowsy: 14", "by: habit, drowsy: 14", "activity_states.by"),
    ],
)
def test_a_faulty_scheme_is_named_with_its_place(
    tmp_path: Path, found: str, instead: str, words: str
) -> None:
    check_fault(tmp_path, "company.yml", found, instead, words)


def test_a_faulty_condition_stops_the_plan_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_HOME", str(tmp_path / "home"))
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "company.yml"
    path.write_text(path.read_text().replace("amount_365d >= 500", "365d >= 500"))
    with pytest.raises(ConfigurationError) as fault:
        plan(str(folder), {}, "run_1")
    assert str(fault.value).startswith(
        f"{path}: schemes.spending.segments.Big spender: `revenue_365d >= 500`: "
        "there is no column revenue_365d; did you mean "
    )


def test_schemes_keep_the_order_in_which_they_are_written() -> None:
    company = load_company(REPOSITORY / "tests" / "companies" / "corner_shop")
    assert list(company.schemes["spending"].segments) == ["Big spender", "Spender"]


def test_kiths_own_schemes_are_sound_and_a_name_means_one_thing() -> None:
    own = own_schemes()
    assert list(own) == ["rfm", "rfm_type", "activity", "tier", "lifecycle", "value"]
    conditions: dict[str, set[str]] = {}
    for scheme in own.values():
        assert scheme.other_names.keys() <= scheme.segments.keys()
        for segment, condition in scheme.segments.items():
            assert fault_of(condition) is None
            conditions.setdefault(segment, set()).add(condition)
    assert all(len(each) == 1 for each in conditions.values())
    assert len(own["rfm_type"].other_names) == 8
    assert all(fault.endswith("own_rfm") for fault in faults_of({"rfm": own["rfm"]}))


def test_conditions_are_tried_on_every_column() -> None:
    """A column of a new type would have no value to try conditions on."""
    path = REPOSITORY / "dbt_project/models/intermediate/segments"
    (model,) = yaml.safe_load((path / "int_customer_states.yml").read_text())["models"]
    assert state_columns().keys() == {column["name"] for column in model["columns"]}
    assert fault_of(" or ".join(f"{name} is null" for name in state_columns())) is None
