"""All that is held of one person, and of nobody else."""

import json
from pathlib import Path

import pytest

from kith.errors import ConfigurationError
from kith.rights.export import export_person
from kith.runs.run import Run
from tests.rights import shop
from tests.rights.shop import ADA, BOB, ask


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_one_person_gets_all_of_theirs(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "handed out"
    index = export_person(run, ask(tmp_path, f"email,{ADA}"), target)
    raw = {row["order_number"] for row in rows(target, "raw/shop.orders")}
    assert raw == {"O10001", "O10004", "O10005"}
    admitted = {row["order_number"] for row in rows(target, "admitted/shop.lines")}
    assert admitted == {"O10001", "O10004"}
    assert [row["total"] for row in rows(target, "marts/customer.orders")] == [10, 80]
    text = index.read_text()
    assert "| raw/shop.orders.jsonl | 3 |" in text
    assert "Others' rows that mention you: 1." in text
    everything = "".join(p.read_text() for p in target.rglob("*.*"))
    assert not any(each in everything for each in (shop.BOBS, shop.BOB_ID, "O10002"))
    for path in [target, *target.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_several_persons_are_refused(run: Run, tmp_path: Path) -> None:
    file = ask(tmp_path, f"email,{ADA}", f"email,{BOB}")
    with pytest.raises(ConfigurationError, match="names 2 persons; expected one"):
        export_person(run, file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_refused(run: Run, tmp_path: Path) -> None:
    file = ask(tmp_path, f"email,{ADA}")
    with pytest.raises(ConfigurationError, match="is there already"):
        export_person(run, file, tmp_path)
    with pytest.raises(ConfigurationError, match="KITH_HOME"):
        export_person(run, file, run.home / "out")
