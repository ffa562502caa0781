"""The demo's leads, ownerships and portraits: those planted, and computed once more."""

from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.companies import leads
from tests.companies.definitions import UNIDENTIFIED, Shop
from tests.companies.demo import ZONE
from tests.companies.test_demo import Warehouse, delivered
from tests.dbt_project.rendered import MODELS, for_engine

AS_OF = pd.Timestamp("2025-12-31")
SAME = {"check_dtype": False, "check_exact": True}
CLOSE = {"check_dtype": False, "rtol": 1e-12}


@pytest.fixture(scope="module")
def warehouse(demo: Path) -> Warehouse:
    return Warehouse(demo)


@pytest.fixture(scope="module")
def names(demo: Path) -> dict[tuple[str, str], str]:
    return delivered(demo)[0]


@pytest.fixture(scope="module")
def shop(demo: Path) -> Shop:
    return delivered(demo)[1]


@pytest.fixture(scope="module")
def steps(warehouse: Warehouse) -> list[pd.DataFrame]:
    """Leads and their steps as delivered."""
    demo = warehouse.demo
    return [
        demo._sound(f"crm.{table}", demo._database_table(table), key, at)
        for table, key, at in (
            ("leads", "lead", "created_at"),
            ("lead_stages", "step", "entered_at"),
        )
    ]


@pytest.fixture(scope="module")
def told(steps: list[pd.DataFrame]) -> pd.DataFrame:
    return leads.told_leads(*steps, AS_OF)


@pytest.fixture(scope="module")
def care(warehouse: Warehouse) -> leads.Care:
    return leads.Care(
        warehouse.query(
            """
            select assignments.*, customer_id from feeds.assignments
            inner join intermediate.identities using (identifier_type, identifier_value)
            where customer_id is not null
            """
        )
    )


def end_of(day: pd.Timestamp) -> pd.Timestamp:
    after = (day + pd.Timedelta(1, "D")).tz_localize(ZONE)
    return after.tz_convert("UTC").tz_localize(None)


# --- leads ----------------------------------------------------------------------------


def test_leads_are_where_the_delivered_steps_leave_them(
    warehouse: Warehouse, told: pd.DataFrame
) -> None:
    found = warehouse.query("from customer.leads order by lead_id")
    columns = [name for name in told if name != "path"]
    assert_frame_equal(found[columns], told[columns], **SAME)
    won = warehouse.totals["leads_won"]
    assert (found.outcome == "won").sum() == won > 100
    # Who was won is a customer, unless nobody knows by what to recognise them.
    assert found[found.outcome == "won"].customer_id.notna().mean() > 0.9
    usual, counted = leads.usual_days(told), leads.chances(told, AS_OF)
    least, compared = warehouse.company.minimum_answers, 0
    for lead in found.itertuples():
        left = usual[lead.stage]
        assert lead.usual_days_n == len(left)
        if lead.outcome != "open":
            assert (lead.is_stuck, lead.missing_reason) == (False, "decided")
            continue
        assert lead.usual_days_in_stage == np.median(left)
        assert lead.is_stuck == (lead.days_in_stage > 2 * np.median(left))
        waited = max(days for days in leads.WAITS if days <= lead.days_in_stage)
        won, n = counted[lead.stage, waited]
        assert lead.n == n
        if n >= least:
            assert lead.win_probability == won / n
            interval = (lead.win_probability_low, lead.win_probability_high)
            assert interval == pytest.approx(leads.wilson(won, n), abs=1e-12)
            compared += 1
    # Whoever has not moved for so long never came.
    assert compared == (found.outcome == "open").sum() > 100
    assert found.win_probability.max() == 0
    assert counted["new", 0][0] / counted["new", 0][1] > 0.3


def test_leads_convert_by_the_month_of_their_creation(
    warehouse: Warehouse, told: pd.DataFrame
) -> None:
    expected = leads.conversions(told, warehouse.company.minimum_answers)
    found = warehouse.query(
        "from customer.lead_conversions "
        "order by cohort_grain, cohort_start, breakdown, part, stage"
    )
    assert_frame_equal(found[list(expected.columns)], expected, **CLOSE)
    assert found.open_count.sum() > 0
    assert found.missing_reason.isna().equals(found.win_rate_pct.notna())
    assert found.win_rate_pct.count() > 10


def test_leads_of_an_earlier_day_know_nothing_of_what_came_later(
    warehouse: Warehouse, steps: list[pd.DataFrame]
) -> None:
    """Reasons for which leads were declined since are in their rows, without a time."""
    day = pd.Timestamp("2025-03-01")
    path = warehouse.state / "warehouse" / "kith_build.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as warehouse (read_only)")
        connection.execute("create schema kith")
        connection.execute(
            "create table kith.run as select * replace (date '2025-03-01' as "
            f"as_of_date, timestamp '{end_of(day)}' as as_of_at) "
            "from warehouse.kith.run"
        )
        for view, table, at in (
            ("feed_leads", "feeds.leads", "created_at"),
            ("feed_lead_stages", "feeds.lead_stages", "entered_at"),
            ("orders", "customer.orders", "ordered_at"),
            ("identities", "intermediate.identities", None),
        ):
            cut = f"{at} < timestamp '{end_of(day)}'" if at else "true"
            connection.execute(
                f"create view {view} as select * from warehouse.{table} where {cut}"
            )
        for model in ("lead_stages", "leads"):
            file = MODELS / "marts" / "customer" / f"{model}.sql"
            query = for_engine(
                file.read_text(), "duckdb", file, warehouse.company.folder
            )
            connection.execute(f"create table {model} as {query}")
        found = connection.sql("from leads order by lead_id").df()
    expected = leads.told_leads(*(rows[rows.day <= day] for rows in steps), day)
    columns = [name for name in expected if name != "path"]
    assert_frame_equal(found[columns], expected[columns], **SAME)
    declined = steps[0].set_index("lead").declined_reason.reindex(found.lead_id)
    # It has no time: of whoever went on it may be that of a step that lies ahead.
    is_shown = (found.outcome == "lost") | (
        (found.outcome == "open") & (found.stage_count == 0)
    )
    told_reasons = declined.where(is_shown.to_numpy())
    assert (
        found.declined_reason.fillna("").to_numpy()
        == told_reasons.fillna("").to_numpy()
    ).all()
    assert (declined.notna().to_numpy() & (found.outcome == "open")).any()


def test_prospects_are_of_the_three_kinds_planted(
    warehouse: Warehouse, told: pd.DataFrame
) -> None:
    found = warehouse.query("from customer.prospects where subject = 'lead'")
    counts = found.prospect_kind.value_counts()
    assert {kind: counts[kind] for kind in ("near", "refusing", "unexplored")} == {
        kind: warehouse.totals[f"leads_{kind}"]
        for kind in ("near", "refusing", "unexplored")
    }
    # A lead that was not won, of whom nobody is a customer; by what was planted the
    # refusing lack means, and of the unexplored nothing is known.
    open_or_lost = told[told.outcome != "won"]
    assert set(found.lead_id) == set(open_or_lost.lead_id)
    kinds = open_or_lost.set_index("lead_id")
    expected = np.where(
        kinds.outcome == "lost",
        "refusing",
        np.where(kinds.stage == "offer", "near", "unexplored"),
    )
    assert (
        found.set_index("lead_id").prospect_kind.reindex(kinds.index).eq(expected).all()
    )
    refusing = found[found.prospect_kind == "refusing"]
    assert set(refusing.unmet_criteria) == {"can_pay"}
    assert set(refusing.declined_reason) == {"price", "competitor", "no trust"}
    unexplored = found[found.prospect_kind == "unexplored"]
    assert set(unexplored.unknown_criteria) == {"has_need, can_pay"}
    # The demo sells everything everywhere.
    assert warehouse.value("select count(*) from customer.prospects") == len(found)


# --- ownerships -----------------------------------------------------------------------


def test_ownerships_equal_a_look_at_each_turn_of_the_care(
    warehouse: Warehouse, shop: Shop, care: leads.Care
) -> None:
    found = warehouse.query(
        """
        select *, cast(revenue_amount * 100 as bigint) as revenue,
            cast(revenue_amount_365d * 100 as bigint) as year,
            cast(revenue_before_amount * 100 as bigint) as before,
            cast(revenue_after_amount * 100 as bigint) as after
        from customer.ownerships order by customer_id, ownership_number
        """
    )
    instants = warehouse.query("select order_id, ordered_at from customer.orders")
    orders = shop.orders.merge(instants, on="order_id")
    of_customer = dict(tuple(orders.groupby("customer_id")))
    none = orders.iloc[:0]
    spells = {c: care.spells(c, end_of(AS_OF)) for c in sorted(care.of)}
    flat = [(c, *spell) for c, mine in spells.items() for spell in mine]
    assert len(flat) == len(found) > 150
    day = pd.Timedelta(1, "D")

    def day_of(at: pd.Timestamp) -> pd.Timestamp:
        return at.tz_localize("UTC").tz_convert(ZONE).tz_localize(None).normalize()

    for row, (customer, owner, begin, end) in zip(
        found.itertuples(), flat, strict=True
    ):
        assert (row.customer_id, row.employee_id, row.department) == (customer, *owner)
        assert (row.began_at, row.began_on) == (begin, day_of(begin))
        mine = of_customer.get(customer, none)
        until = end or end_of(AS_OF)
        inside = mine[(mine.ordered_at >= begin) & (mine.ordered_at < until)]
        assert row.order_count == inside.is_purchase.sum()
        assert row.revenue == inside.revenue.sum()
        last = day_of(end) if end else AS_OF
        year = mine[(mine.day <= last) & (mine.day > last - 365 * day)]
        assert row.year == year.revenue.sum()
        assert row.is_current == (end is None)
        if end is None:
            assert pd.isna(row.before) and pd.isna(row.ended_because)
            continue
        assert row.ended_on == last
        span = min((AS_OF - last).days, 365)
        before = mine[(mine.day <= last) & (mine.day > last - span * day)]
        after = mine[(mine.day > last) & (mine.day <= last + span * day)]
        assert (row.compared_days, row.before, row.after) == (
            *(span, before.revenue.sum()),
            after.revenue.sum(),
        )
        again = mine[mine.is_purchase & (mine.day > last)].day.min()
        assert row.bought_again_on == again or pd.isna(again)
        others = any(
            who[0] == owner[0]
            and day_of(since) <= last
            and (to is None or day_of(to) > last)
            for theirs in spells.values()
            for who, since, to in theirs
        )
        assert row.ended_because == ("changed" if others else "employee_left")
        next_spell = next(
            (spell for spell in spells[customer] if spell[1] >= end), None
        )
        if next_spell and leads.follows(end, next_spell[1]):
            assert row.successor_id == next_spell[0][0]
        else:
            assert pd.isna(row.successor_id)


def test_employees_who_leave_show_with_their_customers_and_revenue(
    warehouse: Warehouse, names: dict[tuple[str, str], str], shop: Shop
) -> None:
    persons = warehouse.known("people").set_index("customer")
    known = warehouse.known("identifiers")
    own = known[known.is_linked & (known.owner == known.customer)]
    customers = {
        row.customer: name
        for row in own.itertuples()
        if (name := names.get((row.kind, row.value), UNIDENTIFIED)) != UNIDENTIFIED
    }
    left = warehouse.query(
        "from customer.ownerships where ended_because = 'employee_left'"
    )
    leavers = warehouse.truth["planted"]["leavers"]
    assert set(left.employee_id) == set(leavers)
    current = warehouse.query("from customer.ownerships where is_current")
    assert not set(current.employee_id) & set(leavers)
    for employee, day in leavers.items():
        theirs = left[left.employee_id == employee]
        planted = persons[persons.employee_left_day == day].index
        expected = {customers[person] for person in planted if person in customers}
        assert set(theirs.customer_id) == expected
        assert len(theirs) >= 10
        on = pd.Timestamp("2024-01-01") + pd.Timedelta(day, "D")
        assert set(theirs.ended_on) == {on}
        orders = shop.orders[shop.orders.customer_id.isin(expected)]
        year = orders[(orders.day <= on) & (orders.day > on - pd.Timedelta(365, "D"))]
        found = round(100 * theirs.revenue_amount_365d.sum())
        assert found == year.revenue.sum() > 0
        # Who follows the employee does not come back; of the others most do.
        follows = persons.loc[[p for p in planted if p in customers]].follows_employee
        gone = theirs.set_index("customer_id").bought_again_on.isna()
        again = ~gone[[customers[person] for person in follows.index]].to_numpy()
        assert again[~follows].mean() > again[follows].mean()


# --- portraits ------------------------------------------------------------------------

AMOUNTS = ("gross", "returned", "revenue")
CENTS = ", ".join(f"cast({a}_amount * 100 as bigint) as {a}" for a in AMOUNTS)


def test_portraits_equal_a_count_of_each_period_with_the_owner_of_that_time(
    warehouse: Warehouse, shop: Shop, care: leads.Care
) -> None:
    instants = warehouse.query("select order_id, ordered_at from customer.orders")
    attributes = warehouse.query(
        "select customer_id, city, region, industry, level, "
        "registration_source as source from customer.customers"
    ).set_index("customer_id")
    months = warehouse.query(
        "select customer_id, min(month) as month from customer.customer_months "
        "group by customer_id"
    )
    expected = leads.portraits(
        shop,
        instants.set_index("order_id").ordered_at,
        attributes,
        months.set_index("customer_id").month,
        care,
        end_of,
    )
    found = warehouse.query(f"select *, {CENTS} from customer.portraits")
    keys = [
        *("period_grain", "period_start", "dimension", "part", "department"),
        "employee_id",
    ]
    ordered = (
        frame.sort_values(keys, ignore_index=True)[[*keys, *COUNTS, *AMOUNTS]]
        for frame in (found, expected)
    )
    assert_frame_equal(*ordered, **SAME)
    # Who has no industry, and whose orders name nobody, are seen.
    assert {"unknown", "unidentified"} <= set(found.part)
    assert (found.employee_id == "unassigned").any()


COUNTS = ["customer_count", "buyer_count", "order_count", "return_count"]
FLOWS = ["order_count", "return_count", *AMOUNTS]
GRAINS = {"month": "M", "quarter": "Q", "year": "Y"}
Told = dict[tuple[str, str, str], int]


def _of_portraits(warehouse: Warehouse) -> Told:
    found = warehouse.query(f"select *, {CENTS} from customer.portraits")
    keys = ["dimension", "period_grain", "period_start"]
    sums = found.groupby(keys)[[*COUNTS, *AMOUNTS]].sum()
    told = [
        {
            (grain, str(start.date()), column): int(value)
            for (grain, start), row in sums.loc[dimension].iterrows()
            for column, value in row.items()
        }
        for dimension in sums.index.unique("dimension")
    ]
    assert len(told) == 5
    assert all(other == told[0] for other in told)
    by_grain = found[found.dimension == "city"].groupby("period_grain")[FLOWS].sum()
    assert len(by_grain.drop_duplicates()) == 1
    whole = {("all", "", name): int(by_grain[name].iloc[0]) for name in FLOWS}
    now = told[0]["year", "2025-01-01", "customer_count"]
    return told[0] | whole | {("all", "", "customer_count"): now}


def _of_orders(warehouse: Warehouse) -> Told:
    found = warehouse.query(f"select *, {CENTS} from customer.orders")
    found = found.assign(order_count=found.is_purchase, return_count=found.has_return)
    told: Told = {("all", "", name): int(found[name].sum()) for name in FLOWS}
    identified = found.customer_id != UNIDENTIFIED
    told["all", "", "ordered"] = found[identified].customer_id.nunique()
    buyers = found[identified & found.is_purchase]
    told["all", "", "buyer_count"] = buyers.customer_id.nunique()
    for grain, letter in GRAINS.items():
        periods = found.order_date.dt.to_period(letter)
        for period, rows in found.groupby(periods):
            key = (grain, str(period.start_time.date()))
            told |= {(*key, name): int(rows[name].sum()) for name in FLOWS}
            of = buyers[periods.reindex(buyers.index) == period]
            told[*key, "buyer_count"] = of.customer_id.nunique()
    return told


def _of_months(warehouse: Warehouse) -> Told:
    found = warehouse.query(f"select *, {CENTS} from customer.customer_months")
    known = found[found.customer_id != UNIDENTIFIED]
    acted = known[known[["order_count", "return_count", "cancelled_count"]].any(axis=1)]
    told: Told = {("all", "", name): int(found[name].sum()) for name in FLOWS}
    told |= {
        ("all", "", "customer_count"): known.customer_id.nunique(),
        ("all", "", "ordered"): acted.customer_id.nunique(),
        ("all", "", "buyer_count"): known[known.is_active].customer_id.nunique(),
    }
    for grain, letter in GRAINS.items():
        for period, rows in found.groupby(found.month.dt.to_period(letter)):
            key = (grain, str(period.start_time.date()))
            told |= {(*key, name): int(rows[name].sum()) for name in FLOWS}
            mine = rows[rows.customer_id != UNIDENTIFIED]
            told[*key, "customer_count"] = mine.customer_id.nunique()
            told[*key, "buyer_count"] = mine[mine.is_active].customer_id.nunique()
    return told


def _of_values(warehouse: Warehouse) -> Told:
    found = warehouse.query(f"select *, {CENTS} from customer.customer_values")
    known = found[found.customer_id != UNIDENTIFIED]
    acted = known[["order_count", "return_count", "cancelled_count"]].any(axis=1)
    return {("all", "", name): int(found[name].sum()) for name in FLOWS} | {
        ("all", "", "customer_count"): len(known),
        ("all", "", "ordered"): int(acted.sum()),
        ("all", "", "buyer_count"): int((known.order_count > 0).sum()),
    }


def _of_customers(warehouse: Warehouse) -> Told:
    found = warehouse.query(
        "from customer.customers where customer_id <> 'unidentified'"
    )
    return {
        ("all", "", "customer_count"): len(found),
        ("all", "", "ordered"): int(found.has_trade.sum()),
    }


TOLD = {
    "portraits": _of_portraits,
    "orders": _of_orders,
    "months": _of_months,
    "values": _of_values,
    "customers": _of_customers,
}


@pytest.fixture(scope="module")
def totals(warehouse: Warehouse) -> dict[str, Told]:
    return {mart: tell(warehouse) for mart, tell in TOLD.items()}


@pytest.mark.parametrize(("one", "other"), combinations(TOLD, 2))
def test_two_marts_agree_on_the_totals_of_every_period(
    totals: dict[str, Told], one: str, other: str
) -> None:
    both = totals[one].keys() & totals[other].keys()
    assert {key: totals[one][key] for key in both} == {
        key: totals[other][key] for key in both
    }
    both_tell_periods = not {"values", "customers"} & {one, other}
    assert len(both) > (7 * 26 if both_tell_periods else 0)
