"""Each spike is told once, with its nature."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.runs.run import Interval
from kith.watch.alerts import Spike, new_alerts, remember
from kith.watch.fresh import Watch
from kith.watch.spikes import SPIKES
from tests.one_table import company
from tests.watch.test_fresh import look, publish

NOON = dt.datetime(2024, 3, 5, 12)


def spike(**values: Any) -> dict[str, Any]:
    """A row of the mart: the spike of all complaints in the hour from noon."""
    start = values.get("period_start_at", NOON)
    return {
        "signal": "complaints",
        "grain": "hour",
        "period_start_at": start,
        "period_date": start.date(),
        "dimension": "all",
        "value": "all",
        "is_spike": True,
        "is_new": True,
        "n": 25,
        "usual_count": 1.5,
        "share_of_rise_pct": 100.0,
        "position": 1,
        "negative_share_pct": None,
        "examples": "crm:1, crm:2",
    } | values


@pytest.fixture
def watch(tmp_path: Path, kith_home: Path) -> Watch:
    publish(kith_home / "shop", "2024-03-04")
    found = look(company(tmp_path / "shop"), "2024-03-05T14:05")
    (found.run.folder / "history").mkdir(parents=True)
    return found


def alerts(watch: Watch, *rows: dict[str, Any]) -> list[Spike]:
    """What is new when the watch's release has these rows."""
    release = watch.run.published / "r"
    (release / SPIKES).parent.mkdir(parents=True, exist_ok=True)
    if not (watch.run.published / "current").exists():
        (watch.run.published / "current").symlink_to("r")
    with duckdb.connect() as connection:
        values = ", ".join(
            "("
            + ", ".join(
                "null::double"
                if value is None
                else f"timestamp '{value}'"
                if isinstance(value, dt.datetime)
                else f"date '{value}'"
                if isinstance(value, dt.date)
                else f"{value}::double"
                if isinstance(value, float)
                else repr(value)
                for value in row.values()
            )
            + ")"
            for row in rows
        )
        connection.execute(
            f"copy (from (values {values}) as t ({', '.join(rows[0])})) "
            f"to '{release / SPIKES}' (format parquet)"
        )
    return new_alerts(watch)


def test_a_spike_is_told_once_with_its_nature(watch: Watch) -> None:
    rows = [
        spike(),
        spike(dimension="reason", value="glass", n=20, share_of_rise_pct=85.0),
        spike(dimension="region", value="north", is_spike=False, is_new=False, n=2),
    ]
    (alert,) = alerts(watch, *rows)
    assert alert.text == (
        "Shop: 25 complaints within the hour of 2024-03-05 13:00, usual are 1.5\n"
        "reason glass: 20 (85 % of the rise)\n"
        "first: crm:1, crm:2"
    )
    assert alert.details["nature"] == [
        {"dimension": "reason", "value": "glass", "n": 20, "share_of_rise_pct": 85.0}
    ]
    remember(watch, alert)
    assert alerts(watch, *rows) == []


def test_what_goes_on_and_what_is_long_over_is_not_told(watch: Watch) -> None:
    before = NOON - dt.timedelta(hours=26)
    (alert,) = alerts(
        watch,
        spike(is_new=False),
        spike(period_start_at=before),
        # The hours of the day have told of it.
        spike(signal="mentions", negative_share_pct=90.0),
        spike(signal="mentions", grain="day", period_start_at=NOON.replace(hour=0)),
    )
    assert alert.text.splitlines()[-2] == "negative: 90 %"


# The second has 25 hours, the third 23.
@pytest.mark.parametrize("day", ["2024-03-05", "2024-10-27", "2024-03-31"])
def test_a_day_is_told_up_to_a_day_after_its_end_and_once(
    watch: Watch, day: str
) -> None:
    date = dt.date.fromisoformat(day)
    start, end = Interval(date, date).bounds_utc("Europe/Paris")
    row = spike(grain="day", period_start_at=start, period_date=date, n=47)

    def told(minutes: int) -> list[Spike]:
        return alerts(replace(watch, at=end + dt.timedelta(minutes=minutes)), row)

    for minutes in (5, 65, 24 * 60 - 5):
        (alert,) = told(minutes)
        assert alert.title.startswith(f"Shop: 47 complaints within the day of {day},")
    assert told(24 * 60 + 5) == []
    remember(watch, alert)
    assert told(65) == []


def test_an_hour_is_told_up_to_a_day_after_its_end(watch: Watch) -> None:
    for minute, count in ((0, 1), (1, 0)):
        at = NOON + dt.timedelta(hours=25, minutes=minute)
        assert len(alerts(replace(watch, at=at), spike())) == count


def test_a_day_is_told_where_no_hour_of_it_was(watch: Watch) -> None:
    hour = spike()
    day = spike(grain="day", period_start_at=NOON.replace(hour=0), n=60)
    # The hour is too old to be told.
    later = replace(watch, at=NOON + dt.timedelta(hours=30))
    (alert,) = alerts(later, hour, day)
    assert alert.details["grain"] == "day"
    (alert,) = alerts(watch, hour, day)
    assert alert.details["grain"] == "hour"
    remember(watch, alert)
    assert alerts(later, hour, day) == []


def test_another_reason_is_told_while_the_first_spike_goes_on(watch: Watch) -> None:
    (alert,) = alerts(
        watch,
        spike(is_new=False),
        spike(dimension="reason", value="glass", is_new=False),
        spike(dimension="reason", value="salt", n=9, share_of_rise_pct=40.0),
    )
    assert "reason salt: 9 (40 % of the rise)" in alert.text
