"""Satisfaction marts against pandas and scipy, on random answers and cases."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_series_equal
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from tests.conftest import new_run

ZONE = "Asia/Shanghai"
AS_OF = dt.date(2024, 5, 20)
MINIMUM = 3
COMPANY = {
    "name": "asked",
    "title": "A company that asks",
    "time_zone": ZONE,
    "currency": "CNY",
    "first_day": dt.date(2023, 11, 1),
    "minimum_answers": MINIMUM,
    "complaint_response_hours": 24,
    "business_hours": {
        **dict.fromkeys(
            ("monday", "tuesday", "wednesday", "thursday"), "09:00-12:30, 13:30-18:00"
        ),
        "friday": "09:00-14:15",
        "holidays": [dt.date(2024, 5, 1)],
    },
    "feeds": {
        "survey_answers": ["stg_desk__survey_answers"],
        "tickets": ["stg_desk__tickets"],
        "assignments": ["stg_desk__assignments"],
        "orders": ["stg_desk__orders"],
        "order_lines": ["stg_desk__order_lines"],
    },
}
SOURCES = {
    "sources": [
        {
            "name": "desk",
            "tables": [
                {
                    "name": "unused",
                    "config": {"meta": {"connector": "files", "path": "none.csv"}},
                    "columns": [{"name": "unused", "data_type": "bigint"}],
                }
            ],
        }
    ]
}
# question, scale, share of the answers
QUESTIONS = [
    ("nps", 0, 10, 0.3),
    ("csat", 1, 5, 0.3),
    ("csat", 0, 10, 0.1),
    ("ces", 1, 7, 0.2),
    ("ces", 1, 5, 0.05),
    ("perception", 1, 7, 0.05),
]


def random_answers(count: int = 3000) -> pd.DataFrame:
    """Answers of known and unknown persons, some of them no scores."""
    random = np.random.default_rng(5)
    shares = np.array([share for *_, share in QUESTIONS])
    questions = random.choice(len(QUESTIONS), count, p=shares / shares.sum())
    kinds, lows, highs = (
        np.array([question[column] for question in QUESTIONS])[questions]
        for column in range(3)
    )
    scores = np.minimum(
        highs, lows + np.floor((highs - lows + 1) * random.beta(3, 1.5, count))
    )
    people = random.integers(0, 80, count).astype(str)
    answered_at = pd.Timestamp("2023-11-01") + pd.to_timedelta(
        random.integers(0, 210 * 86400, count), unit="s"
    )
    frame = pd.DataFrame(
        {
            "source": "desk",
            "answer_id": np.arange(count).astype(str),
            "identifier_value": np.where(random.random(count) < 0.7, people, None),
            "answered_at": answered_at,
            "survey": random.choice(["after_order", "yearly"], count, p=[0.8, 0.2]),
            "question": random.choice(["All in all?", None], count, p=[0.9, 0.1]),
            "measure": kinds,
            "dimension": random.choice(["price", None], count, p=[0.2, 0.8]),
            "score": scores,
            "scale_min": lows.astype(float),
            "scale_max": highs.astype(float),
            "method": random.choice(["phone", "kiosk", None], count),
            "touchpoint": random.choice(["till", "web", "门店", None], count),
            "loaded_at": pd.Timestamp("2024-05-21"),
        }
    )
    # No score; a code that is none; between two answers; an open question.
    spoilt = random.integers(0, 50, count)
    frame.loc[spoilt < 3, "score"] = None
    frame.loc[spoilt == 3, "score"] = 11
    frame.loc[spoilt == 4, "score"] = 3.5
    frame.loc[spoilt == 5, "measure"] = None
    # Alike, so that the error cannot be told.
    frame.loc[
        (frame.touchpoint == "web") & (frame.measure == "ces") & (frame.score > 2),
        "score",
    ] = 5.0
    frame["identifier_type"] = frame.identifier_value.map(
        lambda value: None if value is None else "card"
    )
    return frame


def published_answers() -> pd.DataFrame:
    """Answers of which literature gives the outcome, each at a touchpoint of its own:
    NPS .5 / .2 of 100, CSAT 70 of 100 and 3 of 3. Nobody knows whose they are."""
    groups = [
        ("nps_50_30_20", "nps", 0, 10, [10] * 50 + [7] * 30 + [0] * 20),
        ("csat_70_of_100", "csat", 1, 5, [4] * 70 + [3] * 30),
        ("csat_3_of_3", "csat", 1, 5, [5] * 3),
        # In doubles, Wilson's bounds would lie within these shares of 0 and 1.
        ("csat_38_of_38", "csat", 1, 5, [5] * 38),
        ("csat_0_of_7", "csat", 1, 5, [1] * 7),
        ("half_a_point", "perception", 0.5, 5, [0.5, 2.5, 5] * 3),
        ("no_point", "perception", 0, 5, [0, 2, 5] * 3),
        # Not published: the sum of many answers is larger than each.
        ("large", "perception", 0, 1e9, [6e8, 4e8, 9e8]),
        # Nor this: rounded, its variance would be below 0.
        ("alike", "perception", 1, 9, [6.1] * 5),
        # Nor this: who does not know gives no score, on whichever scale.
        ("no_scale", "csat", np.nan, np.nan, [np.nan] * 4),
    ]
    frame = pd.concat(
        pd.DataFrame({"score": [float(score) for score in scores]}).assign(
            touchpoint=touchpoint, measure=kind, scale_min=low, scale_max=high
        )
        for touchpoint, kind, low, high, scores in groups
    )
    return frame.assign(
        source="desk",
        survey="published",
        answer_id=[f"p{number}" for number in range(len(frame))],
        answered_at=pd.Timestamp("2024-01-10 12:00"),
        loaded_at=pd.Timestamp("2024-05-21"),
    )


def random_tickets(count: int = 400) -> pd.DataFrame:
    """Cases of a desk that tells its first answers, and of a log that tells none."""
    random = np.random.default_rng(7)
    opened_at = pd.Timestamp("2024-03-01") + pd.to_timedelta(
        random.integers(0, 85 * 86400, count), unit="s"
    )
    frame = pd.DataFrame(
        {
            "source": random.choice(["desk", "log"], count, p=[0.8, 0.2]),
            "ticket_id": np.arange(count).astype(str),
            "identifier_type": "card",
            "identifier_value": random.integers(0, 80, count).astype(str),
            "opened_at": opened_at,
            "first_response_at": opened_at
            + pd.to_timedelta(random.exponential(90_000, count).round(), unit="s"),
            "resolved_at": opened_at
            + pd.to_timedelta(random.exponential(200_000, count).round(), unit="s"),
            "kind": random.choice(
                ["question", "complaint", "claim", "repair", None], count
            ),
            "reopen_count": random.integers(0, 3, count),
            "is_within_sla": random.random(count) < 0.6,
            "loaded_at": pd.Timestamp("2024-05-21"),
        }
    )
    frame["is_reopened"] = frame.reopen_count > 0
    frame.loc[random.random(count) < 0.2, "resolved_at"] = pd.NaT
    frame.loc[random.random(count) < 0.2, "first_response_at"] = pd.NaT
    frame.loc[frame.source == "log", "first_response_at"] = pd.NaT
    on_the_hour = frame.index < 5
    frame.loc[on_the_hour, "source"] = "desk"
    frame.loc[on_the_hour, "resolved_at"] = pd.NaT
    frame.loc[on_the_hour, "first_response_at"] = frame.opened_at + pd.Timedelta("24h")
    before = frame.index >= count - 5
    frame.loc[before, "source"] = "desk"
    frame.loc[before, "first_response_at"] = frame.opened_at - pd.Timedelta("1h")
    resolved_before = (frame.index >= count - 10) & (frame.index < count - 3)
    frame.loc[resolved_before, "source"] = "desk"
    frame.loc[resolved_before, "resolved_at"] = frame.opened_at - pd.Timedelta("30h")
    # Some count only, some flag only.
    frame["is_reopened"] = frame.is_reopened.astype(object)
    frame.loc[random.random(count) < 0.3, "is_reopened"] = None
    frame["reopen_count"] = frame.reopen_count.astype("Int64")
    frame.loc[random.random(count) < 0.3, "reopen_count"] = pd.NA
    return frame


def random_orders(count: int = 150) -> pd.DataFrame:
    random = np.random.default_rng(6)
    return pd.DataFrame(
        {
            "source": "desk",
            "order_id": np.arange(count).astype(str),
            "identifier_type": "card",
            "identifier_value": random.integers(0, 60, count).astype(str),
            "ordered_at": pd.Timestamp("2023-11-05")
            + pd.to_timedelta(random.integers(0, 195, count), unit="D"),
            "line_amount": np.round(random.gamma(2, 20, count), 2),
            "loaded_at": pd.Timestamp("2024-05-21"),
        }
    )


def assignments() -> pd.DataFrame:
    """Half of the people are in somebody's care, who is followed by somebody else."""
    people = [str(number) for number in range(0, 80, 2)]
    moved_at = pd.Timestamp("2024-02-10 07:30")
    first = pd.DataFrame({"identifier_value": people, "valid_to": moved_at})
    second = pd.DataFrame({"identifier_value": people, "department": "service"})
    return pd.concat(
        [
            first.assign(valid_from=pd.Timestamp("2023-12-01"), department="sales"),
            second.assign(valid_from=moved_at, valid_to=pd.NaT),
        ],
        ignore_index=True,
    ).assign(
        source="desk",
        assignment_id=lambda frame: frame.index.astype(str),
        identifier_type="card",
        employee_id=lambda frame: frame.department,
        loaded_at=pd.Timestamp("2024-05-21"),
    )


def deliver(folder: Path, feed: str, frame: pd.DataFrame) -> None:
    """Let a staging model bring these rows to a feed."""
    path = folder / f"{feed}.parquet"
    frame.to_parquet(path)
    (folder / "staging" / f"stg_desk__{feed}.sql").write_text(
        f"select * from read_parquet('{path}')"
    )


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    return pd.concat([random_answers(), published_answers()], ignore_index=True)


@pytest.fixture(scope="module")
def tickets() -> pd.DataFrame:
    return random_tickets()


@pytest.fixture(scope="module")
def warehouse(
    answers: pd.DataFrame,
    tickets: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The marts as dbt builds and tests them."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "staging").mkdir()
    (folder / "company.yml").write_text(yaml.safe_dump(COMPANY))
    (folder / "sources.yml").write_text(yaml.safe_dump(SOURCES))
    orders = random_orders()
    deliver(folder, "survey_answers", answers)
    deliver(folder, "tickets", tickets)
    deliver(folder, "assignments", assignments())
    deliver(folder, "orders", orders.drop(columns="line_amount"))
    deliver(
        folder,
        "order_lines",
        orders[["source", "order_id", "line_amount", "loaded_at"]].assign(
            order_line_id=orders.order_id, quantity=1
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(folder / "home"))
        run = new_run(folder, to_day=str(AS_OF))
        run.warehouse.parent.mkdir(parents=True, exist_ok=True)
        prepare_warehouse(run)
        dbt(
            run,
            *("build", "--exclude-resource-type", "unit_test"),
            *("--select", "path:models/feeds", "path:company"),
            *("+satisfaction_scores", "+complaint_backlog", "+segments"),
            "segment_memberships",
        )
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        yield connection


# satisfaction_scores -----------------------------------------------------------------

STANDARDS = {
    ("nps", 0, 10): ["nps"],
    ("csat", 1, 5): ["csat_top_two_pct", "csat_mean"],
    ("ces", 1, 7): ["ces_top_three_pct", "ces_mean"],
}
TOP_BOX = {"csat_top_two_pct": 4, "ces_top_three_pct": 5}
# Each with the columns of the answers that divide them; months and quarters of the
# first two only.
BREAKDOWNS = {
    "total": None,
    "touchpoint": "touchpoint",
    "survey_method": "method",
    "region": "region",
    "department": "department",
    "segment_activity": "activity",
    "segment_rfm_type": "rfm_type",
}
KEY = [
    *("period_grain", "period_start", "survey", "question", "dimension", "measure"),
    *("scale_min", "scale_max", "breakdown", "part", "answers"),
]


def known_answers(
    answers: pd.DataFrame, warehouse: duckdb.DuckDBPyConnection
) -> pd.DataFrame:
    """Answers with a measure up to the as-of date, with what the persons were then."""
    people = warehouse.sql(
        "select identifier_value, customer_id from intermediate.identities"
    ).df()
    frame = answers.merge(people, on="identifier_value", how="left")
    local = frame.answered_at.dt.tz_localize("UTC").dt.tz_convert(ZONE)
    frame["day"] = local.dt.tz_localize(None).dt.normalize()
    frame = frame[frame.measure.notna() & (frame.day <= pd.Timestamp(AS_OF))]
    memberships = warehouse.sql("from segment.segment_memberships").df()
    then = frame[["answer_id", "customer_id", "day"]].merge(memberships)
    then = then[
        (then.day >= then.valid_from) & ~(then.day > then.valid_to)  # which may be NaT
    ].set_index("answer_id")
    care = frame[["answer_id", "identifier_value", "answered_at"]].merge(assignments())
    care = care[
        (care.answered_at >= care.valid_from) & ~(care.answered_at >= care.valid_to)
    ]
    frame = frame.set_index("answer_id")
    for scheme in ("activity", "rfm_type"):
        frame[scheme] = then[then.scheme == scheme].segment
        frame[scheme] = frame[scheme].fillna("not_yet_known")
    frame["department"] = care.set_index("answer_id").department
    frame["department"] = frame.department.fillna("in_nobodys_care")
    frame["region"] = "not_stated"
    of_persons = ["activity", "rfm_type", "department", "region"]
    frame.loc[frame.customer_id.isna(), of_persons] = "unidentified"
    frame["person"] = frame.customer_id.fillna(pd.Series(frame.index, frame.index))
    frame["person_number"] = pd.factorize(frame.person)[0]
    frame["question"] = frame.question.fillna("not_stated")
    frame.loc[frame.dimension.notna(), "question"] = "all"
    frame["dimension"] = frame.dimension.fillna("overall")
    places = ["touchpoint", "method"]
    frame[places] = frame[places].fillna("not_stated")
    standard = [
        key in STANDARDS for key in zip(*(frame[c] for c in ASKED), strict=True)
    ]
    is_valid = frame.score.between(frame.scale_min, frame.scale_max)
    is_valid &= ~np.array(standard) | (frame.score % 1 == 0)
    frame["score"] = frame.score.where(is_valid)
    frame[SCALE] = frame[SCALE].fillna(NO_SCALE)
    return frame.reset_index().sort_values(["answered_at", "answer_id"])


SCALE = ["scale_min", "scale_max"]
ASKED = ["measure", *SCALE]
# Of answers of which no source tells the scale: pandas groups by numbers alone.
NO_SCALE = -1.0


def estimate(measure: str, scores: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Score, standard error and interval, each in its textbook's form.

    Errors are those of a regression on a constant with persons as clusters: what leaves
    the score, summed by person (CR1).
    """
    n = len(scores)
    if measure == "nps":
        numbers = 100.0 * np.select([scores >= 9, scores <= 6], [1, -1], 0)
    elif measure.endswith("_pct"):
        numbers = 100.0 * (scores >= TOP_BOX[measure])
    else:
        numbers = scores
    score = numbers.mean()
    people, person = np.unique(people, return_inverse=True)
    sums = np.bincount(person, numbers - score)
    persons = len(people)
    found = {"score": score}
    if persons < MINIMUM:
        return found
    is_alike = np.ptp(numbers) == 0
    simple = numbers.var(ddof=1) / n
    clustered = persons / (persons - 1) * (sums**2).sum() / n**2
    effect = np.nan if is_alike else clustered / simple
    if measure.endswith("_pct"):
        share = score / 100
        counted = persons if is_alike else min(n, n / effect)
        low, high = proportion_interval(share, counted)
        error = 0 if is_alike else np.sqrt(share * (1 - share) / n * effect)
        return found | {
            "standard_error": 100 * error,
            "design_effect": effect if persons < n else 1,
            "interval_low": 100 * low,
            "interval_high": 100 * high,
        }
    if is_alike:
        return found
    error = np.sqrt((numbers.var() / n if measure == "nps" else simple) * effect)
    quantile = (
        stats.norm.ppf(0.975) if measure == "nps" else stats.t.ppf(0.975, persons - 1)
    )
    low, high = score - quantile * error, score + quantile * error
    if measure == "nps":
        low, high = max(low, -100), min(high, 100)
    return found | {
        "standard_error": error,
        "design_effect": effect,
        "interval_low": low,
        "interval_high": high,
    }


def proportion_interval(share: float, n: float) -> tuple[float, float]:
    """The shares whose test at 5 % this one passes (Wilson), as roots of that."""
    z = stats.norm.ppf(0.975)
    roots = np.roots([1 + z**2 / n, -2 * share - z**2 / n, share**2]).real
    return min(roots), max(roots)


@pytest.mark.parametrize("persons", [300, 60], ids=["each once", "several times"])
def test_the_textbook_s_errors_and_intervals_are_those_of_statsmodels(
    persons: int,
) -> None:
    random = np.random.default_rng(persons)
    n = 300
    people = np.arange(n) % persons
    mood = random.normal(0, 1, persons)[people] + random.normal(0, 1, n)
    scores = np.clip(np.round(7 + 2 * mood), 0, 10)

    def clustered(numbers: np.ndarray, use_t: bool):
        groups = {"groups": people}
        return OLS(numbers, np.ones(n)).fit(
            cov_type="cluster", cov_kwds=groups, use_t=use_t
        )

    mean, fit = estimate("mean", scores, people), clustered(scores, use_t=True)
    assert mean["standard_error"] == pytest.approx(fit.bse[0], rel=1e-12)
    interval = [mean["interval_low"], mean["interval_high"]]
    assert interval == pytest.approx(fit.conf_int()[0], rel=1e-12)

    signs = 100.0 * np.select([scores >= 9, scores <= 6], [1, -1], 0)
    nps, fit = estimate("nps", scores, people), clustered(signs, use_t=False)
    # Its variance divides by n, as is usual for it.
    error = fit.bse[0] * np.sqrt((n - 1) / n)
    assert nps["standard_error"] == pytest.approx(error, rel=1e-12)
    assert nps["interval_high"] - nps["score"] == pytest.approx(
        (fit.conf_int()[0][1] - nps["score"]) * np.sqrt((n - 1) / n), rel=1e-12
    )

    scores = np.clip(np.round(3.5 + mood), 1, 5)
    share = estimate("csat_top_two_pct", scores, people)
    counted = min(n, n / share["design_effect"])
    low, high = proportion_confint(
        (scores >= 4).mean() * counted, counted, method="wilson"
    )
    interval = [share["interval_low"], share["interval_high"]]
    assert interval == pytest.approx([100 * low, 100 * high], rel=1e-7)
    assert (counted < 250) == (persons < n)


def expected_scores(known: pd.DataFrame) -> pd.DataFrame:
    """The mart by plain loops over the groups."""
    grains = {
        grain: known.day.dt.to_period(grain[0].upper()).dt.to_timestamp()
        for grain in ("month", "quarter", "year")
    }
    grains["all"] = pd.Series(known.day.min(), known.index)
    keys = ["period_start", "survey", "question", "dimension", *ASKED]
    rows = []
    for breakdown, column in BREAKDOWNS.items():
        is_short = breakdown in ("total", "touchpoint")
        for grain, starts in list(grains.items())[0 if is_short else 2 :]:
            frame = known.assign(
                period_start=starts, part=known[column] if column else "all"
            )
            last = frame.groupby([*keys, "person", frame.score.isna()]).tail(1)
            for answers, counted in (("all", frame), ("last_of_person", last)):
                scores, people = (
                    counted.score.to_numpy(),
                    counted.person_number.to_numpy(),
                )
                groups = counted.groupby([*keys, "part"]).indices
                for group, places in groups.items():
                    key = dict(zip([*keys, "part"], group, strict=True))
                    key |= {"period_grain": grain, "breakdown": breakdown}
                    valid = places[~np.isnan(scores[places])]
                    rows += [
                        key
                        | {
                            "answers": answers,
                            "invalid_count": len(places) - len(valid),
                        }
                        | row
                        for row in expected_rows(key, scores[valid], people[valid])
                    ]
    return pd.DataFrame(rows)


def expected_rows(
    key: dict, scores: np.ndarray, people: np.ndarray
) -> Iterator[dict[str, object]]:
    """The figures of a group of valid answers, by measure."""
    kind, low, high = asked = tuple(key[name] for name in ASKED)
    counts: dict[str, object] = {
        "n": len(scores),
        "person_count": len(np.unique(people)),
        "distinct": len(np.unique(scores)),
    }
    if asked == ("nps", 0, 10):
        counts["detractor_count"] = (scores <= 6).sum()
        counts["promoter_count"] = (scores >= 9).sum()
        counts["passive_count"] = ((scores == 7) | (scores == 8)).sum()
    scale = "of_no_scale" if low == NO_SCALE else f"{low:.10g}_to_{high:.10g}"
    for measure in STANDARDS.get(asked, [f"{kind}_mean_{scale}"]):
        row = counts | {"measure": measure}
        if measure in TOP_BOX:
            row["top_box_count"] = (scores >= TOP_BOX[measure]).sum()
        if "_mean" in measure:
            row["score_sum"] = scores.sum()
        if len(scores) >= MINIMUM:
            row |= estimate(measure, scores, people)
        yield row


COUNTS = ["detractor_count", "passive_count", "promoter_count"]
ESTIMATES = ["score", "standard_error", "interval_low", "interval_high"]


@pytest.fixture(scope="module")
def scores(warehouse: duckdb.DuckDBPyConnection, answers: pd.DataFrame) -> pd.DataFrame:
    """Each row of the mart beside the one expected (columns with the suffix _expected).

    Both have the same rows.
    """
    mart = warehouse.sql("from satisfaction.satisfaction_scores").df()
    mart[SCALE] = mart[SCALE].fillna(NO_SCALE)
    assert {*BREAKDOWNS, "level", "segment_tier"} < set(mart.breakdown)
    expected = expected_scores(known_answers(answers, warehouse))
    both = mart[mart.breakdown.isin(BREAKDOWNS)].merge(
        expected,
        on=KEY,
        how="outer",
        indicator=True,
        suffixes=("", "_expected"),
        validate="one_to_one",
    )
    assert set(both.pop("_merge")) == {"both"}
    assert len(both) > 5000
    return both


def test_answers_are_counted_where_they_belong(scores: pd.DataFrame) -> None:
    counts = ("n", "person_count", "invalid_count", "top_box_count", "score_sum")
    for column in (*counts, *COUNTS):
        assert_series_equal(
            scores[column].astype(float),
            scores[f"{column}_expected"].astype(float),
            check_names=False,
            check_exact=True,
        )
    assert (scores.invalid_count > 0).sum() > 1000
    assert (scores.person_count < scores.n).sum() > 1000


def test_scores_and_their_errors_are_those_of_the_textbook(
    scores: pd.DataFrame,
) -> None:
    has_score = scores.n >= MINIMUM
    assert_series_equal(
        scores.score,
        scores.score_expected.where(has_score),
        check_names=False,
        rtol=1e-12,
        atol=1e-9,
    )
    told = scores[scores.interval_low.notna()]
    untold = {"perception_mean_1_to_9", "csat_mean_of_no_scale"}
    assert set(told.measure) == set(scores.measure) - untold
    for column in ("standard_error", "design_effect"):
        assert_series_equal(
            told[column],
            told[f"{column}_expected"],
            check_names=False,
            rtol=1e-9,
            atol=1e-9,
        )
    assert told.design_effect.max() > 1.5


def test_intervals_are_wilson_s_for_shares_and_normal_for_nps(
    scores: pd.DataFrame,
) -> None:
    told = scores[scores.interval_low.notna() & ~scores.measure.str.contains("_mean")]
    assert len(told) > 1000
    for bound in ("interval_low", "interval_high"):
        assert_series_equal(
            told[bound], told[f"{bound}_expected"], check_names=False, atol=1e-6
        )


def test_intervals_of_means_are_student_s_and_end_with_the_scale(
    scores: pd.DataFrame,
) -> None:
    told = scores[scores.interval_low.notna() & scores.measure.str.contains("_mean")]
    low = told.interval_low_expected.clip(lower=told.scale_min)
    high = told.interval_high_expected.clip(upper=told.scale_max)
    margin = told.interval_high_expected - told.score
    error = np.maximum(abs(told.interval_low - low), abs(told.interval_high - high))

    few = told.person_count < 6
    assert (error <= margin * np.where(few, 0.04, 0.002) + 1e-9).all()
    assert (told.interval_low == told.scale_min).any()


def test_too_few_answers_and_answers_all_alike_are_told(scores: pd.DataFrame) -> None:
    reasons = pd.Series(index=scores.index, dtype=object)
    is_alike = np.where(
        scores.measure == "nps",
        scores[COUNTS].max(axis="columns") == scores.n,
        (scores.distinct == 1) & scores.measure.str.contains("_mean"),
    )
    reasons[is_alike] = "no interval: all answers alike"
    few = scores.person_count < MINIMUM
    reasons[few] = f"no interval: fewer than {MINIMUM} persons"
    reasons[scores.n < MINIMUM] = f"fewer than {MINIMUM} valid answers"
    reasons[scores.n == 0] = "no valid answer"

    assert set(reasons.dropna()) == set(scores.missing_reason.dropna())
    assert (scores.missing_reason.fillna("") == reasons.fillna("")).all()
    assert (scores.score.isna() == (scores.n < MINIMUM)).all()
    assert (scores.interval_low.isna() == reasons.notna()).all()


def test_published_outcomes(scores: pd.DataFrame) -> None:
    found = scores[
        (scores.breakdown == "touchpoint")
        & (scores.period_grain == "month")
        & (scores.answers == "all")
        & (scores.survey == "published")
    ].set_index(["part", "measure"])[ESTIMATES]
    nps = found.loc["nps_50_30_20", "nps"]
    share = found.loc["csat_70_of_100", "csat_top_two_pct"]
    few = found.loc["csat_3_of_3", "csat_top_two_pct"]

    assert nps.score == pytest.approx(30)
    assert nps.interval_high - nps.score == pytest.approx(15.3, abs=0.05)
    assert nps.score - nps.interval_low == pytest.approx(15.3, abs=0.05)
    assert list(share[["score", "interval_low", "interval_high"]]) == pytest.approx(
        [70, 60.4, 78.1], abs=0.05
    )
    assert list(few[["score", "interval_low", "interval_high"]]) == pytest.approx(
        [100, 43.9, 100], abs=0.06
    )


def test_a_score_lies_within_its_interval(scores: pd.DataFrame) -> None:
    told = scores[scores.interval_low.notna()]
    outside = (told.score < told.interval_low) | (told.score > told.interval_high)

    assert list(told[outside].part) == []


def test_scales_that_differ_by_half_a_point_are_two_measures(
    scores: pd.DataFrame,
) -> None:
    measures = scores[scores.breakdown == "touchpoint"].groupby("part")["measure"]

    assert set(measures.get_group("half_a_point")) == {"perception_mean_0.5_to_5"}
    assert set(measures.get_group("no_point")) == {"perception_mean_0_to_5"}


def test_a_period_is_complete_once_its_last_day_is_over(scores: pd.DataFrame) -> None:
    ends = scores.groupby(["period_grain", "period_start"])[
        ["period_end", "is_complete", "window_end"]
    ].first()
    may = ends.loc["month", pd.Timestamp("2024-05-01")]
    whole = ends.loc["all"].iloc[0]

    assert may.period_end == pd.Timestamp("2024-05-31")
    assert not may.is_complete
    assert may.window_end == pd.Timestamp(AS_OF)
    assert ends.loc["month", pd.Timestamp("2024-02-01")].period_end.day == 29
    assert list(ends.loc["month"].is_complete) == [True] * 6 + [False]
    assert list(ends.loc["quarter"].is_complete) == [True, True, False]
    assert list(ends.loc["year"].is_complete) == [True, False]
    assert whole.is_complete
    assert whole.period_end == pd.Timestamp(AS_OF)


def test_segments_take_over_their_satisfaction(
    warehouse: duckdb.DuckDBPyConnection, answers: pd.DataFrame
) -> None:
    """Of those who are in them today, whatever they were when they answered."""
    segments = warehouse.sql(
        "from segment.segments where state_on = as_of_date "
        "and scheme in ('rfm', 'rfm_type', 'activity')"
    ).df()
    current = warehouse.sql(
        "select customer_id, scheme, segment from segment.segment_memberships "
        "where is_current"
    ).df()
    known = known_answers(answers, warehouse)
    csat = known[
        (known.measure == "csat")
        & (known.scale_max == 5)
        & (known.dimension == "overall")
        & known.score.notna()
    ]
    members = csat.merge(current, on="customer_id")
    unknown = csat[csat.customer_id.isna()]

    assert len(segments) > 8
    assert set(segments.satisfaction_measure) == {"csat_top_two_pct"}
    for row in segments.itertuples():
        of_segment = members[
            (members.scheme == row.scheme) & (members.segment == row.segment)
        ]
        if row.segment == "unidentified":
            of_segment = unknown
        assert row.satisfaction_answer_count == len(of_segment)
        score = 100 * (of_segment.score >= 4).mean()
        if len(of_segment) < MINIMUM:
            score = np.nan
        assert row.satisfaction_score == pytest.approx(score, nan_ok=True)


# complaints --------------------------------------------------------------------------


def expected_case(case: pd.Series, as_of_at: pd.Timestamp) -> dict:
    """A case as known at the as-of date, by the words of the definition."""
    day = pd.Timedelta("24h")
    times = [case.first_response_at, case.resolved_at]
    goes_on = any(time >= as_of_at for time in times)
    is_impossible = any(time < case.opened_at for time in times)
    first, resolved = (
        time if case.opened_at <= time < as_of_at else pd.NaT for time in times
    )
    answered_at = pd.Series([first, resolved]).min()
    in_time: bool | None = None
    if not pd.isna(answered_at) and answered_at - case.opened_at <= day:
        in_time = True
    elif case.source == "desk" and (
        not pd.isna(answered_at) or as_of_at - case.opened_at > day
    ):
        in_time = False
    reopened: bool | None = None
    if not goes_on and not (pd.isna(case.is_reopened) and pd.isna(case.reopen_count)):
        is_counted = not pd.isna(case.reopen_count) and case.reopen_count > 0
        reopened = case.is_reopened is True or is_counted
    at_first: bool | None = None
    if (
        case.source == "desk"
        and not pd.isna(resolved)
        and not case.first_response_at < case.opened_at
    ):
        at_first = not resolved > first and not reopened
    reason = None
    if is_impossible:
        reason = "the source tells a time before it was opened"
    elif in_time is None and case.source == "desk":
        reason = "not due yet"
    elif in_time is None:
        reason = "the source tells no first responses"
    if not pd.isna(resolved):
        state = "resolved"
    elif reopened:
        state = "reopened"
    elif not pd.isna(first):
        state = "answered"
    else:
        state = "overdue" if in_time is False else "open"
    hour = pd.Timedelta("1h")
    return {
        "ticket_id": case.ticket_id,
        "opened_at": case.opened_at,
        "first_response_at": first,
        "resolved_at": resolved,
        "response_hours": (first - case.opened_at) / hour,
        "resolution_hours": (resolved - case.opened_at) / hour,
        "is_complaint": case.kind in ("complaint", "claim"),
        "is_answered_in_time": in_time,
        "missing_reason": reason,
        "is_first_contact_resolution": at_first,
        "state": state,
        "is_reopened": reopened,
        "reopen_count": None if goes_on else case.reopen_count,
        "is_within_sla": None if goes_on else case.is_within_sla,
    }


def test_each_case_is_shown_as_it_was_known_at_the_as_of_date(
    warehouse: duckdb.DuckDBPyConnection, tickets: pd.DataFrame
) -> None:
    as_of_at = pd.Timestamp("2024-05-20 16:00")  # midnight in Shanghai
    found = warehouse.sql("from satisfaction.complaints order by ticket_id").df()
    expected = pd.DataFrame(
        [
            expected_case(case, as_of_at)
            for _, case in tickets[tickets.opened_at < as_of_at].iterrows()
        ]
    ).sort_values("ticket_id", ignore_index=True)

    assert set(expected.state) == {
        *("open", "overdue", "answered", "resolved", "reopened")
    }
    assert len(expected) < len(tickets)
    assert expected.is_reopened.isna().sum() > 5
    for column in expected:
        assert_series_equal(
            found[column].astype(object).where(found[column].notna(), None),
            expected[column].astype(object).where(expected[column].notna(), None),
            check_names=False,
        )
    reasons = expected.missing_reason.value_counts()
    assert reasons["the source tells a time before it was opened"] == 10
    assert reasons.size == 3
    assert set(expected.is_first_contact_resolution) == {True, False, None}


def test_hours_of_business_are_those_of_a_loop_over_minutes(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    hours = COMPANY["business_hours"]
    start = dt.datetime(2024, 3, 1)
    is_open = []
    for number in range(90 * 1440):
        local = start + dt.timedelta(hours=8, minutes=number)  # in Shanghai
        shifts = hours.get(f"{local:%A}".lower(), "").split(", ")
        clock = f"{local:%H:%M}"
        is_open.append(
            local.date() not in hours["holidays"]
            and any(shift[:5] <= clock < shift[6:] for shift in shifts)
        )
    # Minutes of business until each minute; within one they go on evenly.
    until = np.concatenate([[0], np.cumsum(is_open)])

    def minutes(moments: pd.Series) -> np.ndarray:
        passed = (moments - start) / pd.Timedelta("1min")
        return np.interp(passed, np.arange(len(until)), until)

    cases = warehouse.sql("from satisfaction.complaints").df()
    for column, found in (
        ("first_response_at", cases.response_business_hours),
        ("resolved_at", cases.resolution_business_hours),
    ):
        told = cases[column] >= cases.opened_at
        spent = minutes(cases[column][told]) - minutes(cases.opened_at[told])
        assert told.sum() > 100
        assert (spent == 0).sum() > 2
        assert found[~told].isna().all()
        assert 60 * found[told].to_numpy() == pytest.approx(spent, abs=1e-6)


def test_the_backlog_of_each_day_is_what_was_open_then(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    cases = warehouse.sql("from satisfaction.complaints").df()
    found = warehouse.sql("from satisfaction.complaint_backlog").df()
    answers = cases[["first_response_at", "resolved_at"]].min(axis=1)
    assert found.groupby("kind").day.min().nunique() > 1
    for row in found[found.kind.isin(["all", "claim", "not_stated"])].itertuples():
        midnight = pd.Timestamp(row.day) + pd.Timedelta("16h")  # in Shanghai
        of_kind = (row.kind == "all") | (cases.kind.fillna("not_stated") == row.kind)
        open_then = (
            of_kind & (cases.opened_at < midnight) & ~(cases.resolved_at < midnight)
        )
        days = (midnight - cases.opened_at[open_then]) / pd.Timedelta("1D")
        ages = np.floor(
            (midnight - (cases.opened_at + pd.Timedelta("8h")).dt.floor("D"))
            / pd.Timedelta("1D")
        )[open_then]
        assert len(days) == row.open_count
        assert [
            row.open_to_1_day_count,
            row.open_2_to_7_days_count,
            row.open_8_to_30_days_count,
            row.open_over_30_days_count,
        ] == list(np.histogram(ages, [0, 2, 8, 31, 9999])[0])
        waits = (
            of_kind
            & (cases.source == "desk")
            & (cases.opened_at + pd.Timedelta("24h") < midnight)
            & ~(answers < midnight)
        )
        assert waits.sum() == row.overdue_count


def test_cases_belong_to_their_customers(
    warehouse: duckdb.DuckDBPyConnection, tickets: pd.DataFrame
) -> None:
    found = dict(
        warehouse.sql(
            """
            select ticket_id, identifier_value
            from satisfaction.complaints
            left join intermediate.identities using (customer_id)
            """
        ).fetchall()
    )
    assert found == {
        ticket: person
        for ticket, person in zip(
            tickets.ticket_id, tickets.identifier_value, strict=True
        )
        if ticket in found
    }
