import datetime as dt
from pathlib import Path

import pytest

from kith.admit.losses import DayRows, judge_losses
from kith.admit.table import admit_table
from kith.company.tables import SourceTable, TableRules
from kith.errors import DeliveryError
from tests.one_table import (
    TABLE,
    admitted,
    company,
    deliver,
    report,
    run_door,
    sales,
    with_rules,
)

ADVICE = (
    "; what is missing is gone from the marts; if the source did not take rows back, "
    "have it delivered again"
)


def told(folder: Path, lines: list[str], *days: str) -> list[str]:
    """Losses of a delivery, each of which is a warning as well."""
    deliver(folder, lines)
    found = report(run_door(folder, *days))
    assert set(found["losses"]) <= set(found["warnings"])
    return list(found["losses"])


@pytest.mark.parametrize("key", [["sale_id"], []])
@pytest.mark.usefixtures("kith_home")
def test_days_that_come_again_with_fewer_rows_are_told(
    key: list[str], tmp_path: Path
) -> None:
    company(tmp_path, key=key)
    assert told(tmp_path, sales(67)) == []
    assert told(tmp_path, sales(67)[::-1]) == []
    cut = [
        "shop.sales: of 67 rows delivered before for 2024-03-01 to 2024-03-17, 13 are "
        "left (14 days have fewer, above all 2024-03-16: 0 instead of 4)" + ADVICE
    ]
    assert told(tmp_path, sales(67)[:13]) == cut
    # Judged anew it is told again, though what it replaced is no more.
    run = run_door(tmp_path)
    assert report(run)["losses"] == []
    assert told(tmp_path, sales(67)) == []
    deliver(tmp_path, sales(67)[:13])
    admit_table(run := run_door(tmp_path), TABLE)
    assert report(run)["losses"] == cut
    # One day of a delivery for more days, and of several deliveries.
    assert told(tmp_path, sales(76)) == []
    assert told(tmp_path, sales(56)[4:], "2024-03-01", "2024-03-14") == [
        "shop.sales: of 56 rows delivered before for 2024-03-01 to 2024-03-14, 52 are "
        "left (1 day has fewer, above all 2024-03-01: 0 instead of 4)" + ADVICE
    ]
    assert told(tmp_path, sales(72)[:-4], "2024-03-14", "2024-03-18") == [
        "shop.sales: of 20 rows delivered before for 2024-03-14 to 2024-03-18, 16 are "
        "left (1 day has fewer, above all 2024-03-18: 0 instead of 4)" + ADVICE
    ]
    # Less than a tenth is left.
    deliver(tmp_path, sales(5))
    with pytest.raises(DeliveryError) as caught:
        run_door(tmp_path)
    assert str(caught.value) == (
        "shop.sales: of 68 rows delivered before for 2024-03-02 to 2024-03-19, 1 are "
        "left (17 days have fewer, above all 2024-03-19: 0 instead of 4), beyond "
        "volume.minimum_pct 10; have it delivered again, or, if the source took rows "
        "back, widen volume.minimum_pct or declare volume: {action: warn} in "
        "sources.yml"
    )
    company(tmp_path, key=key, volume={"action": "warn"})
    assert len(told(tmp_path, sales(5))) == 1


@pytest.mark.usefixtures("kith_home")
def test_a_snapshot_with_fewer_rows_is_told(tmp_path: Path) -> None:
    company(tmp_path, cursor=None)
    assert told(tmp_path, sales(61)) == []
    (loss,) = told(tmp_path, sales(61)[7:])
    assert loss == (
        "shop.sales: of 61 rows delivered before for 2024-12-31, 54 are left" + ADVICE
    )
    # The next day's replaces it as well; one of a day before counts for nothing.
    assert told(tmp_path, sales(61), "2025-01-01", "2025-01-01") == []
    assert told(tmp_path, sales(30), "2024-06-30", "2024-06-30") == []
    assert len(told(tmp_path, sales(30), "2025-01-02", "2025-01-02")) == 1
    deliver(tmp_path, sales(2))
    with pytest.raises(
        DeliveryError, match=r"of 30 rows .* for 2025-01-02, 2 are left"
    ):
        run_door(tmp_path, "2025-01-02", "2025-01-02")
    # A table that has become one with days, and one again.
    company(tmp_path)
    assert told(tmp_path, sales(61), "2024-03-01", "2025-01-02") == []
    company(tmp_path, cursor=None)
    assert len(told(tmp_path, sales(54), "2024-03-01", "2025-01-02")) == 1


@pytest.mark.usefixtures("kith_home")
def test_what_is_refused_merged_or_moved_is_not_lost(tmp_path: Path) -> None:
    company(tmp_path, quarantine_limit_pct=50)
    assert told(tmp_path, [*sales(40), *sales(20)]) == []
    assert told(tmp_path, sales(40)) == []
    # Rules were mended, under which more rows are refused; judged anew or delivered.
    company(
        tmp_path, columns=with_rules("quantity", minimum=1), quarantine_limit_pct=50
    )
    admit_table(run := run_door(tmp_path), TABLE)
    assert (report(run)["admitted"], report(run)["losses"]) == (32, [])
    assert told(tmp_path, sales(40)) == []
    assert len(told(tmp_path, sales(20))) == 1
    # Rows whose cursor moved on, to a day of this delivery or of a later one.
    company(tmp_path, quarantine_limit_pct=50)
    assert told(tmp_path, sales(40)) == []
    moved = [line.replace("2024-03-01", "2024-03-09") for line in sales(40)]
    assert told(tmp_path, moved) == []
    moved = [line.replace("2024-03-03", "2025-01-05") for line in moved]
    assert told(tmp_path, moved, "2025-01-01", "2025-01-31") == []
    assert told(tmp_path, moved) == []
    assert len(admitted(run_door(tmp_path))) == 36


def test_ordinary_corrections_are_not_told() -> None:
    table = SourceTable(
        source="shop",
        name="sales",
        rules=TableRules(connector="files", path="a.csv", cursor="sold_at"),
        columns=[],
    )
    day = dt.date(2024, 3, 4)
    for before, now, is_told in [
        (10, 7, False),
        (10, 6, True),
        (1000, 990, False),
        (1000, 989, True),
        (4, 0, True),
    ]:
        # A day that did not shrink makes no loss smaller.
        days = [
            DayRows(day, before, now),
            DayRows(day + dt.timedelta(days=1), 1000, 1001),
        ]
        warned = judge_losses(table, days, before - now)
        assert bool(warned) == is_told, (before, now)
