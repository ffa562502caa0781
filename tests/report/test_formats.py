"""How figures and names are written."""

import datetime as dt
from decimal import Decimal

import pytest

from kith.report.formats import amount, fill, name, percent, times
from kith.report.language import language_of, speaking


@pytest.mark.parametrize(
    ("value", "largest", "written"),
    [
        (Decimal("35.2"), "", "35.20"),
        (Decimal("999.999"), "", "1,000.00"),
        (1234.5, "", "1,234"),
        (9_999_999, "", "9,999,999"),
        (10_000_000, "", "10.00 M"),
        (12_345_678_901, "", "12.35 bn"),
        (-12_345_678_901, "", "-12.35 bn"),
        (Decimal("35.2"), "1000", "35"),
        (500_000, "12000000", "0.50 M"),
    ],
)
def test_amounts_shown_together_have_the_decimals_of_the_largest(
    value: Decimal, largest: str, written: str
) -> None:
    assert amount(value, largest) == written


def test_shares_have_one_decimal_and_indices_two() -> None:
    assert percent(54.321) == "54.3%"
    assert times(1.5701) == "1.57×"


def test_a_name_in_the_users_own_spelling_stays() -> None:
    assert name("half_asleep") == "Half asleep"
    assert name("VIP_club") == "VIP_club"
    assert name("") == ""


def test_what_stands_behind_a_title_is_as_it_is_in_english() -> None:
    row = {"of_survey": ": relationship", "none": ""}
    assert fill("NPS{of_survey:behind}{none:behind}", row) == "NPS: relationship"
    with speaking(language_of("zh")):
        assert fill("NPS{of_survey:behind}{none:behind}", row) == "NPS：relationship"


def test_a_template_takes_formats_of_python_and_of_kith() -> None:
    row = {"n": 2469, "month": dt.date(2017, 12, 1), "pct": 5.04, "largest": 2000}
    assert fill("{n:,} in {month:%b %Y}: {pct:percent}", row) == (
        "2,469 in Dec 2017: 5.0%"
    )
    assert fill("{pct:amount {largest}} of {n:amount}", row) == "5 of 2,469"


@pytest.mark.parametrize("spec", ["", ",", "percent", "amount", ".2f", "%b %Y"])
def test_none_is_a_dash_in_every_format(spec: str) -> None:
    assert fill(f"{{n:{spec}}}", {"n": None}) == "–"


def test_figures_have_a_minus_sign_and_texts_keep_their_hyphens() -> None:
    row = {"score": -5.0, "key": "B-12", "day": dt.date(2017, 1, 2)}
    assert fill("{score:.1f} {key} {day}", row) == "−5.0 B-12 2017-01-02"


def test_data_are_never_read_as_a_template() -> None:
    row = {"segment": "{secret}{0.__class__}", "secret": "key"}
    assert fill("{segment:name}", row) == "{secret}{0.  class  }"
    assert fill("{segment}", row) == "{secret}{0.__class__}"


def test_a_column_that_the_query_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="revenue"):
        fill("{revenue}", {"n": 1})
