import datetime as dt

import duckdb
import pandas as pd
import pytest

from kith.deliveries.business_days import day_sql
from kith.runs.run import Interval


@pytest.mark.parametrize(
    "zone",
    [
        *("UTC", "Asia/Tokyo", "Europe/Paris", "America/New_York", "America/Santiago"),
        # Half an hour forward and back; a day that there never was; four times a year.
        *("Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"),
    ],
)
def test_business_days_are_those_of_the_calendar(zone: str) -> None:
    around = Interval(dt.date(2011, 11, 1), dt.date(2012, 6, 30))
    # Beyond the years whose offsets are spelt out, too.
    moments = pd.date_range("2009-01-01", "2015-01-01", freq="15min", name="moment")
    frame = moments.to_frame(index=False)
    connection = duckdb.connect()
    connection.register("moments", frame)
    found = connection.execute(
        f"select moment, {day_sql('moment', 'TIMESTAMP', zone, around)} as day "
        "from moments order by moment"
    ).df()
    expected = frame["moment"].dt.tz_localize("UTC").dt.tz_convert(zone)
    assert (found["day"].dt.date == expected.dt.date).all()
