"""Words that name a person go from texts; what only looks alike stays."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.rights.traces import Traces, erase_from_file, holds_traces

HASH = "ab" * 32
WORDS = Traces([HASH, "ada@example.com", "+49 30 1234567", "O10001", "C1"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key 'ada@example.com', row 3", "key '[erased]', row 3"),
        (f"email:{HASH} and email:{HASH[:8]}…", "email:[erased] and email:[erased]…"),
        ("called +49 30 1234567.", "called [erased]."),
        ("order O10001-2 of O10001.", "order [erased]-2 of [erased]."),
        ("O100010 and xada@example.com", "O100010 and xada@example.com"),
        ("C1 is too short", "C1 is too short"),
    ],
)
def test_words_go_whole(text: str, left: str) -> None:
    assert WORDS.removed(text) == left


ADDRESSES = ("ada@example.com", "josé@exämple.com", "İpek@a.example", "王小明@a.cn")
ADA = Traces([*ADDRESSES, "878245"])
LETTERS = st.text(st.sampled_from("aZ0_éßñŁж"), min_size=1, max_size=3)
MARKS = st.text(st.sampled_from(" /*&'`\"。、，：…|=?\n\t(<【谢の"), max_size=3)
WORD = st.sampled_from(sorted(ADA.words))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ada@example.com/bob@example.com", "[erased]/bob@example.com"),
        ("联系Ada@Example.com谢谢", "联系[erased]谢谢"),
        (r'"a\nada@example.com\nb"', r'"a\n[erased]\nb"'),
        (r"repr 'a\n-ada@example.com\r\n'", r"repr 'a\n-[erased]\r\n'"),
        (r'note {"a": "x\u3002ADA@example.com"}', r'note {"a": "x\u3002[erased]"}'),
        (r'{"a": "jos\u00e9@ex\u00e4mple.com"}', '{"a": "[erased]"}'),
        ("jose\u0301@exa\u0308mple.com", "[erased]"),
        ("u?a=ada%40example.com&b=%20ada@example.com", "u?a=[erased]&b=%20[erased]"),
        ("of.ada@example.com, ada@example.com.au", None),
        ("at 16:47:30.878245, order 878245.", "at 16:47:30.878245, order [erased]."),
        (
            '[{"n": 878245, "seconds": 1.878245}]',
            '[{"n": "[erased]", "seconds": 1.878245}]',
        ),
    ],
)
def test_words_go_whatever_stands_beside_them(text: str, left: str | None) -> None:
    assert ADA.removed(text) == (left or text)


@given(WORD, MARKS, MARKS, st.booleans())
def test_marks_never_hide_a_word(
    word: str, before: str, after: str, is_json: bool
) -> None:
    text = before + word.upper() + after
    kept = ADA.removed(json.dumps({"a": text}) if is_json else text)
    assert (json.loads(kept)["a"] if is_json else kept) == f"{before}[erased]{after}"


@given(WORD, LETTERS, LETTERS, st.sampled_from(["before", "after", "both"]))
def test_parts_of_longer_words_stay(
    word: str, before: str, after: str, where: str
) -> None:
    # What is written without blanks has no longer words.
    before = before if where != "after" and word[0].isascii() else ""
    after = after if where != "before" else ""
    longer = before + word + after
    assert (ADA.removed(longer) == longer) == bool(before or after)


@settings(deadline=None)
@given(st.lists(WORD | MARKS | LETTERS, max_size=6).map("".join))
def test_what_is_found_is_what_goes(text: str) -> None:
    kept = ADA.removed(text)
    assert ADA.removed(kept) == kept
    with duckdb.connect() as connection:
        query = f"select {ADA.sql(connection, 'a')} from (select $text as a)"
        assert connection.execute(query, {"text": text}).fetchall() == [(kept,)]


def test_many_words_are_looked_for_at_once() -> None:
    many = Traces(f"{n * 7919:032x}" for n in range(20_000))
    with duckdb.connect() as connection:
        query = f"select {many.sql(connection, 'a')} from (select $text as a)"
        text = {"text": f"of {7919:032x}"}
        assert connection.execute(query, text).fetchall() == [("of [erased]",)]


def test_state_keeps_its_keys_numbers_and_moments(tmp_path: Path) -> None:
    words = Traces(["stage", "305560", "878245", "ada@example.com"])
    traces = Traces(["ada@example.com"])
    entry = {
        "stage": "stage",
        "at": 1795885808.878245,
        "moment": "2026-11-28T16:47:30.878245",
        "number": "878245",
        "figures": {"bytes": 305560, "by": "ada@example.com"},
        "reason": "row 878245 of Stage ada@example.com",
        "sample": json.dumps([{"id": 305560, "name": "stage"}]),
    }
    kept = entry | {
        "figures": {"bytes": 305560, "by": "[erased]"},
        "reason": "row [erased] of [erased] [erased]",
        "sample": json.dumps([{"id": "[erased]", "name": "[erased]"}]),
    }
    line = json.dumps(entry)
    texts = {
        "a.json": json.dumps(entry, indent=1),
        "b.jsonl": f"{line}\n{line}\n{line[:40]}",
        "c.log": f"stage 878245 at 30.878245\n{line}\n"
        '{"event": "at Stage", "level": "stage"}\n',
        "d.sql": "select stage, 'ada@example.com' from x limit 305560",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    history = tmp_path / "e.parquet"
    duckdb.sql(
        "copy (select 'stage' as table_name, 'stage 305560' as observed) "
        f"to '{history}'"
    )
    with duckdb.connect() as connection:
        for path in sorted(tmp_path.iterdir()):
            assert erase_from_file(connection, path, traces, words)
            assert path == history or not holds_traces(connection, path, traces, words)
    assert json.loads((tmp_path / "a.json").read_text()) == kept
    lines = (tmp_path / "b.jsonl").read_text().split("\n")
    assert [json.loads(each) for each in lines[:2]] == [kept, kept]
    assert lines[2] == line[:40]
    log = (tmp_path / "c.log").read_text().split("\n")
    assert log[0] == "[erased] [erased] at 30.878245"
    assert json.loads(log[1]) == kept
    assert json.loads(log[2]) == {"event": "at [erased]", "level": "stage"}
    assert (tmp_path / "d.sql").read_text() == (
        "select stage, '[erased]' from x limit 305560"
    )
    assert duckdb.sql(f"from '{history}'").fetchall() == [
        ("stage", "[erased] [erased]")
    ]


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"ada@example.com": 1}')
    with duckdb.connect() as connection:
        assert not erase_from_file(connection, path, ADA)
        assert holds_traces(connection, path, ADA) == [str(path)]


def test_several_tables_are_cleaned_on_one_connection(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.parquet" for n in range(3)]
    for path in paths:
        duckdb.sql(f"copy (select 'of ada@example.com' as a) to '{path}'")
    with duckdb.connect() as connection:
        for path in paths:
            assert erase_from_file(connection, path, ADA)
            assert not erase_from_file(connection, path, ADA)
            assert duckdb.sql(f"from '{path}'").fetchall() == [("of [erased]",)]


def test_files_keep_their_form_rights_and_time(tmp_path: Path) -> None:
    packed, parquet = tmp_path / "a.json.gz", tmp_path / "b.parquet"
    odd, binary = tmp_path / "c.log", tmp_path / "d.bin"
    packed.write_bytes(gzip.compress(b'{"cause": "O10001"}'))
    odd.write_bytes(b"\xff O10001")
    odd.chmod(0o640)
    binary.write_bytes(b"O10001")
    duckdb.sql(f"copy (select 'O10001' as a, 7 as b) to '{parquet}'")
    then = odd.stat().st_mtime_ns
    with duckdb.connect() as connection:
        found = [
            path
            for path in sorted(tmp_path.iterdir())
            if erase_from_file(connection, path, WORDS)
        ]
        assert found == [packed, parquet, odd]
        left = [holds_traces(connection, path, WORDS) for path in sorted(found)]
        assert left == [[], [], []]
        assert holds_traces(connection, binary, WORDS) == [str(binary)]
    assert gzip.decompress(packed.read_bytes()) == b'{"cause": "[erased]"}'
    assert odd.read_bytes() == b"\xff [erased]"
    assert (odd.stat().st_mtime_ns, odd.stat().st_mode & 0o777) == (then, 0o640)
    assert duckdb.sql(f"from '{parquet}'").fetchall() == [("[erased]", 7)]


def test_what_is_packed_in_tables_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute(f"create table t as select ['a', '{HASH}'] as values")
        database.execute("create table u as select 'O100010' as a")
    with duckdb.connect() as connection:
        found = holds_traces(connection, path, WORDS)
    assert f"{path}: main.t" in found
    assert f"{path}: main.u" not in found
