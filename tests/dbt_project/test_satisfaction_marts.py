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
    NPS .5 / .2 of 100, CSAT 70 of 100 and 3 of 3."""
    groups = [
        ("nps_50_30_20", "nps", 0, 10, [10] * 50 + [7] * 30 + [0] * 20),
        ("csat_70_of_100", "csat", 1, 5, [4] * 70 + [3] * 30),
        ("csat_3_of_3", "csat", 1, 5, [5] * 3),
        # In doubles, Wilson's bounds would lie within these shares of 0 and 1.
        ("csat_38_of_38", "csat", 1, 5, [5] * 38),
        ("csat_0_of_7", "csat", 1, 5, [1] * 7),
        ("half_a_point", "perception", 0.5, 5, [0.5, 2.5, 5] * 3),
        ("no_point", "perception", 0, 5, [0, 2, 5] * 3),
        # Not published: rounded, its variance would be below 0.
        ("alike", "perception", 1, 9, [6.1] * 5),
    ]
    frame = pd.concat(
        pd.DataFrame({"score": [float(score) for score in scores]}).assign(
            touchpoint=touchpoint, measure=kind, scale_min=low, scale_max=high
        )
        for touchpoint, kind, low, high, scores in groups
    )
    return frame.assign(
        source="desk",
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
BREAKDOWNS = {
    "total": {},
    "touchpoint": {"touchpoint": "touchpoint"},
    "survey_method": {"survey_method": "method"},
    "rfm_segment": {"segment": "rfm_segment"},
    "value_type": {"segment": "value_type"},
    "activity_state": {"segment": "activity_state"},
    "touchpoint_and_survey_method": {
        "touchpoint": "touchpoint",
        "survey_method": "method",
    },
    "touchpoint_and_activity_state": {
        "touchpoint": "touchpoint",
        "segment": "activity_state",
    },
}
KEY = [
    *("period_grain", "period_start", "breakdown", "touchpoint", "survey_method"),
    *("segment", "dimension", "measure", "scale_min", "scale_max"),
]


def known_answers(
    answers: pd.DataFrame, warehouse: duckdb.DuckDBPyConnection
) -> pd.DataFrame:
    """Answers with a measure up to the as-of date, with the segments of the persons."""
    people = warehouse.sql(
        """
        select identifier_value, state as activity_state,
            coalesce(segment, 'no_purchase_in_window') as rfm_segment,
            coalesce(value_type, 'no_purchase_in_window') as value_type
        from intermediate.identities
        left join segment.activity_states using (customer_id)
        left join segment.rfm_scores using (customer_id)
        """
    ).df()
    frame = answers.merge(people, on="identifier_value", how="left")
    local = frame.answered_at.dt.tz_localize("UTC").dt.tz_convert(ZONE)
    frame["day"] = local.dt.tz_localize(None).dt.normalize()
    schemes = ["activity_state", "rfm_segment", "value_type"]
    frame[schemes] = frame[schemes].fillna("unidentified")
    frame["dimension"] = frame.dimension.fillna("overall")
    places = ["touchpoint", "method"]
    frame[places] = frame[places].fillna("not_stated")
    is_known = frame.measure.notna() & (frame.day <= pd.Timestamp(AS_OF))
    return frame[is_known].copy()


def estimate(measure: str, scores: np.ndarray) -> tuple[float, float, float, float]:
    """Score, standard error and interval, each in its textbook's form."""
    n = len(scores)
    if measure == "nps":
        votes = np.select([scores >= 9, scores <= 6], [1, -1], 0)
        error = 100 * votes.std() / np.sqrt(n)
        score = 100 * votes.mean()
        margin = stats.norm.ppf(0.975) * error
        return score, error, max(score - margin, -100), min(score + margin, 100)
    if measure.endswith("_pct"):
        hits = int((scores >= TOP_BOX[measure]).sum())
        share = hits / n
        interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
        error = np.sqrt(share * (1 - share) / n)
        return 100 * share, 100 * error, 100 * interval.low, 100 * interval.high
    error = stats.sem(scores)
    margin = stats.t.ppf(0.975, n - 1) * error
    return scores.mean(), error, scores.mean() - margin, scores.mean() + margin


def expected_scores(known: pd.DataFrame) -> pd.DataFrame:
    """The mart by plain loops over the groups."""
    first_day = known.day.min()
    periods = {
        grain: known.day.dt.to_period(grain[0].upper()).dt.to_timestamp()
        for grain in ("month", "quarter", "year")
    } | {"all": pd.Series(first_day, index=known.index)}
    rows = []
    for breakdown, columns in BREAKDOWNS.items():
        for grain, starts in periods.items():
            groups = known.assign(period_start=starts).groupby(
                [
                    *("period_start", "measure", "scale_min", "scale_max"),
                    *("dimension", *columns.values()),
                ]
            )
            for group_key, group in groups:
                start, kind, low, high, dimension, *parts = group_key
                names = STANDARDS.get(
                    (kind, low, high), [f"{kind}_mean_{low:g}_to_{high:g}"]
                )
                is_valid = group.score.between(low, high)
                if (kind, low, high) in STANDARDS:
                    is_valid &= group.score % 1 == 0
                scores = group.score[is_valid].to_numpy()
                common = {
                    "period_grain": grain,
                    "period_start": start,
                    "breakdown": breakdown,
                    "touchpoint": "all",
                    "survey_method": "all",
                    "segment": "all",
                    "dimension": dimension,
                    "scale_min": low,
                    "scale_max": high,
                    "n": len(scores),
                    "invalid_count": len(group) - len(scores),
                    "score_sum": scores.sum(),
                    "score_square_sum": (scores**2).sum(),
                    "distinct": len(np.unique(scores)),
                } | dict(zip(columns, parts, strict=True))
                if kind == "nps" and low == 0:
                    counts = pd.cut(scores, [-1, 6, 8, 10]).value_counts()
                    common |= dict(zip(COUNTS, counts, strict=True))
                for name in names:
                    row = common | {"measure": name}
                    if len(scores) >= MINIMUM:
                        row |= dict(zip(ESTIMATES, estimate(name, scores), strict=True))
                    rows.append(row)
    return pd.DataFrame(rows)


COUNTS = ["detractor_count", "passive_count", "promoter_count"]
ESTIMATES = ["score", "standard_error", "interval_low", "interval_high"]


@pytest.fixture(scope="module")
def scores(warehouse: duckdb.DuckDBPyConnection, answers: pd.DataFrame) -> pd.DataFrame:
    """Each row of the mart beside the one expected (columns with the suffix _expected).

    Both have the same rows.
    """
    mart = warehouse.sql("from satisfaction.satisfaction_scores").df()
    expected = expected_scores(known_answers(answers, warehouse))
    both = mart.merge(
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
    for column in ("n", "invalid_count", "score_sum", "score_square_sum", *COUNTS):
        assert_series_equal(
            scores[column].astype(float),
            scores[f"{column}_expected"].astype(float),
            check_names=False,
            check_exact=True,
        )
    assert (scores.invalid_count > 0).sum() > 1000


def test_scores_and_their_errors_are_those_of_the_textbook(
    scores: pd.DataFrame,
) -> None:
    assert_series_equal(
        scores.score, scores.score_expected, check_names=False, rtol=1e-12, atol=1e-9
    )
    told = scores[scores.interval_low.notna()]
    assert set(told.measure) == set(scores.measure) - {"perception_mean_1_to_9"}
    assert_series_equal(
        told.standard_error,
        told.standard_error_expected,
        check_names=False,
        rtol=1e-9,
        atol=1e-9,
    )


def test_intervals_are_wilson_s_for_shares_and_normal_for_nps(
    scores: pd.DataFrame,
) -> None:
    told = scores[scores.interval_low.notna() & ~scores.measure.str.contains("_mean")]
    assert len(told) > 1000
    for bound in ("interval_low", "interval_high"):
        assert_series_equal(
            told[bound], told[f"{bound}_expected"], check_names=False, atol=1e-9
        )


def test_intervals_of_means_are_student_s_and_end_with_the_scale(
    scores: pd.DataFrame,
) -> None:
    told = scores[scores.interval_low.notna() & scores.measure.str.contains("_mean")]
    low = told.interval_low_expected.clip(lower=told.scale_min)
    high = told.interval_high_expected.clip(upper=told.scale_max)
    margin = told.interval_high_expected - told.score
    error = np.maximum(abs(told.interval_low - low), abs(told.interval_high - high))

    assert (error <= margin * np.where(told.n < 6, 0.04, 0.002)).all()
    assert (told.interval_low == told.scale_min).any()


def test_too_few_answers_and_answers_all_alike_are_told(scores: pd.DataFrame) -> None:
    reasons = pd.Series(index=scores.index, dtype=object)
    is_alike = np.where(
        scores.measure == "nps",
        scores[COUNTS].max(axis="columns") == scores.n,
        (scores.distinct == 1) & scores.measure.str.contains("_mean"),
    )
    reasons[is_alike] = "no interval: all answers alike"
    reasons[scores.n < MINIMUM] = f"fewer than {MINIMUM} valid answers"
    reasons[scores.n == 0] = "no valid answer"

    assert set(reasons.dropna()) == set(scores.missing_reason.dropna())
    assert (scores.missing_reason.fillna("") == reasons.fillna("")).all()
    assert (scores.score.isna() == (scores.n < MINIMUM)).all()
    assert (scores.interval_low.isna() == reasons.notna()).all()


def test_published_outcomes(scores: pd.DataFrame) -> None:
    found = scores[
        (scores.breakdown == "touchpoint") & (scores.period_grain == "month")
    ].set_index(["touchpoint", "measure"])[ESTIMATES]
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

    assert list(told[outside].touchpoint) == []


def test_scales_that_differ_by_half_a_point_are_two_measures(
    scores: pd.DataFrame,
) -> None:
    measures = scores[scores.breakdown == "touchpoint"].groupby("touchpoint")["measure"]

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
    warehouse: duckdb.DuckDBPyConnection, scores: pd.DataFrame
) -> None:
    breakdowns = {"rfm": "rfm_segment", "rfm_type": "value_type"}
    breakdowns["activity"] = "activity_state"
    segments = warehouse.sql(
        "from segment.segments "
        f"where state_on = as_of_date and scheme in {(*breakdowns,)}"
    ).df()
    whole = scores.query(
        "period_grain == 'all' and dimension == 'overall' "
        "and measure == 'csat_top_two_pct'"
    ).set_index(["breakdown", "segment"])

    assert len(segments) > 8
    assert set(segments.satisfaction_measure) == {"csat_top_two_pct"}
    for row in segments.itertuples():
        assert row.satisfaction_score == pytest.approx(
            whole.score_expected[breakdowns[row.scheme], row.segment], nan_ok=True
        )
        assert (
            row.satisfaction_answer_count
            == whole.n[breakdowns[row.scheme], row.segment]
        )


# complaints --------------------------------------------------------------------------


def expected_case(case: pd.Series, as_of_at: pd.Timestamp) -> dict:
    """A case as known at the as-of date, by the words of the definition."""
    day = pd.Timedelta("24h")
    times = [case.first_response_at, case.resolved_at]
    first, resolved = (time if time < as_of_at else pd.NaT for time in times)
    goes_on = any(time >= as_of_at for time in times)
    is_impossible = first < case.opened_at
    answered_at = pd.Series([pd.NaT if is_impossible else first, resolved]).min()
    in_time: bool | None = None
    if not pd.isna(answered_at) and answered_at - case.opened_at <= day:
        in_time = True
    elif (
        case.source == "desk"
        and not is_impossible
        and (not pd.isna(answered_at) or as_of_at - case.opened_at > day)
    ):
        in_time = False
    if not pd.isna(resolved):
        state = "resolved"
    elif case.is_reopened and not goes_on:
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
        "response_hours": None if is_impossible else (first - case.opened_at) / hour,
        "resolution_hours": (resolved - case.opened_at) / hour,
        "is_complaint": case.kind in ("complaint", "claim"),
        "is_answered_in_time": in_time,
        "state": state,
        "is_reopened": None if goes_on else case.is_reopened,
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
    unanswered = found.is_answered_in_time.isna()
    assert (found.missing_reason.notna() == unanswered).all()
    impossible = found.first_response_at < found.opened_at
    assert impossible.sum() == 5
    assert (
        (found.missing_reason == "not due yet")[unanswered & ~impossible]
        == (found.source == "desk")[unanswered & ~impossible]
    ).all()


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
            of_kind
            & (cases.opened_at < midnight)
            & ~(cases.resolved_at.clip(lower=cases.opened_at) < midnight)
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
            & ~(answers.clip(lower=cases.opened_at) < midnight)
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
