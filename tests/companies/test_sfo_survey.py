"""The airport's survey of nine years against pandas and the published figures."""

import datetime as dt
import json
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import comb
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.conftest import new_run, run_pipeline
from tests.shared_data import shared_data

ROWS = {
    2010: 3_234,
    2011: 3_872,
    2012: 3_521,
    2013: 3_535,
    2014: 2_818,
    2015: 2_958,
    2016: 3_087,
    2017: 2_831,
    2018: 2_809,
}
# In the order of the questionnaires, which asked about wi-fi from 2013 on.
RATED = [
    *("art", "restaurants", "shops", "signs", "walkways", "screens"),
    *("booths_downstairs", "booths_upstairs", "wifi", "roadway_signs", "parking"),
    *("airtrain", "parking_shuttle", "rental_cars", "overall"),
]
# Columns of what else 2018 asks on a scale of 5.
RATED_APART = {
    **{"clean_boarding_areas": "Q9Boarding", "clean_airtrain": "Q9AirTrain"},
    **{"clean_rental_cars": "Q9Rental", "clean_restaurants": "Q9Food"},
    **{"clean_restrooms": "Q9Restroom", "clean_overall": "Q9All"},
    **{"safety": "Q10Safe", "reaching_airport": "Q13GETRATE"},
    **{"finding_way": "Q14FIND", "passing_security": "Q14PASSTHRU"},
}
# What the columns of these questions begin with.
FIRST_OF = {2010: "Q6A", 2011: "Q8A", 2012: "Q8A_", 2013: "Q7A_"}


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared_data("sfo_survey", "KITH_SFO_SURVEY")


@pytest.fixture(scope="module")
def raw(folder: Path) -> dict[int, pd.DataFrame]:
    """The files as text, by year."""
    frames = {}
    for year in ROWS:
        (path,) = folder.glob(f"{year}_*.csv")
        frames[year] = pd.read_csv(path, dtype=str, keep_default_na=False)
        frames[year].columns = frames[year].columns.str.strip().str.lstrip("*")
    return frames


@pytest.fixture(scope="module")
def published(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Path]]:
    """The run over all years, and its release."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(tmp_path_factory.mktemp("sfo_survey")))
        patch.setenv("KITH_SFO_SURVEY", str(folder))
        company = REPOSITORY / "companies" / "sfo_survey"
        run = new_run(company, "2010-09-07", "2018-05-31")
        yield run, run_pipeline(run)


@pytest.fixture(scope="module")
def marts(published: tuple[Run, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    path = published[1] / "kith.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def warehouse(published: tuple[Run, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    path = published[0].warehouse
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def scores(codes: pd.Series, low: int, high: int) -> pd.Series:
    """The codes on the scale, as numbers."""
    numbers = pd.to_numeric(codes, errors="coerce")
    return numbers[(numbers >= low) & (numbers <= high)]


def rated_columns(year: int, columns: pd.Index) -> dict[str, str]:
    """Column of each rated part of the airport."""
    first = FIRST_OF.get(year, "Q7ART")
    start = next(n for n, name in enumerate(columns) if name.startswith(first))
    parts = [part for part in RATED if year >= 2013 or part != "wifi"]
    return dict(zip(parts, columns[start : start + len(parts)], strict=True))


def test_all_nine_years_pass_the_door(published: tuple[Run, Path]) -> None:
    run, _ = published
    for year, rows in ROWS.items():
        admitted = run.admitted(f"sfo.responses_{year}") / run.interval.slug
        report = json.loads((admitted / "report.json").read_text())
        assert (
            report["rows_delivered"],
            report["admitted"],
            report["quarantined"],
            report["duplicates"],
            report["warnings"],
        ) == (rows, rows, 0, 0, [])


def test_columns_that_no_year_declares_come_along_as_text(
    warehouse: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    found = warehouse.sql("select Q15A from sfo.responses_2018 where Q15A is not null")

    assert sorted(row[0] for row in found.fetchall()) == sorted(
        text for text in raw[2018]["Q15A"] if text
    )


@pytest.mark.parametrize(
    ("year", "measure", "score", "answers"),
    [
        (2017, "nps", 39.84, 2_746),
        (2018, "nps", 30.98, 2_650),
        (2017, "csat_top_two_pct", 82.07, 2_688),
        (2018, "csat_top_two_pct", 78.44, 2_625),
        (2017, "csat_mean", 4.064, 2_688),
        (2018, "csat_mean", 4.003, 2_625),
    ],
)
def test_scores_are_the_published_ones(
    marts: duckdb.DuckDBPyConnection,
    year: int,
    measure: str,
    score: float,
    answers: int,
) -> None:
    found = marts.execute(
        """
        select score, n, invalid_count from satisfaction.satisfaction_scores
        where period_grain = 'year' and breakdown = 'total' and answers = 'all'
            and dimension = 'overall' and year(period_start) = ? and measure = ?
        """,
        [year, measure],
    ).fetchall()
    digits = 3 if measure == "csat_mean" else 2

    assert [(round(row[0], digits), *row[1:]) for row in found] == [(score, answers, 0)]


def test_blanks_would_have_given_other_scores(raw: dict[int, pd.DataFrame]) -> None:
    """The trap of the code books: the known figures tell it."""
    for year, trapped in ((2017, 41.61), (2018, 34.89)):
        codes = scores(raw[year]["NETPRO"], 0, 11)
        net = ((codes >= 9).sum() - (codes <= 6).sum()) / len(raw[year])
        assert round(100 * net, 2) == trapped


def test_every_part_of_the_airport_rates_as_in_the_files_of_each_year(
    marts: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    expected = {
        (year, part): (len(valid), valid.mean(), 100 * (valid >= 4).mean())
        for year, frame in raw.items()
        for part, column in rated_columns(year, frame.columns).items()
        for valid in [scores(frame[column], 1, 5)]
    }
    found = {
        (year, part): tuple(values)
        for year, part, *values in marts.sql(
            """
            select year(period_start), dimension, max(n),
                max(score) filter (where measure = 'csat_mean'),
                max(score) filter (where measure = 'csat_top_two_pct')
            from satisfaction.satisfaction_scores
            where period_grain = 'year' and breakdown = 'total' and answers = 'all'
                and measure in ('csat_mean', 'csat_top_two_pct')
            group by all
            """
        ).fetchall()
    }

    assert len(expected) == 3 * 14 + 6 * 15
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values, abs=1e-9), key


def test_drivers_of_2018_are_those_of_an_independent_lmg(
    marts: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    """Drivers of the whole airport's rating: parts that four in five have rated."""
    frame = raw[2018]
    codes = rated_columns(2018, frame.columns) | RATED_APART
    rated = pd.DataFrame({part: scores(frame[at], 1, 5) for part, at in codes.items()})
    rated = (
        rated[rated["overall"].notna()]
        .drop(columns="overall")
        .assign(outcome=rated["overall"])
    )
    is_used = rated.notna().mean() >= 0.8
    used = rated.loc[:, is_used].dropna()
    r = np.corrcoef(used.to_numpy().T)

    @cache
    def explained(chosen: frozenset[int]) -> float:
        some = sorted(chosen)
        r_xy = r[some, -1]
        return float(r_xy @ np.linalg.solve(r[np.ix_(some, some)], r_xy))

    count = len(used.columns) - 1
    gains = np.zeros(count)
    for driver in range(count):
        others = [other for other in range(count) if other != driver]
        for size in range(count):
            for before in combinations(others, size):
                gain = explained(frozenset({*before, driver}))
                gain -= explained(frozenset(before)) if before else 0
                gains[driver] += gain / count / comb(count - 1, size)
    found = (
        marts.sql(
            """
            select driver, share_pct, variance_pct, method, n, missing_reason
            from satisfaction.satisfaction_drivers
            where outcome = 'csat' and segment = 'all'
                and period_grain = 'year' and year(period_start) = 2018
            """
        )
        .df()
        .set_index("driver")
    )
    told = found[found.share_pct.notna()]
    expected = pd.Series(100 * gains, used.columns[:-1]).sort_index()
    assert count == 12
    assert told.variance_pct.sort_index().to_dict() == pytest.approx(expected.to_dict())
    shares = 100 * expected / expected.sum()
    assert told.share_pct.sort_index().to_dict() == pytest.approx(shares.to_dict())
    assert set(told.n) == {len(used)}
    assert told.method.str.startswith("LMG").all()
    unlisted = found.variance_pct["unlisted"]
    assert unlisted == pytest.approx(100 - expected.sum())
    skipped = found.drop(index=[*told.index, "unlisted"])
    assert set(skipped.index) == set(rated.columns[~is_used])
    assert skipped.missing_reason.str.endswith("80 % are required").all()


def test_interviews_lie_on_the_days_of_the_code_books(
    warehouse: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    def days(year: int) -> pd.Series:
        codes = raw[year]["INTDATE"]
        if year == 2016:
            return pd.to_datetime(codes, format="%m/%d/%Y %I:%M:%S %p").dt.date
        book = {
            2010: {"1": dt.date(2010, 9, 7)}
            | {str(code): dt.date(2010, 9, 10 + code) for code in range(2, 14)},
            2011: {str(code): dt.date(2011, 5, 9 + code) for code in range(1, 19)},
            # 19 is another day, of which no more is known.
            2012: {str(code): dt.date(2012, 5, code % 19 or 1) for code in range(20)},
            2014: {str(day): dt.date(2014, 9, day) for day in range(1, 31)},
        }.get(year, {str(day): dt.date(year, 5, day) for day in range(1, 32)})
        return codes.map(book)

    expected = pd.concat([days(year) for year in raw]).value_counts().to_dict()
    found = warehouse.sql(
        """
        select cast(answered_at at time zone 'UTC' at time zone 'America/Los_Angeles'
                as timestamp) as local, count(*)
        from staging.int_responses_united group by local
        """
    ).fetchall()

    assert {local.time() for local, _ in found} == {dt.time()}
    assert {local.date(): count for local, count in found} == expected
    # The code books of 2017 and 2018 leave the month out; the day of the week tells.
    weekdays = raw[2018]["DAY"].astype(int)
    assert all(
        day.isoweekday() % 7 + 1 == weekday
        for day, weekday in zip(days(2018), weekdays, strict=True)
    )


def test_codes_become_the_words_of_their_year(
    warehouse: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    found = {
        key: count
        for *key, count in warehouse.sql(
            """
            select survey_year, word, count(*)
            from (
                select survey_year, unnest([home, gender, age_band, method]) as word
                from staging.int_responses_united
            ) group by all
            """
        ).fetchall()
        for key in [tuple(key)]
    }

    # The same county has code 1 until 2017 and 5 in 2018, where a column spells it.
    county = "San Francisco County"
    assert found[2017, county] == (raw[2017]["HOME"] == "1").sum()
    assert found[2018, county] == (raw[2018]["Q18COUNTY"] == county.upper()).sum()
    assert found[2010, county] == (raw[2010]["SFFLAG"] == "1").sum()
    assert found[2016, "female"] == (raw[2016]["Q20GENDER"] == "Female").sum()
    assert found[2018, "female"] == (raw[2018]["Q21Gender"] == "2").sum()
    assert found[2011, "25-34"] == (raw[2011]["Q19"] == "3").sum()
    assert found[2016, "25-34"] == (raw[2016]["Q19AGE"] == "25-34").sum()
    assert found[2018, "mail"] == (raw[2018]["METH"] == "2").sum()
    assert found[2011, "mail"] == (raw[2011]["MAIL"] == "2").sum()


def test_each_respondent_is_a_customer_with_his_answers(
    marts: duckdb.DuckDBPyConnection, raw: dict[int, pd.DataFrame]
) -> None:
    (customers,) = marts.sql(
        "select count(*) from customer.customers where customer_id <> 'unidentified'"
    ).fetchall()
    answers = marts.sql(
        "select count(*), count(customer_id) from customer.interactions"
    ).fetchone()
    valid = sum(
        len(scores(frame[column], 1, 5))
        for year, frame in raw.items()
        for column in rated_columns(year, frame.columns).values()
    )
    rated = marts.sql(
        """
        select sum(n) from satisfaction.satisfaction_scores
        where period_grain = 'all' and breakdown = 'total' and answers = 'all'
            and measure = 'csat_mean'
        """
    ).fetchone()

    assert customers == (sum(ROWS.values()),)
    assert answers is not None
    assert answers[0] == answers[1]
    assert rated == (valid,)


def test_the_answers_of_a_respondent_are_one_response(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = warehouse.sql(
        """
        select
            count(distinct response_id),
            count(distinct identifier_value),
            count(*) filter (response_id is distinct from identifier_value)
        from feeds.survey_answers
        """
    ).fetchone()
    assert found is not None
    responses, respondents, differing = found
    assert responses == respondents > 28_000
    assert differing == 0
