from pathlib import Path

import pytest

from kith.errors import DeliveryError
from kith.pull.connectors.strays import is_stray
from tests.one_table import company, deliver, sales
from tests.pull.connectors.fetching import CONTENT, fetched, zipped

pytestmark = pytest.mark.usefixtures("kith_home")
STRAYS = [
    *(".DS_Store", "._sales.csv", ".~lock.sales.xlsx#", ".sales.csv.swp"),
    *("Thumbs.db", "desktop.ini", "~$sales.xlsx", "_SUCCESS"),
]


def test_what_programs_leave_is_no_delivery(tmp_path: Path) -> None:
    company(tmp_path, "data/*")
    for name in STRAYS:
        (tmp_path / "data" / name).write_bytes(b"Bud1")
    with pytest.raises(DeliveryError, match=r"no file at .*/data/\* \(8 hidden files "):
        fetched(tmp_path)
    deliver(tmp_path, sales(4))
    members = {f"a/{name}": b"Bud1" for name in (*STRAYS, ".git/a.csv", "sales.csv")}
    members["a/sales.csv"] = members["b.csv"] = CONTENT.encode()
    members["__MACOSX/b.csv"] = b"Bud1"
    (tmp_path / "data/sales.zip").write_bytes(zipped(**members))
    assert [each.origin for each in fetched(tmp_path)] == [
        *("data/sales.csv", "data/sales.zip/a/sales.csv", "data/sales.zip/b.csv")
    ]


def test_what_is_hidden_is_a_delivery_where_path_names_it(tmp_path: Path) -> None:
    for folder in (".landing/a", ".landing/.b"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "sales.csv").write_text(CONTENT)
        (tmp_path / folder / ".sales.csv").write_text(CONTENT)
    found = {
        ".landing/*/*.csv": [".landing/a/sales.csv"],
        ".landing/**/*.csv": [".landing/a/sales.csv"],
        ".landing/.*/*.csv": [".landing/.b/sales.csv"],
        "**/.sales.csv": [],
        ".landing/*/.sales.csv": [".landing/a/.sales.csv"],
    }
    for path, origins in found.items():
        company(tmp_path, path)
        if origins:
            assert [each.origin for each in fetched(tmp_path)] == origins
        else:
            with pytest.raises(DeliveryError, match="no file at"):
                fetched(tmp_path)
    assert not is_stray("../data/./sales.csv", "../data/./*.csv")
    assert not is_stray("s3://bucket/year=2024/sales.csv", "s3://bucket/**/*.csv")
    assert is_stray("s3://bucket/.tmp/sales.csv", "s3://bucket/**/*.csv")
