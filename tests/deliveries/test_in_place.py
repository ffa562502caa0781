"""Values stored for texts, and rows admitted where they lie, change but time."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kith.admit import table as admit
from kith.admit.table import admit_table
from kith.build.candidate import prepare_warehouse
from kith.database import connect, parquet_sql, quote
from kith.deliveries.raw import newest_attempt
from kith.deliveries.typed_texts import TextFacts, find_unusual, stored_sql, texts_sql
from kith.pull.connectors import text_files
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    TABLE,
    admitted,
    company,
    days,
    deliver,
    quarantined,
    report,
    run_door,
    sales,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def kinds_of_columns(meta: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns of all types that are stored as values, and of some that are not."""
    kinds = {
        "sale_id": "varchar",
        "sold_at": "timestamp",
        "quantity": "bigint",
        "small": "utinyint",
        "price": "decimal(18,2)",
        "day": "date",
        "share": "double",
    }
    return [
        {"name": name, "data_type": kind, "meta": meta if name == "quantity" else {}}
        for name, kind in kinds.items()
    ]


def whole_outcome(run: Run) -> tuple[Any, ...]:
    told = report(run)
    counts = ("admitted", "quarantined", "duplicates", "raw_types", "warnings")
    return (
        admitted(run),
        quarantined(run, "* exclude (file)"),
        days(run),
        [told[name] for name in counts],
    )


# --- values for texts -----------------------------------------------------------------

TEXTS = [
    *(
        " NA",
        " ",
        "7",
        "07",
        "+7",
        "-7",
        "-0",
        "1e3",
        "0x1F",
        "1_000",
        "7.0",
        "99.6",
        " 7",
        "7 ",
    ),
    *("", "NA", "255", "256", "9223372036854775807", "9223372036854775808", "12.50"),
    *("12.5", "12.505", "-0.00", ".5", "1,234", "2024-03-01", "2024-3-1", "24-03-01"),
    *("2024-03-01 10:00:00", "2024-03-01T10:00:00", "2024-03-01 10:00:00.5"),
    *("2024-03-01 10:00:00.123456789", "2024-03-01 10:00:00+02", "2024-03-01 24:00:00"),
    *("infinity", "-infinity", "epoch", "0024-03-01", "5000-01-01 (BC)", "today"),
    *("290000-01-01", "1500-01-01 00:00:00", "true", "nan", "\u00a07", "\u0667"),
]
KINDS = [
    *("TINYINT", "UTINYINT", "BIGINT", "UBIGINT", "DECIMAL(18,2)", "DECIMAL(38,0)"),
    *("DATE", "TIMESTAMP"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_comes_back_as_it_was(tmp_path: Path, kind: str) -> None:
    texts = [text or None for text in TEXTS]
    with connect(scratch=tmp_path) as connection:
        connection.execute("create table given (number bigint, value varchar)")
        connection.executemany("insert into given values (?, ?)", enumerate(texts))
        typed = {"value": kind}
        path = tmp_path / "stored.parquet"
        columns = stored_sql(["number", "value"], typed)
        connection.execute(f"copy (select {columns} from given) to '{path}'")
        facts = TextFacts(typed=typed, unusual=find_unusual(connection, path, typed))
        found = connection.execute(
            f"select value from {texts_sql(parquet_sql(path), facts)} order by number"
        ).fetchall()
        (stored,) = connection.execute(f"select count(value) from '{path}'").fetchall()
    assert [value for (value,) in found] == texts
    assert stored[0] > 0
    assert facts.unusual == {"value"}


def test_texts_beside_are_found_under_any_name(tmp_path: Path) -> None:
    names = ["a.b", "a, b", 'a"b', "größe", "_kith", "[x]", "a'b", "%"]
    with connect(scratch=tmp_path) as connection:
        values = ", ".join(
            f"'{n % 2}7' as {quote(name)}" for n, name in enumerate(names)
        )
        typed = dict.fromkeys(names, "BIGINT")
        path = tmp_path / "stored.parquet"
        columns = stored_sql(names, typed)
        connection.execute(
            f"copy (select {columns} from (select {values})) to '{path}'"
        )
        assert find_unusual(connection, path, typed) == set(names[::2])


def test_a_column_without_unusual_texts_is_known_as_such(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(5))
    (file,) = newest_attempt(run_door(tmp_path), TABLE)[1].files
    typed = {"sold_at": "TIMESTAMP", "quantity": "BIGINT", "price": "DECIMAL(18,2)"}
    assert (file.facts.typed, file.facts.unusual) == (typed, frozenset())
    assert set(file.columns.values()) == {"VARCHAR"}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.lists(st.lists(st.sampled_from(TEXTS), min_size=6, max_size=6)),
    meta=st.sampled_from(
        [{}, {"null_values": ["NA", "7"]}, {"decimal": ","}, {"format": "%Y-%m-%d"}]
    ),
    time_zone=st.sampled_from(["UTC", "America/New_York"]),
)
def test_stored_values_are_judged_as_their_texts(
    values: list[list[str]], meta: dict[str, Any], time_zone: str
) -> None:
    columns = kinds_of_columns({} if "format" in meta else meta)
    columns[1]["meta"] = {"time_zone": time_zone}
    if "format" in meta:
        columns[5]["meta"] = meta
    outcomes = []
    for function in (text_files.typed_columns, lambda *_: {}):
        with (
            tempfile.TemporaryDirectory() as name,
            patch.object(text_files, "typed_columns", function),
        ):
            folder = company(
                Path(name), columns=columns, cursor=None, quarantine_limit_pct=100
            )
            header = ",".join(column["name"] for column in columns)
            lines = [
                f"S{n},{','.join(map(quoted, row))}" for n, row in enumerate(values)
            ]
            (folder / "data/sales.csv").write_text("\n".join([header, *lines, ""]))
            run = replace(new_run(folder, "2024-03-01", "2024-03-02"), home=folder)
            pull_table(run, TABLE)
            admit_table(run, TABLE)
            outcomes.append(whole_outcome(run))
    assert outcomes[0] == outcomes[1]


def test_a_repeated_header_is_known_by_columns_of_stored_values(
    tmp_path: Path,
) -> None:
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {"name": "_n", "data_type": "bigint"},
        {"name": "2024", "data_type": "bigint"},
    ]
    company(tmp_path, columns=columns, cursor=None, quarantine_limit_pct=100)
    lines = ["sale_id,_n,2024", "A,1,2", "sale_id,_n,2024", "B,3,4"]
    (tmp_path / "data/sales.csv").write_text("\n".join([*lines, ""]))
    run = run_door(tmp_path)
    assert admitted(run) == [("A", 1, 2), ("B", 3, 4)]
    assert quarantined(run, "row_number, reason") == [(2, "repeated_header")]


def quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


def test_values_are_texts_again_once_declared_otherwise(tmp_path: Path) -> None:
    folder = company(tmp_path)
    lines = ["A,2024-03-01 10:00:00,12,12.00", "B,2024-03-01 11:00:00,007,12.50"]
    deliver(folder, lines)
    run = run_door(folder)
    company(
        folder,
        columns=[
            *COLUMNS[:2],
            {"name": "quantity", "data_type": "varchar"},
            {"name": "price", "data_type": "varchar"},
        ],
    )
    run = new_run(folder, "2024-03-01", "2024-12-31")
    admit_table(run, TABLE)
    assert admitted(run, "quantity, price") == [("007", "12.50"), ("12", "12.00")]


# --- rows where they lie --------------------------------------------------------------


@pytest.fixture
def is_big(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every delivery counts as big, with half of its rows as exceptions."""
    monkeypatch.setattr(admit, "_ROWS_IN_PLACE", 1)
    monkeypatch.setattr(admit, "_ROWS_PER_EXCEPTION", 2)


def written(run: Run) -> list[tuple[Any, ...]]:
    folder = run.admitted(TABLE) / run.interval.slug
    return duckdb.sql(f"select sale_id from '{folder}/data.parquet'").fetchall()


def linked(run: Run) -> list[Path]:
    folder = run.admitted(TABLE) / run.interval.slug
    return sorted(folder.glob("in_place_*.parquet"))


@pytest.mark.usefixtures("is_big")
def test_a_clean_delivery_is_not_written_again(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(9))
    run = run_door(tmp_path)
    folder, manifest = newest_attempt(run, TABLE)
    (link,) = linked(run)
    assert link.samefile(folder / manifest.files[0].stored)
    assert written(run) == []
    assert len(admitted(run)) == 9
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(f"select * exclude (loaded_at) from {TABLE}")
        assert sorted(rows.fetchall()) == admitted(run)


@pytest.mark.usefixtures("is_big")
def test_only_exceptions_are_written(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv", quarantine_limit_pct=100)
    lines = sales(16)
    lines[3] = lines[3].replace(",", " ,", 1)  # Trimmed.
    lines[9] = lines[9].rsplit(",", 1)[0] + ",dear"  # Refused.
    lines[11] = lines[12].rsplit(",", 1)[0] + ",99999.00"  # Of one key and time.
    deliver(tmp_path, lines[:8], "a.csv")
    deliver(tmp_path, lines[8:], "b.csv")
    run = run_door(tmp_path)
    assert len(linked(run)) == 2
    kept = {line.split(",")[0].strip() for line in lines} - {lines[9].split(",")[0]}
    assert {sale_id for (sale_id,) in admitted(run, "sale_id")} == kept
    repeated = lines[12].split(",")[0]
    assert sorted(written(run)) == sorted([(lines[3].split(" ")[0],), (repeated,)])
    assert [report(run)[n] for n in ("admitted", "quarantined", "duplicates")] == [
        *(14, 1, 1)
    ]
    assert quarantined(run, "file, row_number, value") == [("data/b.csv", 2, "dear")]


@pytest.mark.usefixtures("is_big")
@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ({"key": []}, "{id},2024-03-01 10:00:00,1,1.00"),
        ({}, "{id},2024-03-01T10:00:00,1,1.00"),
        ({}, "{id} ,2024-03-01 10:00:00,1,1.00"),
        ({"columns": [{**COLUMNS[0], "data_type": "double"}, *COLUMNS[1:]]}, "{n},,1,"),
    ],
    ids=["no key", "other text of times", "blanks", "type that is not stored"],
)
def test_what_has_to_be_changed_is_written(
    tmp_path: Path, rules: dict[str, Any], line: str
) -> None:
    deliver(
        company(tmp_path, cursor=None, **rules),
        [line.format(id=f"S{n}", n=n) for n in range(6)],
    )
    run = run_door(tmp_path)
    assert linked(run) == []
    assert report(run)["in_place"] == {}
    assert len(written(run)) == len(admitted(run)) == 6


def test_a_small_delivery_is_written(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(9))
    run = run_door(tmp_path)
    assert linked(run) == []
    assert len(written(run)) == 9


@pytest.mark.usefixtures("is_big")
def test_without_second_names_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("no second names here")

    monkeypatch.setattr(os, "link", refuse)
    deliver(company(tmp_path), sales(9))
    run = run_door(tmp_path)
    folder, manifest = newest_attempt(run, TABLE)
    (copy,) = linked(run)
    stored = folder / manifest.files[0].stored
    assert not copy.samefile(stored)
    assert copy.read_bytes() == stored.read_bytes()
    assert len(admitted(run)) == 9


ROWS = {
    "sale_id": st.sampled_from(["A", "B", "C", "D", "E ", "\u00a0F", "", "S"]),
    "sold_at": st.sampled_from(
        ["2024-03-01 10:00:00", "2024-03-02 23:30:00", "2024-03-01", "x", ""]
    ),
    "quantity": st.sampled_from(["0", "1", "2", "-1", "01", ""]),
    "price": st.sampled_from(["1.00", "2.50", "2.5", "x", ""]),
    "other": st.sampled_from(["", "y", " z "]),
}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    files=st.lists(
        st.lists(st.tuples(*ROWS.values()), max_size=20), min_size=1, max_size=3
    ),
    key=st.sampled_from([["sale_id"], ["sale_id", "price"], []]),
    cursor=st.sampled_from(["sold_at", None]),
    new=st.sampled_from(["evolve", "warn"]),
)
def test_in_place_or_written_the_outcome_is_the_same(
    files: list[list[tuple[str, ...]]], key: list[str], cursor: str | None, new: str
) -> None:
    outcomes = []
    for least in (1, 1000):
        with (
            tempfile.TemporaryDirectory() as name,
            patch.multiple(admit, _ROWS_IN_PLACE=least, _ROWS_PER_EXCEPTION=1),
        ):
            folder = company(
                *(Path(name), "data/*.csv"),
                key=key,
                cursor=cursor,
                quarantine_limit_pct=100,
                drift={"new": new},
            )
            for number, rows in enumerate(files):
                lines = [",".join(row) for row in [tuple(ROWS), *rows]]
                text = "\n".join([*lines, ""])
                (folder / f"data/{number}.csv").write_text(text, encoding="utf-8")
            run = replace(new_run(folder, "2024-03-01", "2024-03-02"), home=folder)
            pull_table(run, TABLE)
            admit_table(run, TABLE)
            outcomes.append(whole_outcome(run))
    assert outcomes[0] == outcomes[1]
