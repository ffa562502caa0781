"""Behaviours that were planted come first, on the right side, and shares sum to 1."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import expit

from kith.models.drivers import find_drivers
from tests.models.futures import DAYS

NO_FINDINGS = pa.table(
    {
        "question": pa.array([], pa.string()),
        "indicator": pa.array([], pa.string()),
        "status": pa.array([], pa.string()),
        "reason": pa.array([], pa.string()),
        "n": pa.array([], pa.int64()),
    }
)


def asked(n: int, seed: int = 1, strength: float = 1.0) -> tuple[pa.Table, pa.Table]:
    """Customers who buy at rates of their own; late deliveries drive away, posts keep.

    How often somebody buys decides most, and who buys often visits the website.
    """
    draw = np.random.default_rng(seed)
    rate = np.exp(draw.normal(0, 1, n))
    late = draw.random(n) < 0.3
    posts = draw.random(n) < 0.3
    stays = draw.random(n) < expit(
        0.5 + rate / 2 + strength * (1.0 * posts - 1.5 * late)
    )
    days = 1 + draw.poisson(6 * rate)
    columns = {
        "customer_id": [f"c{number}" for number in range(n)],
        "observed_on": pa.array([DAYS["train"]] * n),
        "order_days_ever": days,
        "days_since_first_order": np.full(n, 180.0),
        "days_since_order": draw.exponential(20 / rate).clip(0, 89).round(),
        "tenure_days": np.full(n, 200.0),
        "late_delivery_share_ever": np.where(late, 0.4, 0.05) + draw.normal(0, 0.02, n),
        "late_delivery_count_ever": late * 3.0,
        "post_count_ever": posts * draw.poisson(4, n).astype(float),
        "event_count_web_ever": (draw.random(n) < expit(rate - 1)) * 5.0,
        "returns_per_order_ever": draw.random(n),
        # Whoever is in the app is seen in stores: one behaviour.
        "event_count_app_ever": (np.arange(n) % 2) * 4.0,
        "stay_count_ever": (np.arange(n) % 2) * 2.0,
    }
    tiers = np.where(np.arange(n) < n // 20, "VIP", "Low")
    outcomes = pa.table(
        {
            "question": ["stays"] * n,
            "observed_on": pa.array([DAYS["train"]] * n),
            "role": ["train"] * n,
            "customer_id": columns["customer_id"],
            "tier": tiers.tolist(),
            "outcome": stays.tolist(),
            "place": pa.array(1 + draw.permutation(n)),
        }
    )
    return pa.table(columns), outcomes


def test_planted_drivers_come_first_on_their_sides_and_habits_are_none() -> None:
    found = find_drivers(*asked(4000), NO_FINDINGS).to_pandas()
    whole = found[found["segment"] == "all"].set_index("behaviour")
    order = whole["share"].sort_values(ascending=False).index
    assert list(order[:2]) == ["late_deliveries", "community"]
    assert whole["share"].sum() == pytest.approx(1)
    assert whole.loc["late_deliveries", "correlation"] < 0
    assert whole.loc["community", "correlation"] > 0
    assert (whole.loc[["late_deliveries", "community"], "stability"] == 1).all()
    assert (whole["lower_bound"] <= whole["share"]).all()
    assert (whole["share"] <= whole["upper_bound"]).all()
    assert whole.loc["web", "upper_bound"] < whole.loc["community", "lower_bound"]
    assert whole.loc["app", "indicators"] == "event_count_app_ever, stay_count_ever"
    assert whole.loc["app", "words"] == "use of the app; with it goes visits to places"
    assert "store_visits" not in whole.index
    assert whole["method"].str.startswith("Shapley values of ").all()


def test_segments_too_small_have_a_reason_and_others_their_own_shares() -> None:
    found = find_drivers(*asked(800), NO_FINDINGS).to_pandas()
    small = found[found["segment"] == "VIP"]
    assert small["share"].isna().all()
    assert set(small["reason"]) == {"40 customers, 50 are required"}
    low = found[found["segment"] == "Low"]
    assert low["share"].sum() == pytest.approx(1) and (low["n"] == 760).all()


def test_a_behaviour_in_which_all_are_alike_has_a_reason_and_no_share() -> None:
    indicators, outcomes = asked(800)
    alike = indicators.append_column("quote_count_ever", pa.array([2] * 800))
    found = find_drivers(alike, outcomes, NO_FINDINGS).to_pandas()
    quotes = found[found["behaviour"] == "quotes"].set_index("segment")
    assert quotes["reason"].to_dict() == {
        "all": "nearly all of them are alike in it",
        "Low": "nearly all of them are alike in it",
        "VIP": "40 customers, 50 are required",
    }
    assert quotes["share"].isna().all()
    assert quotes["indicators"].unique().tolist() == ["quote_count_ever"]
    others = found[found["behaviour"] != "quotes"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        others, find_drivers(indicators, outcomes, NO_FINDINGS).to_pandas()
    )
    habits = ["customer_id", "observed_on", "order_days_ever", "tenure_days"]
    habits += ["days_since_first_order", "days_since_order", "quote_count_ever"]
    nothing = find_drivers(alike.select(habits), outcomes, NO_FINDINGS)
    assert nothing.column("behaviour").unique().to_pylist() == ["quotes"]


def test_where_nothing_is_explained_nothing_is_shared_out() -> None:
    refused = 0
    for seed in range(6):
        found = find_drivers(*asked(300, seed, strength=0.0), NO_FINDINGS).to_pandas()
        whole = found[found["segment"] == "all"]
        if whole["share"].isna().all():
            refused += 1
            assert set(whole["reason"]) == {
                "on customers not fitted they explain nothing"
            }
        else:
            assert whole["share"].sum() == pytest.approx(1)
    assert refused >= 2
    indicators, outcomes = asked(300)
    all_stay = outcomes.set_column(5, "outcome", pa.array([True] * 300))
    found = find_drivers(indicators, all_stay, NO_FINDINGS).to_pandas()
    assert set(found[found["segment"] == "all"]["reason"]) == {
        "all of them stayed, or none"
    }


def test_an_indicator_of_the_companys_own_is_a_behaviour_of_its_own() -> None:
    indicators, outcomes = asked(400)
    own = np.random.default_rng(2).random(400)
    indicators = indicators.append_column("club_visits", pa.array(own))
    found = find_drivers(indicators, outcomes, NO_FINDINGS, "club_visits other")
    behaviours = found.column("behaviour").to_pylist()
    assert "club_visits" in behaviours and "other" not in behaviours


def test_a_trait_that_leaks_has_a_row_and_no_share() -> None:
    findings = pa.table(
        {
            "question": ["stays", "buys_again"],
            "indicator": ["trait_left", "trait_paid"],
            "status": ["leak", "leak"],
            "reason": ["only who left has it", "only who paid has it"],
            "n": [300, 300],
        }
    )
    found = find_drivers(*asked(300), findings).to_pandas()
    leaks = found[found["is_leak"]]
    assert leaks["behaviour"].tolist() == ["trait_left"]
    assert leaks["share"].isna().all() and leaks["reason"].tolist() == [
        "only who left has it"
    ]


def test_the_order_of_rows_changes_nothing_and_without_a_day_there_is_nothing() -> None:
    indicators, outcomes = asked(300)
    turned = indicators.take(pa.array(np.arange(300)[::-1]))
    assert find_drivers(indicators, outcomes, NO_FINDINGS) == find_drivers(
        turned, outcomes.take(pa.array(np.arange(300)[::-1])), NO_FINDINGS
    )
    assert len(find_drivers(indicators, outcomes.slice(0, 0), NO_FINDINGS)) == 0


def test_shares_hang_little_on_how_customers_are_divided() -> None:
    indicators, outcomes = asked(3000)
    shares = []
    for seed in range(6):
        place = 1 + np.random.default_rng(seed).permutation(3000)
        column = outcomes.schema.get_field_index("place")
        divided = outcomes.set_column(column, "place", pa.array(place))
        found = find_drivers(indicators, divided, NO_FINDINGS).to_pandas()
        whole = found[found["segment"] == "all"].set_index("behaviour")
        shares.append(whole["share"])
    assert np.std(shares, axis=0).max() < 0.002


def test_shares_are_those_of_a_regression_and_who_goes_along_has_little() -> None:
    indicators, outcomes = asked(40_000)
    draw = np.random.default_rng(3)
    late, referred, along = (draw.random(40_000) < 0.5 for _ in range(3))
    wishes = np.where(draw.random(40_000) < 0.6, late, along)
    stays = draw.random(40_000) < 0.5 - 0.1 * late + 0.05 * referred
    values = {
        "late_delivery_share_ever": late + 0.0,
        "late_delivery_count_ever": late + 0.0,
        "post_count_ever": np.zeros(40_000),
        "referral_count_ever": referred + 0.0,
        "wishes_per_view_ever": wishes + 0.0,
    }
    told = pa.table(
        {name: indicators[name] for name in indicators.column_names} | values
    )
    place = outcomes.schema.get_field_index("outcome")
    changed = outcomes.set_column(place, "outcome", pa.array(stays))
    found = find_drivers(told, changed, NO_FINDINGS).to_pandas()
    whole = found[found["segment"] == "all"].set_index("behaviour")
    seen = np.stack([late, referred, wishes], axis=1) - [0.5, 0.5, wishes.mean()]
    weights = np.linalg.lstsq(seen, stays - stays.mean(), rcond=None)[0]
    brought = weights * (seen.T @ (stays - stays.mean()))
    for name, share in zip(
        ("late_deliveries", "referrals", "wishes"), brought / brought.sum(), strict=True
    ):
        assert whole.loc[name, "share"] == pytest.approx(share, abs=0.05)
    assert whole.loc["wishes", "correlation"] < -0.05
    assert whole.loc["wishes", "share"] < 0.05


def test_complaints_are_no_other_cases_of_service() -> None:
    indicators, outcomes = asked(1000)
    complaints = np.arange(1000) % 5 == 0
    repairs = np.arange(1000) % 7 == 0

    def behaviours(tickets: np.ndarray) -> set[str]:
        told = indicators.append_column(
            "complaint_count_ever", pa.array(complaints * 2.0)
        ).append_column("ticket_count_ever", pa.array(tickets))
        found = find_drivers(told, outcomes, NO_FINDINGS).to_pandas()
        return set(found.dropna(subset="share")["behaviour"])

    assert "service_cases" not in behaviours(complaints * 2.0)
    assert {"service_cases", "unanswered_complaints"} <= behaviours(
        complaints * 2.0 + repairs
    )
