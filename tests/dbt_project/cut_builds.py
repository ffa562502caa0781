"""States and warnings as a build would have found them that ended on an earlier day."""

from pathlib import Path

import duckdb
import pandas as pd

from kith.company.folder import load_company
from tests.dbt_project.rendered import MODELS, for_engine

# What the states are made from, and what of it was there by the end of the day.
_CUTS = {
    "intermediate.identities": "true",
    "intermediate.rfm_segment_names": "true",
    "intermediate.int_customer_records": "(updated_at is null or updated_at < {end}) "
    "and (registered_at is null or registered_at < {end})",
    "feeds.assignments": "true",
    "feeds.consents": "changed_at < {end}",
    "feeds.promises": "promised_at < {end}",
    "feeds.survey_answers": "answered_at < {end}",
    "customer.interactions": "occurred_at < {end}",
    "customer.sessions": "started_at < {end}",
    "customer.orders": "ordered_at < {end}",
    "satisfaction.complaints": "opened_at < {end}",
    "segment.customer_predictions": "false",
}
_MODELS = (
    "marts/customer/customers",
    "marts/customer/customer_months",
    "intermediate/segments/int_customer_windows",
    "intermediate/segments/int_rfm_cut_points",
    "intermediate/segments/int_rfm_scored",
    "intermediate/segments/int_customer_states",
    "marts/satisfaction/promises",
    "marts/satisfaction/churn_warnings",
)
# Of warnings; how grave one is, and what tells it, is said as of today.
_BEGUN = "customer_id, sign, about, opened_on"


def check_no_look_ahead(warehouse: Path, company: Path, day: str) -> int:
    """See that the states of a day are those of a build that ended on it; their number.

    That build may know further customers, who are some by what came later. Warnings
    that had begun by then, and whether they had ended, are its own as well.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        states = connection.sql(
            "select * exclude (is_latest) from intermediate.int_customer_states "
            f"where state_on = '{day}' order by customer_id"
        ).df()
        warnings = connection.sql(
            f"select {_BEGUN}, case when closed_on <= date '{day}' then closed_on end "
            "as closed_on from satisfaction.churn_warnings "
            f"where opened_on <= '{day}' order by all"
        ).df()
    found, found_warnings = _built_as_of(warehouse, company, day)
    pd.testing.assert_frame_equal(found_warnings, warnings)
    assert len(warnings) > 100
    known = found["customer_id"].isin(states["customer_id"])
    pd.testing.assert_frame_equal(
        found[known].reset_index(drop=True), states, check_dtype=False
    )
    return len(states)


def _built_as_of(
    warehouse: Path, company: Path, day: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """States of a day and warnings until then, computed from what was there by then.

    Identity and what may be scored are those of the warehouse.
    """
    zone = load_company(company).time_zone
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("create schema kith")
        (end,) = connection.sql(
            f"select timezone('UTC', timezone('{zone}', timestamp '{day}' "
            "+ interval '1' day))"
        ).fetchone()
        connection.execute(
            "create table kith.run as select * replace "
            f"(date '{day}' as as_of_date, timestamp '{end}' as as_of_at) "
            "from warehouse.kith.run"
        )
        for table, cut in _CUTS.items():
            where = cut.format(end=f"timestamp '{end}'")
            schema, name = table.split(".")
            view = f"feed_{name}" if schema == "feeds" else name
            connection.execute(
                f"create view {view} as select * from warehouse.{table} where {where}"
            )
        connection.execute(
            "create or replace view complaints as select * replace (case when "
            f"resolved_at < timestamp '{end}' then resolved_at end as resolved_at) "
            "from warehouse.satisfaction.complaints "
            f"where opened_at < timestamp '{end}'"
        )
        for model in _MODELS:
            path = MODELS / f"{model}.sql"
            query = for_engine(path.read_text(), "duckdb", path, company)
            connection.execute(f"create table {path.stem} as {query}")
        states = connection.sql(
            f"select * exclude (is_latest) from int_customer_states "
            f"where state_on = '{day}' order by customer_id"
        ).df()
        warnings = connection.sql(
            f"select {_BEGUN}, closed_on from churn_warnings order by all"
        ).df()
        return states, warnings
