"""What to offer whom, on customers whose tastes are known."""

import datetime as dt
import runpy
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from kith.build.dbt import DBT_PROJECT
from kith.models.recommendations import evaluate, read, recommend
from tests.models import offers

AS_OF = pd.Timestamp("2024-12-31")


def tastes(customers: int, seed: int = 1, strength: float = 1.0) -> pd.DataFrame:
    """Purchases of a year: of two tastes each customer has one, with some noise."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        for _ in range(1 + draw.poisson(9)):
            is_own = draw.random() < strength
            taste = number % 2 if is_own else draw.integers(2)
            product = int(20 * draw.random() ** 1.5) + 20 * taste
            day = AS_OF - pd.Timedelta(days=int(draw.integers(0, 366)))
            rows.append((f"c{number:03}", f"p{product:02}", day))
    frame = pd.DataFrame(rows, columns=["customer_id", "product_key", "day"])
    return frame.drop_duplicates(ignore_index=True)


def grounds(
    bought: pd.DataFrame,
    children: pd.DataFrame | None = None,
    others: list[tuple[str, str, str | None, str]] | None = None,
    without: set[str] | None = None,
    parts: int = 1,
):  # type: ignore[no-untyped-def]
    """The same as `read` takes them, with the rows of other grounds."""
    rows = bought.rename(columns={"day": "happened_on"}).assign(ground="bought")
    if children is not None:
        born = children.rename(columns={"born": "happened_on"})
        rows = pd.concat([rows, born.assign(ground="child")])
    for customer, ground, product, day in others or []:
        rows.loc[len(rows) + 10_000] = {
            "customer_id": customer,
            "ground": ground,
            "product_key": product,
            "happened_on": pd.Timestamp(day),
        }
    table = pa.table(
        {
            "customer_id": rows["customer_id"].astype(object).to_numpy(),
            "ground": rows["ground"].astype(object).to_numpy(),
            "product_key": pa.array(rows["product_key"], pa.string(), from_pandas=True),
            "happened_on": pa.array(rows["happened_on"].dt.date, pa.date32()),
        }
    )
    keys = sorted({*bought["product_key"]} | (without or set()))
    products = pa.table(
        {
            "product_key": pa.array(keys[::-1], pa.string()),
            "may_be_offered": [key not in (without or set()) for key in keys[::-1]],
        }
    )
    size = len(table) // parts + 1
    slices = [table.slice(at, size) for at in range(0, len(table), size)]
    return read(slices, products)


def offered(*given, evaluations: pa.Table | None = None, **more) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    known = grounds(*given, **more)
    day = np.datetime64(AS_OF.date())
    found = evaluate(known, day) if evaluations is None else evaluations
    return pa.concat_tables(recommend(known, found, day)).to_pandas()


def metrics(known) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    table = evaluate(known, np.datetime64(AS_OF.date()))
    return table.to_pandas().set_index("metric")


PUBLISHED = pa.table(
    {"metric": ["own_weight"], "value": [300.0], "status": ["published"]}
)
TASTES = tastes(300)
CHILDREN = pd.DataFrame(
    {
        "customer_id": [f"c{number:03}" for number in range(0, 320, 4)] * 2,
        "born": [AS_OF - pd.Timedelta(days=37 * number - 200) for number in range(160)],
    }
)


def test_offers_and_what_they_are_worth_equal_a_computation_over_whole_frames() -> None:
    before = AS_OF - pd.Timedelta("30D")
    found = metrics(grounds(TASTES, CHILDREN))
    weight = offers.best_weight(TASTES, CHILDREN, before)
    assert found["value"]["own_weight"] == weight
    ours, usual = offers.first_hits(TASTES, CHILDREN, before, [weight, None])
    for name, first in (("hit_rate", ours), ("popularity_hit_rate", usual)):
        for most in (5, 10):
            rate = (first <= most).mean()
            assert found["value"][f"{name}_at_{most}"] == pytest.approx(rate)
    gain = (ours <= 10).astype(float) - (usual <= 10)
    spread = 1.959964 * gain.std(ddof=0) / len(gain) ** 0.5
    row = found.loc["hit_rate_gained_at_10"]
    assert (row["value"], row["lower_bound"], row["upper_bound"]) == pytest.approx(
        (gain.mean(), gain.mean() - spread, gain.mean() + spread)
    )
    assert set(found["status"]) == {"published"}
    assert (found["n"] == len(gain)).all() and len(gain) > 100
    assert set(found["window_start"]) == {dt.date(2024, 12, 2)}

    (share,) = offers.shares(TASTES, CHILDREN, AS_OF, [weight])
    expected = offers.ranked(share)
    columns = list(expected.columns)
    assert_frame_equal(
        offered(TASTES, CHILDREN)[columns], expected, check_dtype=False, rtol=1e-9
    )
    # Who has a child alone is offered what is bought for children of that age.
    assert "c304" in set(expected["customer_id"])


def test_offers_are_the_same_in_whatever_order_rows_come_and_people_are_called() -> (
    None
):
    names = {f"c{number:03}": f"c{999 - number}" for number in range(320)}
    other, kids = (
        frame.sample(frac=1, random_state=3).assign(
            customer_id=lambda frame: frame["customer_id"].map(names)
        )
        for frame in (TASTES, CHILDREN)
    )
    there = offered(other, kids, parts=3)
    there["customer_id"] = there["customer_id"].map(
        {after: before for before, after in names.items()}
    )
    there = there.sort_values(["customer_id", "rank"], ignore_index=True)
    assert_frame_equal(there, offered(TASTES, CHILDREN), check_exact=True)


def test_without_tastes_everybody_is_offered_what_most_buy_and_the_reason_is_told() -> (
    None
):
    alike = tastes(400, strength=0.0)
    known = metrics(grounds(alike))
    assert set(known["status"]) == {"refused"}
    assert known["reason"].iloc[0].startswith("no better than what is bought most: of")
    found = offered(alike)
    (share,) = offers.shares(alike, CHILDREN[:0], AS_OF, [None])
    expected = offers.ranked(share)
    assert_frame_equal(found[list(expected.columns)], expected, check_dtype=False)
    assert set(found["ground"]) == {"popular", "bought_before", "due_again"}

    few = metrics(grounds(tastes(30)))
    assert set(few["status"]) == {"refused"}
    assert (
        "customers who had bought before bought in the held-out"
        in few["reason"].iloc[0]
    )


def test_nobody_is_offered_what_they_have_declined_need_not_twice_or_cannot_get() -> (
    None
):
    bought = pd.concat([TASTES, fridges()], ignore_index=True)
    usual = offered(bought, CHILDREN, evaluations=PUBLISHED)
    has_fridge = usual["customer_id"].isin(fridges()["customer_id"])
    assert "fridge" in set(usual[~has_fridge]["product_key"])
    assert "fridge" not in set(usual[has_fridge]["product_key"])

    first = usual[usual["product_key"] != "fridge"]
    first = first.groupby("customer_id")["product_key"].first()
    assert first["c001"] != first["c002"]
    bought = pd.concat(
        [
            bought,
            pd.DataFrame(
                [("c002", first["c002"], pd.Timestamp("2024-11-20"))],
                columns=["customer_id", "product_key", "day"],
            ),
        ],
        ignore_index=True,
    )
    found = offered(
        bought,
        CHILDREN,
        [
            ("c001", "declined", first["c001"], "2024-11-01"),
            # They bought it later all the same.
            ("c002", "declined", first["c002"], "2024-11-01"),
            ("c003", "refused", None, "2024-06-01"),
            ("c008", "refused", None, "2024-06-01"),
        ],
        {"p01", "p21"},
        evaluations=PUBLISHED,
    )
    of = found.groupby("customer_id")["product_key"].agg(set)
    assert first["c001"] not in of["c001"] and first["c002"] in of["c002"]
    assert not {"c003", "c008"} & set(of.index)
    assert {"p01", "p21"} <= set(usual["product_key"])
    assert not {"p01", "p21"} & set(found["product_key"])


def fridges() -> pd.DataFrame:
    """What many buy, and of 150 buyers one twice."""
    rows = [
        (f"c{number:03}", "fridge", AS_OF - pd.Timedelta(days=number % 80))
        for number in range(150, 300)
    ]
    rows.append(("c160", "fridge", AS_OF - pd.Timedelta(days=300)))
    return pd.DataFrame(rows, columns=["customer_id", "product_key", "day"])


def test_each_offer_has_the_ground_that_speaks_most_for_it() -> None:
    days = ["2024-10-01", "2024-10-21", "2024-11-30"]  # each 30 days on average
    own = pd.DataFrame(
        [("one", "p00", pd.Timestamp(day)) for day in days]
        + [("two", "p00", pd.Timestamp("2024-12-01"))]
        + [("two", "p00", pd.Timestamp("2024-12-31"))],
        columns=["customer_id", "product_key", "day"],
    )
    ages = pd.DataFrame(
        {"customer_id": ["baby"], "born": [AS_OF - pd.Timedelta(days=280)]}
    )
    # Bought for babies, by whom else nobody knows anything.
    babies = pd.DataFrame(
        [
            (f"b{number}", "nappies", AS_OF - pd.Timedelta(days=number))
            for number in range(40)
        ],
        columns=["customer_id", "product_key", "day"],
    )
    ages = pd.concat(
        [
            ages,
            pd.DataFrame(
                {
                    "customer_id": [f"b{number}" for number in range(40)],
                    "born": AS_OF - pd.Timedelta(days=270),
                }
            ),
        ]
    )
    bought = pd.concat([TASTES, own, babies], ignore_index=True)
    found = offered(bought, ages, evaluations=PUBLISHED)
    found = found.set_index(["customer_id", "product_key"])

    due = found.loc[("one", "p00")]
    assert (due["ground"], due["bought_day_count"]) == ("due_again", 3)
    assert due["last_bought_on"] == dt.date(2024, 11, 30)
    assert due["due_on"] == dt.date(2024, 12, 30)
    not_yet = found.loc[("two", "p00")]
    assert not_yet["ground"] == "bought_before"
    assert not_yet["due_on"] == dt.date(2025, 1, 30)
    alike = found.loc["one"].query("ground == 'bought_with'")
    assert set(alike["because_product_key"]) == {"p00"}
    assert alike.index.str.startswith("p0").all() or len(alike) > 3
    nappies = found.loc[("baby", "nappies")]
    assert (nappies["ground"], nappies["child_age_months"], nappies["rank"]) == (
        *("child", 9),
        1,
    )
    # The ages of children say nothing of the rest.
    assert set(found.loc["baby"].iloc[1:]["ground"]) == {"popular"}


def test_without_purchases_there_is_nothing_to_judge_and_nothing_to_offer() -> None:
    nothing = TASTES[:0]
    assert len(evaluate(grounds(nothing, CHILDREN), np.datetime64("2024-12-31"))) == 0
    assert len(offered(nothing, CHILDREN)) == 0
    assert len(offered(nothing)) == 0


def test_what_may_not_be_offered_is_not() -> None:
    """The model is called as dbt does it."""
    absent = {"p00", "p20"}
    file = DBT_PROJECT / "models/intermediate/predictions/int_recommendations.py"
    model = runpy.run_path(str(file))["model"]
    keys = sorted(set(TASTES["product_key"]))
    products = pd.DataFrame(
        {"product_key": keys, "may_be_offered": [key not in absent for key in keys]}
    )
    bought = TASTES.rename(columns={"day": "happened_on"}).assign(ground="bought")
    with duckdb.connect() as connection:
        connection.register("bought", bought)
        connection.register("products", products)
        connection.register("published", PUBLISHED)
        tables = {
            "products": "from products",
            "int_observation_days": "select 'score' as role, "
            f"date '{AS_OF:%Y-%m-%d}' as observed_on",
            "int_recommendations_evaluated": "from published",
            "int_offer_grounds": "select * replace (happened_on::date as happened_on) "
            "from bought",
        }
        dbt = SimpleNamespace(ref=lambda name: connection.sql(tables[name]))
        found = set(model(dbt, connection)["product_key"].to_pylist())
    assert found == set(
        offered(TASTES, evaluations=PUBLISHED, without=absent).product_key
    )
    assert found and not found & absent
