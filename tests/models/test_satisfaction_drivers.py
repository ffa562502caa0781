"""Drivers of satisfaction: published weights, plain regressions, what is missing."""

import datetime as dt
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from kith.models.satisfaction_drivers import UNLISTED, find_satisfaction_drivers

Row = dict[str, object]
# Drivers of customer value, in percent; 12.9 are not listed (Ulaga & Chacour 2001).
PUBLISHED = {
    **{"consistency": 19.8, "technical features": 18.4, "ease of use": 4.9},
    **{"range": 3.0, "delivery": 7.8, "technical support": 6.8, "response": 6.5},
    **{"innovation": 3.7, "information": 2.3, "reliability": 6.9, "relations": 4.1},
    "ISO 9001": 2.9,
}


def answers(
    outcome: np.ndarray,
    scores: dict[str, np.ndarray],
    persons: np.ndarray | None = None,
    tiers: np.ndarray | None = None,
) -> pa.Table:
    """Answers of one occasion each; nan is no answer."""
    rows = []
    for name, values in {"": outcome, **scores}.items():
        for at, value in enumerate(values):
            if np.isnan(value):
                continue
            rows.append(
                {
                    "source": "poll",
                    "survey": "yearly",
                    "occasion": f"response {at:05}",
                    "person": f"{at if persons is None else persons[at]}",
                    "answered_date": dt.date(2024 + at % 2, 5, 1),
                    "tier": "Low" if tiers is None else tiers[at],
                    "measure": "perception" if name else "csat",
                    "dimension": name or None,
                    "factor": None,
                    "scale_min": 1.0,
                    "scale_max": 7.0 if name else 5.0,
                    "score": float(value),
                    "item_count": 1,
                }
            )
    columns = pa.schema(
        [
            *((name, pa.string()) for name in ("source", "survey", "occasion")),
            *(("person", pa.string()), ("answered_date", pa.date32())),
            *((name, pa.string()) for name in ("tier", "measure", "dimension")),
            *(("factor", pa.string()), ("scale_min", pa.float64())),
            *(("scale_max", pa.float64()), ("score", pa.float64())),
            ("item_count", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, columns)


def found(table: pa.Table, **of: object) -> dict[str, Row]:
    """Rows of one part of the outcome, by driver."""
    of = {"period_grain": "all", "segment": "all", "driver_kind": "dimension"} | of
    return {
        row["driver"]: row
        for row in find_satisfaction_drivers(table).to_pylist()
        if of.items() <= row.items()
    }


def related(count: int = 600, drivers: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(11)
    scores = draw.normal(size=(count, drivers)) + draw.normal(size=(count, 1))
    outcome = scores @ np.arange(1, drivers + 1) + 4 * draw.normal(size=count)
    return scores, outcome


def named(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {f"d{at:02}": column for at, column in enumerate(scores.T)}


def test_published_weights_keep_what_is_not_listed() -> None:
    weights = np.array(list(PUBLISHED.values())) / 100
    draw = np.random.default_rng(1).normal(size=(500, len(weights) + 1))
    unrelated = np.linalg.qr(draw - draw.mean(axis=0))[0] * np.sqrt(500)
    outcome = unrelated @ np.sqrt([*weights, 1 - weights.sum()])
    rows = found(answers(outcome, dict(zip(PUBLISHED, unrelated.T, strict=False))))
    variance = {name: 100 * row["variance"] for name, row in rows.items()}

    assert variance == pytest.approx(PUBLISHED | {UNLISTED: 12.9}, abs=1e-9)
    assert rows[UNLISTED]["share"] is None
    listed = sum(row["share"] or 0 for row in rows.values())
    assert listed == pytest.approx(1)


def test_shares_and_effects_are_those_of_plain_regressions() -> None:
    scores, outcome = related()
    rows = found(answers(outcome, named(scores)))

    def explained(chosen: list[int]) -> float:
        columns = np.column_stack([np.ones(len(outcome)), scores[:, chosen]])
        left = outcome - columns @ np.linalg.lstsq(columns, outcome, rcond=None)[0]
        return 1 - left.var() / outcome.var()

    gains = np.zeros(5)
    for order in permutations(range(5)):
        for place, driver in enumerate(order):
            gains[driver] += explained([*order[: place + 1]])
            gains[driver] -= explained([*order[:place]])
    gains /= 120
    columns = np.column_stack([np.ones(len(outcome)), scores])
    effects = np.linalg.lstsq(columns, outcome, rcond=None)[0][1:]
    for at, driver in enumerate(named(scores)):
        row = rows[driver]
        assert row["variance"] == pytest.approx(gains[at])
        assert row["share"] == pytest.approx(gains[at] / gains.sum())
        assert row["effect"] == pytest.approx(effects[at])
        correlation = np.corrcoef(scores[:, at], outcome)[0, 1]
        assert row["correlation"] == pytest.approx(correlation)
        assert row["effect_low"] < at + 1 < row["effect_high"]
        assert row["n"] == row["person_count"] == 600
    assert rows[UNLISTED]["variance"] == pytest.approx(1 - gains.sum())
    once = np.where(np.arange(600) % 2 == 0, scores[:, 1], np.nan)
    for year in (0, 1):
        of_year = found(
            answers(outcome, named(scores) | {"once": once}),
            period_grain="year",
            period_start=dt.date(2024 + year, 1, 1),
        )
        # What is not asked in a year is no part of it.
        assert ("once" in of_year) == (year == 0)
        correlation = np.corrcoef(scores[year::2, 0], outcome[year::2])[0, 1]
        assert of_year["d00"]["correlation"] == pytest.approx(correlation)


def test_who_answers_often_makes_nothing_more_certain() -> None:
    scores, outcome = related(100)
    once = found(answers(outcome, named(scores)))
    persons = np.tile(np.arange(100), 5)
    often = found(answers(np.tile(outcome, 5), named(np.tile(scores, (5, 1))), persons))
    alone = found(answers(np.tile(outcome, 5), named(np.tile(scores, (5, 1)))))

    def width(rows: dict[str, Row]) -> float:
        return rows["d04"]["effect_high"] - rows["d04"]["effect_low"]  # type: ignore[operator]

    assert often["d04"]["n"], often["d04"]["person_count"] == (500, 100)
    assert width(often) == pytest.approx(width(once), rel=0.15)
    assert width(alone) < 0.6 * width(often)


def test_drivers_that_cannot_be_judged_have_a_reason_and_spoil_no_others() -> None:
    scores, outcome = related(100, 2)
    plain = found(answers(outcome, named(scores)))
    rare = np.where(np.arange(100) < 79, 3.0, np.nan)
    few = np.where(np.arange(100) < 80, scores[:, 0] * scores[:, 1], np.nan)
    more = {"alike": np.full(100, 4.0), "rare": rare}
    rows = found(answers(outcome, named(scores) | more))

    assert rows["alike"]["reason"] == "skipped: all answers alike"
    assert rows["rare"]["reason"] == "skipped: 79 % answered it, 80 % are required"
    assert rows["alike"]["share"] is rows["rare"]["share"] is None
    assert rows["d00"]["share"] == plain["d00"]["share"]
    # Only who answered all that is judged counts.
    assert found(answers(outcome, named(scores) | {"few": few}))["d00"]["n"] == 80


@pytest.mark.parametrize(
    ("count", "drivers", "spoil", "reason"),
    [
        (49, 2, "nothing", "49 persons, 50 are required"),
        (59, 6, "nothing", "59 persons, 60 are required"),
        (80, 2, "outcome", "the outcome is the same for all"),
        (80, 2, "relation", "together they explain nothing"),
    ],
)
def test_where_nothing_can_be_told_there_is_no_share(
    count: int, drivers: int, spoil: str, reason: str
) -> None:
    scores, outcome = related(count, drivers)
    if spoil == "outcome":
        outcome = np.full(count, 4.0)
    if spoil == "relation":
        columns = np.column_stack([np.ones(count), scores])
        fitted = columns @ np.linalg.lstsq(columns, outcome, rcond=None)[0]
        outcome = outcome - fitted
    rows = found(answers(outcome, named(scores)))

    assert {row["reason"] for row in rows.values()} == {reason}
    assert {row["share"] for row in rows.values()} == {None}
    assert UNLISTED not in rows


def test_beyond_twelve_drivers_the_method_is_another_and_said() -> None:
    scores, outcome = related(300, 13)
    many = found(answers(outcome, named(scores)))
    fewer = found(answers(outcome, named(scores[:, :12])))
    shares = [row["share"] for row in many.values() if row["share"] is not None]

    assert str(many["d00"]["method"]).startswith("relative weights (Johnson 2000)")
    assert str(fewer["d00"]["method"]).startswith("LMG")
    assert (len(shares), sum(shares)) == (13, pytest.approx(1))  # type: ignore[arg-type]


def test_a_driver_that_lowers_has_its_sign_beside_its_share() -> None:
    scores, outcome = related(200, 2)
    rows = found(answers(-outcome, named(scores)))

    assert rows["d01"]["correlation"] < 0 < rows["d01"]["share"]  # type: ignore[operator]
    assert rows["d01"]["stability"] == 1


def test_tiers_are_told_apart_and_the_order_of_rows_changes_nothing() -> None:
    scores, outcome = related(200, 2)
    tiers = np.where(np.arange(200) < 120, "High", "Low")
    table = answers(outcome, named(scores), tiers=tiers)
    shuffled = table.take(np.random.default_rng(2).permutation(len(table)))
    correlation = np.corrcoef(scores[:120, 0], outcome[:120])[0, 1]

    high = found(table, segment="High")
    assert high["d00"]["n"] == 120
    assert high["d00"]["correlation"] == pytest.approx(correlation)
    assert find_satisfaction_drivers(table).equals(find_satisfaction_drivers(shuffled))


def test_without_answers_there_is_no_row() -> None:
    assert len(find_satisfaction_drivers(answers(np.array([]), {}))) == 0
