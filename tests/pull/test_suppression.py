"""Entries of erased persons, and what they keep out of a pull."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.deliveries.raw import newest_attempt
from kith.errors import ConfigurationError, CredentialsError
from kith.pull.pseudonyms import key_id
from kith.pull.suppression import (
    Entry,
    Suppressed,
    by_digests,
    digest,
    in_force,
    read_entries,
    write_entries,
)
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver, report, sales, with_rules

KEY = "k" * 40
pytestmark = pytest.mark.usefixtures("kith_home")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY)
    monkeypatch.delenv("KITH_FORMER_IDENTIFIER_KEYS", raising=False)


def suppress(run: Run, *tokens: str, key: str = KEY) -> None:
    digests = [digest(key, token) for token in tokens]
    now = dt.datetime(2024, 5, 1)
    entry = Entry(number=1, suppressed_at=now, key_id=key_id(key), digests=digests)
    run.folder.mkdir(parents=True, exist_ok=True)
    write_entries(run.folder, Suppressed(entries=[entry]))


def shop(folder: Path, lines: list[str] | None = None, **meta: Any) -> Path:
    columns = with_rules("sale_id", identifies="sale")
    company(folder, columns=columns, **meta)
    deliver(folder, lines or sales(40))
    return folder


def test_sql_and_python_make_one_digest() -> None:
    with duckdb.connect() as connection:
        matches = by_digests(connection, KEY, {digest(KEY, "member=Ä 1")})
        flag = matches("'member=' || value")
        found = connection.execute(
            f"select {flag} from (values ('Ä 1'), ('A 1')) as t (value)"
        ).fetchall()
    assert found == [(True,), (False,)]


def test_the_pull_counts_as_if_they_had_not_been_delivered(tmp_path: Path) -> None:
    shop(tmp_path)
    run = new_run(tmp_path, "2024-03-02", "2024-03-05")
    # Of the day before, of the first day, and of the last one.
    suppress(run, "sale=S00000", "sale=S00004", "sale=S00019")
    pull_table(run, TABLE)
    folder, manifest = newest_attempt(run, TABLE)
    assert (manifest.rows_seen, manifest.rows_taken) == (37, 14)
    assert manifest.suppressed_rows == 3
    assert manifest.suppressed_days == {dt.date(2024, 3, 2): 1, dt.date(2024, 3, 5): 1}
    text = "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
    assert "S00004" not in text
    admit_table(run, TABLE)
    assert report(run)["admitted"] == 14
    assert report(run)["suppressed_rows"] == 3
    # Rows keep the numbers that they have in the delivery.
    numbers = duckdb.sql(
        f"select min(_kith_row), max(_kith_row) from '{folder}/*.parquet'"
    ).fetchall()
    assert numbers == [(6, 19)]


def test_rows_of_days_pulled_before_are_not_missed_for_it(tmp_path: Path) -> None:
    shop(tmp_path)
    suppress(new_run(tmp_path), "sale=S00001")
    for first, last in (("2024-03-01", "2024-03-02"), ("2024-03-03", "2024-03-04")):
        run = new_run(tmp_path, first, last)
        pull_table(run, TABLE)
        admit_table(run, TABLE)
    missed = newest_attempt(run, TABLE)[1].missed
    assert missed is not None
    assert (missed.rows_in_past, missed.rows) == (8, 0)


def test_what_comes_back_from_a_backup_is_left_out_by_the_admission(
    tmp_path: Path,
) -> None:
    shop(tmp_path)
    run = new_run(tmp_path, "2024-03-01", "2024-03-10")
    pull_table(run, TABLE)
    suppress(run, "sale=S00003")
    admit_table(run, TABLE)
    assert (report(run)["admitted"], report(run)["suppressed_rows"]) == (39, 1)
    folder, manifest = newest_attempt(run, TABLE)
    assert manifest.rows_taken == 39
    held = duckdb.sql(f"select sale_id from '{folder}/*.parquet'").fetchall()
    assert ("S00003",) not in held


def test_most_rows_of_an_erased_one_stop_no_run(tmp_path: Path) -> None:
    lines = [line.replace(line[:6], "S00000", 1) for line in sales(40)]
    shop(tmp_path, lines, key=[], empty="warn")
    run = new_run(tmp_path, "2024-03-01", "2024-03-10")
    suppress(run, "sale=S00000")
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    assert (report(run)["admitted"], report(run)["suppressed_rows"]) == (0, 40)


def test_a_key_that_is_missing_stops_before_anything_is_stored(tmp_path: Path) -> None:
    run = new_run(shop(tmp_path))
    suppress(run, "sale=S00000", key="o" * 40)
    with pytest.raises(
        CredentialsError, match="entries 1 were made with the identifier"
    ):
        pull_table(run, TABLE)
    assert not list(run.raw(TABLE).glob("[0-9]*"))


def test_entries_that_cannot_be_read_stop_too(tmp_path: Path) -> None:
    run = new_run(shop(tmp_path))
    run.folder.mkdir(parents=True)
    (run.folder / "suppressed.json").write_text(json.dumps({"entries": [{}]}))
    with pytest.raises(ConfigurationError, match="put it back from a backup"):
        read_entries(run.folder)


def test_without_entries_no_key_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KITH_IDENTIFIER_KEY")
    assert in_force(tmp_path) is None
