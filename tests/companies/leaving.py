"""Signs that customers may leave, by plain loops over the traces of the demo.

Each warning is (customer, sign, about, first day, day on which it ended or None).
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

import pandas as pd

ZONE = "Europe/Berlin"
EPOCH = pd.Timestamp("1970-01-01")
LAST = (pd.Timestamp("2025-12-31") - EPOCH).days
HORIZON, YEAR = 90, 365
# Least and best score, from which on they are satisfied.
SCALES = {"csat": (1, 5, 4), "nps": (0, 10, 9), "ces": (1, 7, 5)}

# Days are counted from 1970.
Warning_ = tuple[str, str, str | None, int, int | None]
Query = Callable[[str], pd.DataFrame]
Days = dict[str, list[int]]


def days_of(dates: pd.Series) -> list[int | None]:
    return [None if pd.isna(days) else int(days) for days in (dates - EPOCH).dt.days]


def business_days(instants: pd.Series) -> list[int | None]:
    local = instants.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
    return days_of(local.dt.normalize())


def purchase_days(query: Query) -> Days:
    found = query(
        "select distinct customer_id, order_date from customer.orders "
        "where is_purchase and customer_id <> 'unidentified' order by all"
    )
    bought = defaultdict(list)
    for customer, day in zip(found.customer_id, days_of(found.order_date), strict=True):
        bought[customer].append(day)
    return dict(bought)


def next_after(days: list[int], day: int) -> int | None:
    place = bisect_right(days, day)
    return days[place] if place < len(days) else None


def warnings(query: Query, bought: Days) -> set[Warning_]:
    found = [
        *_long_gaps(bought),
        *_complaints(query),
        *_fallen_answers(query),
        *_fallen_frequency(bought),
        *_owners(query, bought),
        *_promises(query, bought),
        *_low_years(query),
    ]
    kept = set()
    for customer, sign, about, opened, closed in found:
        if sign not in ("unresolved_complaint", "low_satisfaction_for_years"):
            closed = min(closed or opened + YEAR, opened + YEAR)
        if closed is not None and closed > LAST:
            closed = None
        if opened <= LAST and (closed is None or closed > opened):
            kept.add((customer, sign, about, opened, closed))
    return kept


def _known(query: Query, feed: str) -> pd.DataFrame:
    return query(
        f"from feeds.{feed} "
        "inner join intermediate.identities using (identifier_type, identifier_value) "
        "where customer_id is not null"
    )


def _long_gaps(bought: Days) -> Iterator[Warning_]:
    for customer, days in bought.items():
        gaps = [later - day for day, later in pairwise(days)]
        for count in range(3, len(days)):
            opened = days[count] + math.ceil(3 * median(gaps[:count]))
            yield customer, "long_gap", None, opened, next_after(days, days[count])


def _complaints(query: Query) -> Iterator[Warning_]:
    cases = _known(query, "tickets")
    cases = cases[cases.kind.isin(["complaint", "claim"])]
    # A solution before the case was opened is none.
    resolved_at = cases.resolved_at.where(cases.resolved_at >= cases.opened_at)
    for customer, case, opened, closed in zip(
        cases.customer_id,
        cases.ticket_id,
        business_days(cases.opened_at + pd.Timedelta(days=1)),
        business_days(resolved_at),
        strict=True,
    ):
        yield customer, "unresolved_complaint", f"crm:{case}", opened, closed


def _answers(query: Query) -> dict[tuple[str, str, str], list[tuple[int, float]]]:
    """Days and scores of each customer, measure and survey, in their order."""
    found = _known(query, "survey_answers")
    found = found[found.measure.isin(list(SCALES)) & found.dimension.isna()]
    found = found.sort_values(["answered_at", "answer_id"])
    answers = defaultdict(list)
    for customer, measure, survey, day, score in zip(
        found.customer_id,
        found.measure,
        found.survey,
        business_days(found.answered_at),
        found.score,
        strict=True,
    ):
        answers[customer, measure, survey].append((day, score))
    return answers


def _spells(
    states: list[tuple[int, bool]],
) -> Iterator[tuple[int, int | None]]:
    """First day of each time in which the state holds, and the day on which it ends."""
    opened = None
    for day, holds in states:
        if holds and opened is None:
            opened = day
        elif not holds and opened is not None:
            yield opened, day
            opened = None
    if opened is not None:
        yield opened, None


def _fallen_answers(query: Query) -> Iterator[Warning_]:
    for (customer, measure, survey), answers in _answers(query).items():
        about = f"{measure} of survey:{survey}"
        least, best, good = SCALES[measure]
        states, before = [], []
        for day, score in answers:
            mean = sum(before) / len(before) if before else least
            fallen = score < good and mean - score >= (best - least) / 4
            states.append((day, fallen))
            before.append(score)
        for opened, closed in _spells(states):
            yield customer, "falling_satisfaction", about, opened, closed


def _fallen_frequency(bought: Days) -> Iterator[Warning_]:
    ends = [
        (end - EPOCH).days for end in pd.date_range("2024-01-31", periods=24, freq="ME")
    ]
    for customer, days in bought.items():
        states = []
        for end in ends:
            tenure = end - days[0] + 1
            until = bisect_right(days, end)
            seen = until - bisect_right(days, end - 90)
            before = until - bisect_right(days, end - YEAR) - seen
            usual = 90 * before / max(min(tenure, YEAR) - 90, 1)
            states.append(
                (end, tenure >= 180 and seen < usual - 1.645 * math.sqrt(usual))
            )
        for opened, closed in _spells(states):
            yield customer, "falling_frequency", None, opened, closed


def _owners(query: Query, bought: Days) -> Iterator[Warning_]:
    care = query("from feeds.assignments")
    spans = defaultdict(list)
    begun, over = business_days(care.valid_from), business_days(care.valid_to)
    for employee, *span in zip(care.employee_id, begun, over, strict=True):
        spans[employee].append(span)
    cared = _known(query, "assignments")
    for customer, employee, ended in zip(
        cared.customer_id, cared.employee_id, business_days(cared.valid_to), strict=True
    ):
        if ended is not None and not any(
            first <= ended and (last is None or last > ended)
            for first, last in spans[employee]
        ):
            closed = next_after(bought.get(customer, []), ended)
            yield customer, "owner_left", employee, ended, closed


def _promises(query: Query, bought: Days) -> Iterator[Warning_]:
    made = _known(query, "promises")
    made = made[made.due_at < pd.Timestamp("2025-12-31 23:00")]
    made = made[~(made.kept_at <= made.due_at)]
    # One due or kept before it was made is a fault of the source.
    made = made[~((made.due_at < made.promised_at) | (made.kept_at < made.promised_at))]
    for customer, promise, due, kept in zip(
        made.customer_id,
        made.promise_id,
        business_days(made.due_at),
        business_days(made.kept_at),
        strict=True,
    ):
        ends = [kept, next_after(bought.get(customer, []), due)]
        closed = min((day for day in ends if day is not None), default=None)
        yield customer, "broken_promise", f"crm:{promise}", due, closed


def _low_years(query: Query) -> Iterator[Warning_]:
    places = defaultdict(list)
    first_of_second_year = LAST - YEAR + 1
    for (customer, measure, _), answers in _answers(query).items():
        least, best, _good = SCALES[measure]
        for day, score in answers:
            place = (score - least) / (best - least)
            places[customer, day >= first_of_second_year].append(place)
    means = {key: sum(found) / len(found) for key, found in places.items()}
    for customer, is_second in means:
        both = (means.get((customer, False), 1), means[customer, is_second])
        if is_second and max(both) < 0.5 - 1e-9:
            yield customer, "low_satisfaction_for_years", None, LAST, None


SIGNS = (
    *("long_gap", "unresolved_complaint", "falling_satisfaction"),
    *("falling_frequency", "owner_left", "broken_promise"),
    *("low_satisfaction_for_years",),
)


def customers_then(known: set[Warning_], bought: Days) -> pd.DataFrame:
    """Customers of each day that is judged: who left, who was warned by which sign."""
    rows = []
    for day in (LAST - step * HORIZON for step in range(1, 8)):
        warned = defaultdict(set)
        for customer, sign, _, opened, closed in known:
            if opened <= day and (closed is None or closed > day):
                warned[customer].add(sign)
        for customer, days in bought.items():
            last = bisect_right(days, day)
            if last > 0 and days[last - 1] > day - YEAR:
                after = next_after(days, day)
                rows.append(
                    {
                        "period": str((EPOCH + pd.Timedelta(days=day)).date()),
                        "customer_id": customer,
                        "left": after is None or after > day + HORIZON,
                        "any": bool(warned[customer]),
                        **{sign: sign in warned[customer] for sign in SIGNS},
                    }
                )
    return pd.DataFrame(rows)


def interval(hits: pd.Series, whole: pd.Series) -> tuple[float, float, float]:
    """A share with its interval, of sums by customer, who count several times."""
    share = hits.sum() / whole.sum()
    residuals = hits - share * whole
    clusters = int((whole > 0).sum())
    variance = (residuals**2).sum() / whole.sum() ** 2 * clusters / (clusters - 1)
    spread = share * (1 - share)
    n = min(spread / variance, whole.sum()) if variance * spread > 0 else clusters
    z = 1.959963984540054
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(spread / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, middle - half, middle + half
