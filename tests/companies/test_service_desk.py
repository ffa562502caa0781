"""The service desk's log of 24,918 cases against pandas."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from kith.admit.table import admit_table
from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.pull.table import pull_table
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.conftest import new_run, run_pipeline
from tests.shared_data import shared_data

COMPANY = REPOSITORY / "companies" / "service_desk"
TABLE = "desk.incident_events"
DONE = ["Resolved", "Closed"]


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared_data("servicenow_incidents", "KITH_SERVICE_DESK")


@pytest.fixture(scope="module")
def log(folder: Path) -> pd.DataFrame:
    """The events, those of a case in the order of time."""
    frame = pd.read_csv(
        folder / "incident_event_log.zip",
        dtype=str,
        na_values="?",
        keep_default_na=False,
    )
    for column in ("opened_at", "sys_updated_at", "resolved_at", "closed_at"):
        frame[column] = pd.to_datetime(frame[column], format="%d/%m/%Y %H:%M")
    frame["sys_mod_count"] = frame["sys_mod_count"].astype(int)
    return frame.sort_values(["number", "sys_updated_at", "sys_mod_count"])


def cases(log: pd.DataFrame) -> pd.DataFrame:
    """What is known of each case after its last event, one row per case."""
    by_case = log.groupby("number")
    frame = log.drop_duplicates("number", keep="last").set_index("number")
    frame["events"] = by_case.size()
    for state in DONE:
        times = log[log["incident_state"] == state].groupby("number")["sys_updated_at"]
        frame[state] = times.max()
    taken_up = log[~log["incident_state"].isin(["New", "-100"])].groupby("number")
    frame["first_response_at"] = (
        taken_up["sys_updated_at"].min().reindex(frame.index).clip(frame["opened_at"])
    )
    ends = frame["Resolved"].fillna(frame["Closed"])
    frame["ended_at"] = ends.where(frame["incident_state"].isin(DONE))
    return frame.sort_index()


def hours(frame: pd.DataFrame, column: str) -> pd.Series:
    return (frame[column] - frame["opened_at"]) / pd.Timedelta(hours=1)


def report(run: Run) -> dict:
    path = run.admitted(TABLE) / run.interval.slug / "report.json"
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def published(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Path]]:
    """The run over the whole log, and its release."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(tmp_path_factory.mktemp("service_desk")))
        patch.setenv("KITH_SERVICE_DESK", str(folder))
        run = new_run(COMPANY, "2016-02-29", "2017-02-18")
        yield run, run_pipeline(run)


@pytest.fixture(scope="module")
def complaints(published: tuple[Run, Path]) -> pd.DataFrame:
    """The published mart, in the order of the cases."""
    path = published[1] / "kith.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql("from satisfaction.complaints order by ticket_id").df()


def test_every_event_passes_the_door(published: tuple[Run, Path]) -> None:
    found = report(published[0])

    assert found["rows_delivered"] == found["admitted"] == 141_712
    assert found["quarantined"] == found["duplicates"] == 0
    assert found["rows_outside_interval"] == found["out_of_window"] == 0


def test_each_case_is_as_its_last_event_left_it(
    complaints: pd.DataFrame, log: pd.DataFrame
) -> None:
    expected = cases(log)

    assert len(expected) == 24_918
    assert expected["events"].sum() == 141_712
    assert_frame_equal(
        complaints[
            [
                *("ticket_id", "opened_at", "first_response_at", "reason"),
                *("employee_id", "department", "reopen_count"),
                *("is_within_sla", "is_reopened"),
            ]
        ].astype({"is_within_sla": bool, "is_reopened": bool}),
        pd.DataFrame(
            {
                "ticket_id": expected.index,
                "opened_at": expected["opened_at"].to_numpy(),
                "first_response_at": expected["first_response_at"].to_numpy(),
                "reason": expected["category"].to_numpy(),
                "employee_id": expected["assigned_to"].to_numpy(),
                "department": expected["assignment_group"].to_numpy(),
                "reopen_count": expected["reopen_count"].astype(int).to_numpy(),
                "is_within_sla": (expected["made_sla"] == "true").to_numpy(),
                "is_reopened": (expected["reopen_count"] != "0").to_numpy(),
            }
        ),
        check_dtype=False,
    )


def test_promises_kept_and_cases_reopened(
    complaints: pd.DataFrame, log: pd.DataFrame
) -> None:
    last = log.groupby("number").tail(1)

    assert complaints["is_within_sla"].sum() == (last["made_sla"] == "true").sum()
    assert round(100 * complaints["is_within_sla"].mean(), 2) == 63.42
    assert complaints["reopen_count"].sum() == last["reopen_count"].astype(int).sum()
    assert complaints["is_reopened"].sum() == 275


def test_resolution_times_are_those_of_the_log(
    complaints: pd.DataFrame, log: pd.DataFrame
) -> None:
    expected = cases(log)
    told = expected["resolved_at"].notna().to_numpy()
    found = complaints["resolution_hours"].to_numpy()

    # Where the log tells when a case was resolved, to the minute.
    assert told.sum() == 23_362
    assert found[told] == pytest.approx(
        hours(expected, "resolved_at")[told].to_numpy(), abs=1e-9
    )
    assert round(found[told].mean(), 2) == 178.17
    # Elsewhere its events do.
    assert found == pytest.approx(hours(expected, "ended_at").to_numpy(), abs=1e-9)
    assert (complaints["state"] == "resolved").all()


def test_the_backlog_of_each_day_is_that_of_the_log(
    published: tuple[Run, Path], log: pd.DataFrame
) -> None:
    path = published[1] / "kith.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.sql(
            "from satisfaction.complaint_backlog where kind = 'all' order by day"
        ).df()
    expected = cases(log)
    days = pd.date_range("2016-02-29", "2017-02-18")
    opened = expected["opened_at"].dt.floor("D").value_counts()
    ended = expected["ended_at"].dt.floor("D").value_counts()
    opened, ended = (each.reindex(days, fill_value=0) for each in (opened, ended))

    assert list(found["day"]) == list(days)
    assert list(found["opened_count"]) == list(opened)
    assert list(found["resolved_count"]) == list(ended)
    assert list(found["open_count"]) == list((opened - ended).cumsum())
    assert found["open_count"].max() == 1901
    late = found[found["day"] == "2016-06-30"].iloc[0]
    waiting = expected[
        (expected["opened_at"] < "2016-07-01") & (expected["ended_at"] >= "2016-07-01")
    ]
    assert (
        late["open_over_30_days_count"]
        == (waiting["opened_at"] < "2016-05-31").sum()
        > 0
    )


def test_a_case_of_an_unknown_caller_is_kept(
    complaints: pd.DataFrame, log: pd.DataFrame
) -> None:
    unknown = cases(log)["caller_id"].isna()

    assert list(complaints["ticket_id"][complaints["customer_id"].isna()]) == list(
        unknown.index[unknown]
    )
    assert complaints["customer_id"].nunique() == cases(log)["caller_id"].nunique()


def test_models_that_are_switched_off_are_not_built_and_say_so(
    published: tuple[Run, Path],
) -> None:
    run, release = published
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
        found = connection.sql(
            "select model, value, n, status, reason from segment.model_evaluations "
            "order by model"
        ).fetchall()
        for mart in (
            "customer.customer_lifetime_values",
            "segment.customer_predictions",
            "segment.behaviour_drivers",
            "segment.wake_up_candidates",
            "customer.recommendations",
        ):
            assert connection.table(mart).fetchall() == [], mart
    why = (None, 0, "switched_off", "models is false in company.yml")
    assert found == [
        (model, *why)
        for model in (
            *("becomes_vip", "bg_nbd", "buys_again", "gamma_gamma", "pays_again"),
            "recommendations",
        )
    ]
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        built = warehouse.sql("select table_name from duckdb_tables()").fetchall()
    names = {name for (name,) in built}
    assert not names & {
        *("int_purchase_histories", "int_lifetimes_evaluated"),
        *("int_outcomes", "int_indicator_findings", "int_predictions", "int_drivers"),
        *("int_offer_grounds", "int_recommendations"),
    }


def test_a_month_of_the_log_knows_nothing_of_what_came_later(
    folder: Path,
    log: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITH_HOME", str(tmp_path))
    monkeypatch.setenv("KITH_SERVICE_DESK", str(folder))
    run = new_run(COMPANY, "2016-02-29", "2016-03-31")
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    prepare_warehouse(run)
    dbt(run, "run", "--select", "+complaints")
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        found = connection.sql(
            """
            select ticket_id, resolved_at, is_within_sla
            from satisfaction.complaints order by ticket_id
            """
        ).df()
    known = log[log["sys_updated_at"] < "2016-04-01"]
    expected = cases(known)

    counts = report(run)
    assert counts["admitted"] == len(known)
    assert counts["admitted"] + counts["rows_outside_interval"] == 141_712
    assert expected["ended_at"].isna().sum() > 500
    assert_frame_equal(
        found.astype({"is_within_sla": bool}),
        pd.DataFrame(
            {
                "ticket_id": expected.index,
                "resolved_at": expected["ended_at"].to_numpy(),
                "is_within_sla": (expected["made_sla"] == "true").to_numpy(),
            }
        ),
        check_dtype=False,
    )
