"""Identity in a whole build: evidence of rows and links, and a link that comes late.

A town of few people: its till shows card, address, telephone and who recommended the
customer on one row; orders, cases and links are staged as they stand here.
"""

import datetime as dt
import random
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml

from kith.build.control_tables import LOGS
from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import connect
from kith.runs.run import Run
from tests.conftest import new_run

LATE = ("card", "c2", "email", "m2", "2024-03-05")
# Card, address, telephone, who recommended them, when.
ROWS = [
    ("c1", "m1", "t1", None, "2024-01-01"),
    ("c3", None, "t9", "m1", "2024-01-02"),
    ("c4", "m4", "t9", None, "2024-01-03"),
    ("c5", "m5", None, None, "2024-01-04"),
    ("c6", "test", None, None, "2024-01-05"),
    ("c7", "test", None, None, "2024-01-06"),
    ("NULL", "m1", "none", None, "2024-01-07"),
]
ORDERS = [
    ("card", "c1", "2024-01-10", 10),
    ("email", "m1", "2024-02-10", 20),
    ("card", "c2", "2024-01-11", 40),
    ("email", "m2", "2024-02-11", 80),
    ("card", "c3", "2024-01-12", 160),
    ("phone", "t9", "2024-01-13", 320),
    ("email", "m4", "2024-01-14", 640),
    ("email", "test", "2024-01-15", 1280),
    ("device", "d8", "2024-01-16", 2560),
    ("card", "c5", "2024-04-16", 5120),
]
EVENTS = [("device", "d9", "2024-01-20"), ("device", "d5", "2024-01-21")]
LEADS = [("email", "m99", "2024-01-22")]
LINKS = [("email", "m5", "device", "d5", "2024-02-01")]
RECORDS = [("card", "c7", "2024-01-01", "2024-05-01")]  # deleted in May


def values(rows: list[tuple[Any, ...]], *columns: str) -> str:
    listed = ", ".join(
        "(" + ", ".join("null" if v is None else repr(v) for v in row) + ")"
        for row in rows
    )
    return f"(values {listed}) as rows ({', '.join(columns)})"


def staging(links: list[tuple[Any, ...]], mix: random.Random) -> dict[str, str]:
    def shuffled(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return mix.sample(rows, len(rows))

    who = ("identifier_type", "identifier_value")
    common = "select 'till' as source, timestamp '2024-06-30' as loaded_at, "
    person = f"{common}{', '.join(who)}, "
    return {
        "orders": f"{person}seen as order_id, cast(seen as timestamp) as ordered_at, "
        "amount as order_amount from "
        + values(shuffled(ORDERS), *who, "seen", "amount"),
        "events": f"{person}seen as event_id, 'view' as event_name, "
        "cast(seen as timestamp) as occurred_at from "
        + values(shuffled(EVENTS), *who, "seen"),
        "leads": f"{person}seen as lead_id, cast(seen as timestamp) as created_at "
        f"from {values(LEADS, *who, 'seen')}",
        "customers": f"{person}identifier_value as customer_record_id, "
        "cast(seen as timestamp) as registered_at, "
        "cast(gone as timestamp) as deleted_at "
        f"from {values(RECORDS, *who, 'seen', 'gone')}",
        "identifier_links": f"{common}seen || left_value as link_id, left_type, "
        "left_value, right_type, right_value, cast(seen as timestamp) as seen_at from "
        + values(
            shuffled(links),
            "left_type",
            "left_value",
            "right_type",
            "right_value",
            "seen",
        ),
    }


def build(folder: Path, links: list[tuple[Any, ...]], seed: int) -> Run:
    mix = random.Random(seed)
    (folder / "staging").mkdir(parents=True, exist_ok=True)
    feeds = staging(links, mix)
    company = {
        "name": "town",
        "title": "Town",
        "time_zone": "UTC",
        "currency": "EUR",
        "first_day": dt.date(2024, 1, 1),
        "last_day": dt.date(2024, 6, 30),
        "identity": {"blocked": {"email": ["test"]}},
        "feeds": {feed: [f"stg_till__{feed}"] for feed in feeds},
    }
    # Plain ones: no delivery hashes them here.
    kinds = {
        "card": "card",
        "mail": "email",
        "tel": "phone",
        "recommender": "somebody_else",
    }
    columns = [
        {
            "name": name,
            "data_type": "varchar",
            "config": {"meta": {"identifies": kind}},
        }
        for name, kind in kinds.items()
    ] + [{"name": "seen", "data_type": "timestamp"}]
    meta = {"connector": "files", "path": "none.csv", "cursor": "seen", "key": ["seen"]}
    table = {"name": "people", "config": {"meta": meta}, "columns": columns}
    sources = {"sources": [{"name": "till", "tables": [table]}]}
    (folder / "company.yml").write_text(yaml.safe_dump(company))
    (folder / "sources.yml").write_text(yaml.safe_dump(sources))
    for feed, query in feeds.items():
        (folder / "staging" / f"stg_till__{feed}.sql").write_text(query + "\n")
    run = new_run(folder)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)

    def prepare(run: Run) -> None:
        prepare_warehouse(run)
        with connect(run.warehouse, scratch=folder / "scratch") as warehouse:
            rows = values(mix.sample(ROWS, len(ROWS)), *kinds, "seen")
            warehouse.execute(
                "create or replace view till.people as "
                f"select * replace (cast(seen as timestamp) as seen) from {rows}"
            )

    dbt(run, "build", "--exclude-resource-type", "unit_test", prepare=prepare)
    return run


@pytest.fixture(scope="module")
def towns(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
    """Before and after a link of March comes; all rows in another order."""
    found = []
    for name, links, seed in (("before", LINKS, 1), ("after", [*LINKS, LATE], 2)):
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KITH_HOME", str(folder / "home"))
            run = build(folder / "town", links, seed)
        found.append(duckdb.connect(str(run.warehouse), read_only=True))
    return found[0], found[1]


def persons(town: duckdb.DuckDBPyConnection, column: str) -> set[frozenset[str]]:
    rows = town.sql(
        f"""
        select list(identifier_value) from customer.customer_identifiers
        where {column} is not null group by {column}
        """
    ).fetchall()
    return {frozenset(values) for (values,) in rows}


def standings(town: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(
        town.sql(
            "select identifier_value, coalesce(refused_by, standing) "
            "from customer.customer_identifiers"
        ).fetchall()
    )


def test_rows_and_links_join_and_what_is_shared_blocked_or_anothers_does_not(
    towns: tuple[duckdb.DuckDBPyConnection, ...],
) -> None:
    before, _ = towns
    assert persons(before, "customer_id") == {
        frozenset(group.split())
        for group in ("c1 m1 t1", "c2", "m2", "c3", "c4 m4", "c5 m5 d5", "d8")
    }
    found = standings(before)
    assert found["t9"] == "shared_by_several"
    assert found["test"] == "blocked_value"
    assert found["d9"] == "visitor"
    # Seen on a row of the till, but by no feed.
    assert found["m99"] == found["c6"] == "prospect"
    assert found["c7"] == "deleted"
    # Words for nobody are no identifiers.
    assert not {"NULL", "none"} & found.keys()


def test_traces_of_nobody_are_kept_as_unidentified(
    towns: tuple[duckdb.DuckDBPyConnection, ...],
) -> None:
    for town in towns:
        assert town.sql(
            "select revenue_amount from customer.customer_values "
            "where customer_id = 'unidentified'"
        ).fetchall() == [(320 + 1280,)]
        assert town.sql(
            "select count(*), sum(amount) from customer.interactions"
        ).fetchall() == [(13, 10230)]


def test_a_link_that_comes_late_changes_only_whom_it_joins_and_the_merge_is_told(
    towns: tuple[duckdb.DuckDBPyConnection, ...],
) -> None:
    before, after = towns
    joined = dict(
        before.sql(
            "select identifier_value, customer_id from customer.customer_identifiers "
            "where identifier_value in ('c2', 'm2')"
        ).fetchall()
    )
    assert persons(after, "customer_id") - persons(before, "customer_id") == {
        frozenset({"c2", "m2"})
    }
    # The oldest identifier gives the id.
    assert set(
        after.sql(
            "select customer_id from customer.customer_identifiers "
            "where identifier_value in ('c2', 'm2')"
        ).fetchall()
    ) == {(joined["c2"],)}
    told = "select person_id_before, person_id_after, merged_at::date, evidence from "
    new = set(after.sql(told + "customer.customer_merges").fetchall()) - set(
        before.sql(told + "customer.customer_merges").fetchall()
    )
    assert new == {(joined["m2"], joined["c2"], dt.date(2024, 3, 5), "till: link")}


# Marts of groups, which a customer less changes, and the record of merges.
OF_ALL = {
    # What others bought says what to offer.
    "customer.recommendations",
    "customer.price_responses",
    # By region of the customer.
    "satisfaction.complaint_spikes",
    "customer.campaign_results",
    "customer.customer_merges",
    "customer.goals_attained",
    "customer.visitor_flows",
    "customer.customer_preferences",
    "customer.unmet_demand",
    "customer.portraits",
    "satisfaction.churn_warning_records",
    "satisfaction.share_of_voice",
    "segment.behaviour_drivers",
    "segment.cohorts",
    "segment.concentrations",
    "segment.customer_indicators",
    "segment.indicators",
    "segment.engagement",
    "segment.model_evaluations",
    "segment.rfm_cells",
    "segment.rfm_cut_points",
    # Half of the schemes compare a customer with all others.
    "segment.segment_memberships",
    "segment.segment_transitions",
    "segment.segments",
    "satisfaction.satisfaction_drivers",
    "satisfaction.satisfaction_effects",
    "satisfaction.service_shortfalls",
}
# Columns that compare a customer with all others.
RELATIVE = [
    *("revenue_share_pct", "rfm_segment", "value_type", "segment", "rfm_cell", "tier"),
    *("r_score", "f_score", "m_score"),
    *("recency_is_high", "frequency_is_high", "monetary_is_high"),
]
# Those that say to how many a model was fitted.
OF_MODELS = {
    # What they notice, with ten messages as all customers notice them.
    "customer.contact_plans": [
        f"{what}{part}"
        for what in ("channel_noticed_share", "hour_noticed_share")
        for part in ("", "_low", "_high")
    ]
    + ["channel_n", "hour_n"],
    "customer.customer_profiles": ["next_offer", "next_offer_reason"],
    "customer.customer_lifetime_values": ["n", "missing_reason"],
    "segment.customer_predictions": ["n", "missing_reason"],
    "segment.wake_up_candidates": ["n", "reason"],
}


def test_what_every_mart_says_of_all_others_is_the_same_in_another_order_of_rows(
    towns: tuple[duckdb.DuckDBPyConnection, ...],
) -> None:
    schemas = ", ".join(f"'{schema}'" for schema in PUBLISHED_SCHEMAS)
    marts = {
        f"{schema}.{name}"
        for schema, name in towns[0]
        .sql(
            "select schema_name, table_name from duckdb_tables() "
            f"where schema_name in ({schemas})"
        )
        .fetchall()
        if name not in LOGS
    }
    assert marts > OF_ALL
    joined = "identifier_value in ('c2', 'm2')"
    touched = {
        customer
        for town in towns
        for (customer,) in town.sql(
            f"select customer_id from customer.customer_identifiers where {joined}"
        ).fetchall()
    }
    assert len(touched) == 2
    compared = 0
    for mart in sorted(marts - OF_ALL):
        frames = []
        for town in towns:
            frame = town.sql(f"from {mart}").df()
            if "customer_id" in frame:
                frame = frame[~frame["customer_id"].isin(touched)]
            frame = frame.drop(columns=RELATIVE, errors="ignore")
            frame = frame.drop(columns=OF_MODELS.get(mart, []))
            order = frame.astype(str).sort_values(list(frame.columns)).index
            frames.append(frame.loc[order].reset_index(drop=True))
        pd.testing.assert_frame_equal(*frames, obj=mart)
        compared += len(frames[0])
    assert compared > 300


def test_what_was_done_is_the_same_whoever_turns_out_to_have_done_it(
    towns: tuple[duckdb.DuckDBPyConnection, ...],
) -> None:
    for mart in ("sessions", "interactions", "orders", "order_lines"):
        both = [
            town.sql(
                "select columns(name -> name not in ('customer_id', 'purchase_kind')) "
                f"from customer.{mart} order by all"
            ).df()
            for town in towns
        ]
        pd.testing.assert_frame_equal(*both)
        assert len(both[0]) > 0
