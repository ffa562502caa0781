from pathlib import Path

import duckdb
import pytest

from kith.deliveries.raw import newest_attempt
from kith.errors import DeliveryError
from kith.pull.table import pull_table
from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    HEADER,
    TABLE,
    admitted,
    company,
    deliver,
    quarantined,
    report,
    run_door,
    sales,
    stored_rows,
    with_rules,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def test_a_parquet_row_without_a_legible_cursor_is_shown_to_each_day(
    tmp_path: Path,
) -> None:
    columns = with_rules("sold_at", time_zone="Europe/Paris")
    company(tmp_path, "data/s.parquet", columns, quarantine_limit_pct=100)
    duckdb.sql(
        f"""
        copy (
            select 'S' || number as sale_id, 1 as quantity, 1 as price, sold_at
            from (values
                (1, timestamp '2024-06-01 12:00'), (2, timestamp '2024-06-02 12:00'),
                (3, timestamp '0001-01-01'), (4, timestamp '2024-03-31 02:30'),
                (5, null)
            ) as sales (number, sold_at)
        ) to '{tmp_path}/data/s.parquet'
        """
    )
    run = run_door(tmp_path, "2024-06-01", "2024-06-01")
    assert admitted(run, "sale_id") == [("S1",)]
    assert quarantined(run, "row_number, reason") == [
        *((3, "wrong_type"), (4, "wrong_type"), (5, "required_missing"))
    ]


def test_a_day_is_a_business_day_of_the_company(tmp_path: Path) -> None:
    # Tokyo is nine hours ahead: its second of March ends at 15:00 UTC.
    deliver(company(tmp_path, time_zone="Asia/Tokyo"), sales(8))
    run = new_run(tmp_path, "2024-03-02", "2024-03-02")
    pull_table(run, TABLE)
    assert stored_rows(run, "sale_id, _kith_row") == [
        *(("S00002", 3), ("S00003", 4), ("S00004", 5), ("S00005", 6))
    ]


def test_local_timestamps_are_cut_by_their_own_time_zone(tmp_path: Path) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[1]["meta"] = {"time_zone": "America/New_York"}
    deliver(
        company(tmp_path, columns=columns, time_zone="America/New_York"),
        [
            *("A,2024-03-02 23:59:59,1,1", "B,2024-03-03T00:00:00,1,1"),
            *("C,2024-03-03T04:00:00Z,1,1", "D,2024-03-03T12:00:00+02:00,1,1"),
        ],
    )
    run = run_door(tmp_path, "2024-03-03", "2024-03-03")
    assert admitted(run, "sale_id, cast(sold_at as varchar)") == [
        ("B", "2024-03-03 05:00:00"),
        ("D", "2024-03-03 10:00:00"),
    ]


def test_a_date_cursor_is_a_business_day_as_it_stands(tmp_path: Path) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[1]["data_type"] = "date"
    lines = [f"S{day},2024-03-{day:02},1,1" for day in range(1, 6)]
    deliver(company(tmp_path, columns=columns, time_zone="Asia/Tokyo"), lines)
    run = run_door(tmp_path, "2024-03-02", "2024-03-04")
    assert [row[0] for row in admitted(run)] == ["S2", "S3", "S4"]


def test_rows_that_no_interval_would_take_come_with_each(tmp_path: Path) -> None:
    lines = [*sales(400), "N,,1,1", "U,soon,1,1", "F,2999-01-01,1,1"]
    deliver(company(tmp_path), lines)
    for day in ("2024-03-01", "2024-03-02"):
        run = run_door(tmp_path, day, day)
        assert quarantined(run, "row_number, reason") == [
            (401, "required_missing"),
            (402, "wrong_type"),
            (403, "in_the_future"),
        ]
        assert report(run)["admitted"] == 4


def test_row_groups_outside_the_interval_are_not_decoded(tmp_path: Path) -> None:
    # The bytes of the first row group's prices are destroyed: reading them would fail.
    path = company(tmp_path, "data/sales.parquet") / "data/sales.parquet"
    duckdb.sql(
        f"""
        copy (
            select n::varchar as sale_id, hash(n) % 1000 / 100 as price, 1 as quantity,
                timestamp '2024-03-01 12:00' + n // 5000 * interval 1 day as sold_at
            from range(20000) as numbers (n)
        ) to '{path}' (row_group_size 5000, compression zstd)
        """
    )
    (offset, size) = duckdb.sql(
        f"""
        select least(data_page_offset, coalesce(dictionary_page_offset, 1e18))::bigint,
            total_compressed_size
        from parquet_metadata('{path}')
        where row_group_id = 0 and path_in_schema = 'price'
        """
    ).fetchall()[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    run = new_run(tmp_path, "2024-03-04", "2024-03-04")
    pull_table(run, TABLE)
    assert newest_attempt(run, TABLE)[1].rows_taken == 5000
    with pytest.raises(DeliveryError, match=r"data/sales.parquet: cannot be read"):
        run_door(tmp_path)


def test_late_rows_are_counted_and_those_out_of_the_window_left_out(
    tmp_path: Path,
) -> None:
    columns = [*COLUMNS, {"name": "got_at", "data_type": "timestamp"}]
    company(tmp_path, columns=columns, arrived="got_at", look_back_days=1)
    lines = [
        # Half past eleven at night in Paris, and an hour later.
        "A,2024-03-02 22:30:00,1,1,2024-03-02 22:59:59",
        "B,2024-03-02 22:30:00,1,1,2024-03-02 23:00:00",
        "C,2024-03-02 10:00:00,1,1,2024-03-03 10:00:00",
        "D,2024-03-02 10:00:00,1,1,2024-03-04 10:00:00",
        "E,2024-03-01 10:00:00,1,1,2024-03-04 10:00:00",
        "F,2024-03-03 10:00:00,1,1,",
        "G,2024-03-03 10:00:00,1,1,2999-01-01",
        "H,2024-03-04 10:00:00,1,1,2024-03-01",
    ]
    text = "\n".join([f"{HEADER},got_at", *lines]) + "\n"
    (tmp_path / "data/sales.csv").write_text(text)
    run = run_door(tmp_path, "2024-03-03", "2024-03-04")
    assert [row[0] for row in admitted(run)] == ["A", "B", "C", "F", "G", "H"]
    _, manifest = newest_attempt(run, TABLE)
    assert manifest.window.slug == "20240302-20240304"
    late = [
        (
            str(rows.day)[-2:],
            str(rows.arrival_day)[-2:],
            rows.rows,
            *rows.is_out_of_window * ["out"],
        )
        for rows in manifest.late
    ]
    assert late == [("01", "04", 1, "out"), ("02", "03", 2), ("02", "04", 1, "out")]
    assert (manifest.rows_seen, manifest.rows_taken) == (8, 6)
    assert (manifest.rows_out_of_window, manifest.rows_before_interval) == (2, 0)
    assert report(run)["out_of_window"] == 2


def test_cursor_and_arrival_may_come_under_other_names(tmp_path: Path) -> None:
    columns = [
        COLUMNS[0],
        {**COLUMNS[1], "meta": {"aliases": ["Sold"]}},
        *COLUMNS[2:],
        {"name": "got_at", "data_type": "date", "meta": {"aliases": ["received"]}},
    ]
    company(tmp_path, "data/*.csv", columns=columns, arrived="got_at")
    for name, header, line in (
        ("a", "sold_at,got_at", "A,1,1,2024-03-02 12:00:00,2024-03-02"),
        ("b", "SOLD,received", "B,1,1,2024-03-02 12:00:00,2024-03-02"),
        ("c", "SOLD,received", "C,1,1,2024-03-02 12:00:00,2024-03-03"),
        ("d", "SOLD,received", "D,1,1,2024-03-03 12:00:00,2024-03-03"),
    ):
        path = tmp_path / f"data/{name}.csv"
        path.write_text(f"sale_id,quantity,price,{header}\n{line}\n")
    run = run_door(tmp_path, "2024-03-01", "2024-03-02")
    assert [row[0] for row in admitted(run)] == ["A", "B"]
    manifest = newest_attempt(run, TABLE)[1]
    assert (manifest.rows_out_of_window, manifest.rows_after_interval) == (0, 2)
