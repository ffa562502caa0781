"""Deliveries without a person's rows, and all that is counted of them."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.deliveries.admitted import all_deliveries
from kith.rights import rows
from kith.rights.erasure import erase
from kith.runs.run import Run
from tests.rights.shop import ADA, admitted, ask, report, traces_in


def days(run: Run, table: str) -> list[tuple[Any, ...]]:
    (delivery,) = all_deliveries(run, run.company.table(table))
    return duckdb.sql(
        "select day::varchar, row_count, quarantined_count, duplicate_count, "
        f"newest_at::varchar from '{delivery.folder / 'days.parquet'}' "
        "where row_count + quarantined_count + duplicate_count > 0 order by 1"
    ).fetchall()


def test_what_is_counted_is_less_by_what_went(run: Run, tmp_path: Path) -> None:
    before = report(run, "shop.orders")
    assert (before["admitted"], before["quarantined"]) == (4, 1)
    erase(run, ask(tmp_path, f"email,{ADA}"))
    after = report(run, "shop.orders")
    assert (after["admitted"], after["quarantined"], after["duplicates"]) == (2, 0, 0)
    assert (after["rows_delivered"], after["suppressed_rows"]) == (2, 3)
    assert after["suppressed_days"] == {"2024-03-01": 1, "2024-03-02": 2}
    assert days(run, "shop.orders") == [
        ("2024-03-01", 1, 0, 0, "2024-03-01 11:00:00"),
        ("2024-03-02", 1, 0, 0, "2024-03-02 12:00:00"),
    ]
    assert days(run, "shop.customers") == [("2024-03-31", 1, 0, 0, None)]


def test_a_disk_that_takes_nothing_more_leaves_all_to_a_second_call(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ask(tmp_path, f"email,{ADA}")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "swap", full)
        with pytest.raises(OSError, match="No space left"):
            erase(run, file)
    assert len(admitted(run, "shop.customers", "number")) == 2
    assert json.loads(erase(run, file).read_text())["left"] == []
    assert traces_in(run.home) == set()
