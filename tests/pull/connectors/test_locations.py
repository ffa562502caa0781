"""Which files a `path` means, and which of them the days of a run need."""

import datetime as dt
from pathlib import Path

import pytest

from kith.errors import ConfigurationError, DeliveryError
from tests.one_table import (
    HEADER,
    company,
)
from tests.pull.connectors.fetching import (
    CONTENT,
    DAY,
    deliver_days,
    fetched,
)
from tests.pull.connectors.workbooks import write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")


def origins(folder: Path, from_day: str, to_day: str) -> list[str]:
    return [delivery.origin for delivery in fetched(folder, from_day, to_day)]


def test_dated_files_of_the_window_the_day_before_and_the_look_back_are_read(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv", look_back_days=2)
    deliver_days(tmp_path, *(f"sales_2024-03-{day:02}.csv" for day in range(1, 10)))
    deliveries = fetched(tmp_path, "2024-03-03", "2024-03-04")
    assert [(each.origin, each.arrival_day) for each in deliveries] == [
        (f"data/sales_2024-03-{day:02}.csv", dt.date(2024, 3, day))
        for day in (2, 3, 4, 5, 6)
    ]


def test_a_snapshot_is_its_newest_file_up_to_the_last_day(tmp_path: Path) -> None:
    path = "data/sales_{date:%Y%m%d}*.csv"
    company(tmp_path, path, cursor=None)
    names = ["20240229", "20240302_a", "20240302_b", "20240305"]
    deliver_days(tmp_path, *(f"sales_{name}.csv" for name in names))
    assert origins(tmp_path, "2024-02-01", "2024-03-04") == [
        *("data/sales_20240302_a.csv", "data/sales_20240302_b.csv")
    ]
    assert origins(tmp_path, "2024-03-01", "2024-03-05") == ["data/sales_20240305.csv"]
    with pytest.raises(
        DeliveryError, match=r"no file of 2024-02-28 or earlier; the ol"
    ):
        fetched(tmp_path, "2024-02-28", "2024-02-28")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/{date:%Y}/{date:%m}/sales_{date:%d}.csv", "2024/03/sales_01.csv"),
        ("data/{date:%Y/%m/%d}/*.csv", "2024/03/01/any.csv"),
        ("data/*{date:%Y%m%d}*.csv", "shop7_20240301T0815.csv"),
        ("data/**/{date:%d.%m.%y}.csv", "a/b/01.03.24.csv"),
        ("data/{date:%Y-%j}_?[0-9].csv", "2024-061_x7.csv"),
        ("data/{date:%G-W%V-%u}.csv", "2024-W09-5.csv"),
        ("./data//{date:%d %B %Y, %H%M}.csv", "1 March 2024, 0815.csv"),
        ("../{folder}/data/s[[]1]_{date:%Y-%m-%dT%H:%M:%S%z}.csv", ""),
    ],
)
def test_a_date_may_be_written_in_any_way(path: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    name = name or "s[1]_2024-03-01T08:15:00+0100.csv"
    company(folder, path.replace("{folder}", "shop"))
    deliver_days(folder, name)
    (delivery,) = fetched(folder, "2024-03-01", "2024-03-01")
    assert delivery.arrival_day == DAY
    assert delivery.origin.endswith(name)


@pytest.mark.parametrize(
    "name", ["sales_latest.csv", "sales_2024-13-01.csv", "sales_20240301.csv"]
)
def test_a_name_without_a_legible_date_is_refused(name: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv")
    deliver_days(tmp_path, "sales_2024-03-01.csv", name)
    with pytest.raises(DeliveryError, match=rf"data/{name}: no date can be read from"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    "written",
    ["{date}", "{date:%Y-%m}", "{date:%d}", "{date:%Q}", "{date:%Y}{date:%F}"],
)
def test_a_date_that_names_no_day_is_refused(written: str, tmp_path: Path) -> None:
    company(tmp_path, f"data/sales_{written}.csv")
    with pytest.raises(ConfigurationError, match="expected strptime formats that name"):
        fetched(tmp_path)


def test_no_file_at_all_is_an_error(tmp_path: Path) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv")
    with pytest.raises(
        DeliveryError, match=r"no file at .*data/sales_\*.csv; the deli"
    ):
        fetched(tmp_path)


def test_a_missing_file_of_an_absolute_path_is_named_as_declared(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "elsewhere" / "sales.csv"
    company(tmp_path, str(missing))
    with pytest.raises(DeliveryError, match=rf"no file at {missing}; the delivery"):
        fetched(tmp_path)


def test_a_variable_of_the_environment_is_part_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, "${SHOP_FILES}/sales_{date:%Y-%m-%d}.csv")
    folder = tmp_path / "elsewhere [1]"
    folder.mkdir()
    (folder / "sales_2024-03-01.csv").write_text(CONTENT)
    monkeypatch.setenv("SHOP_FILES", str(folder))
    (delivery,) = fetched(tmp_path)
    assert (delivery.arrival_day, delivery.rows) == (DAY, 40)
    monkeypatch.delenv("SHOP_FILES")
    with pytest.raises(ConfigurationError, match=r"variable SHOP_FILES is not set"):
        fetched(tmp_path)


def test_the_lock_of_an_open_workbook_is_no_delivery(tmp_path: Path) -> None:
    company(tmp_path, "data/*.xlsx")
    write_xlsx(tmp_path / "data/sales.xlsx", {"Sales": {1: HEADER.split(",")}})
    (tmp_path / "data/~$sales.xlsx").write_bytes(b"\x05Li Na" + b" " * 159)
    assert [each.origin for each in fetched(tmp_path)] == ["data/sales.xlsx"]
    (tmp_path / "data/sales.xlsx").unlink()
    with pytest.raises(DeliveryError, match=r"no file at .*/data/\*.xlsx"):
        fetched(tmp_path)
