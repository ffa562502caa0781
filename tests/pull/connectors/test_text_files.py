"""Text as DuckDB reads it: delimiters, quotes, ends of lines, headers."""

from pathlib import Path

import duckdb
import pytest

from kith.errors import DeliveryError
from kith.pull.connectors import text_files
from tests.one_table import (
    HEADER,
    admitted,
    company,
    deliver,
    quarantined,
    refusal,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.fetching import CONTENT, fetched, relation, rows

pytestmark = pytest.mark.usefixtures("kith_home")


def test_any_declared_delimiter_separates(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.txt", options={"delimiter": "|"})
    (tmp_path / "data/sales.txt").write_text(CONTENT.replace(",", "|"))
    assert len(admitted(run_door(tmp_path))) == 40


def test_without_a_quote_sign_values_too_many_are_not_cut_off(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.tsv", options={"quote": ""})
    lines = [*sales(3), "X,2024-03-01,1,1,one more", 'Y",2024-03-01,1,1']
    text = "\n".join([HEADER, *lines, "Z,2024-03-01", ""])
    text = text.replace(",", "\t")
    (tmp_path / "data/sales.tsv").write_text(text)
    (delivery,) = fetched(tmp_path)
    assert max(rows(delivery, "_kith_row, sale_id")) == (5, 'Y"')
    assert delivery.rows == 4
    rejects = f"select row_number, split_part(text, '\t', 1) from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(4, "X"), (6, "Z")]


def test_nothing_of_a_line_of_json_is_cut_off(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    lines = ['{"sale_id":"A"}', '{"sale_id":"B"}\x01{"sale_id":"C"}']
    (tmp_path / "data/sales.jsonl").write_text("\n".join([*lines, ""]))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [("A",)]
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(2, lines[1])]
    # Ends of lines of several kinds are read where nothing can be cut off.
    (tmp_path / "data/sales.jsonl").write_text(f"{lines[0]}\r\n{lines[0]}\n")
    assert fetched(tmp_path)[0].rows == 2


def test_a_last_line_of_json_is_whole_or_refused(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl", quarantine_limit_pct=50)
    path = tmp_path / "data/sales.jsonl"
    row = '{"sale_id":"%s","sold_at":"2024-03-01","quantity":1,"price":1,"n":{"b":1}}'
    first = row % "A" + "\n"
    large = row % ("B" * 600_000)
    for last in (row % "B", row % "B" + " ", large):
        path.write_text(first + last)
        run = run_door(tmp_path)
        assert (len(admitted(run)), report(run)["quarantined"]) == (2, 0)
    for last in (row % "B", large):
        for cut in (last[:-1], last[:-20], last[:9], "{"):
            for whole in (first, ""):
                path.write_text(whole + cut)
                with pytest.raises(DeliveryError, match="ends within its last line: "):
                    fetched(tmp_path)


def test_rows_of_a_large_file_keep_order_and_numbers(tmp_path: Path) -> None:
    # More than one of the buffers that DuckDB reads side by side, with lines that it
    # cannot read and with line ends inside of quotes.
    company(tmp_path)
    remark = "x" * 400
    bad = {70_000, 70_001, 149_999}
    lines = [
        f'S{n},2024-03-01,{n},"{remark}\n"' if n not in bad else f"S{n},too few"
        for n in range(150_000)
    ]
    deliver(tmp_path, lines)
    (delivery,) = fetched(tmp_path)
    assert delivery.reject_count == 3
    rejects = f"select row_number - 1, text from '{delivery.rejects}' order by 1"
    assert duckdb.sql(rejects).fetchall() == [(n, lines[n]) for n in sorted(bad)]
    (wrong,) = duckdb.sql(
        f"""
        select count(*) from {relation(delivery)}
        where sale_id <> 'S' || (_kith_row - 1) or quantity <> (_kith_row - 1)::varchar
        """
    ).fetchall()
    assert wrong == (0,)
    assert delivery.rows == 150_000 - 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'{HEADER},"note\n' + "A,2024-03-01,1,1,x\n" * 9, "the header cannot be read"),
        (f'{HEADER},"note\n' + "A,2024-03-01,1,1\n" * 9999, "the header cannot be rea"),
        (
            f"\n\n{CONTENT}",
            "the header stands in line 3; .* set options.skip_lines: 2",
        ),
        ("\n\n", "the file is empty, not even a header was found; expected the col"),
        (f"caf\xe9,{CONTENT}", "line 1 is not utf-8 .*, e.g. cp1252 .Windows"),
    ],
    ids=["open quote", "large, open quote", "blank lines", "empty", "latin-1"],
)
def test_a_header_that_cannot_be_read_is_named(
    content: str, message: str, tmp_path: Path
) -> None:
    company(tmp_path)
    (tmp_path / "data/sales.csv").write_text(content, encoding="latin-1")
    with pytest.raises(DeliveryError, match=f"data/sales.csv: {message}"):
        fetched(tmp_path)


ENCODINGS = [
    ("utf-16", None, "utf-8: it begins with the mark of utf-16; set .*ing: utf-16 in"),
    ("utf-16-le", None, "utf-8: every other byte of it is 0; .*encoding: utf-16-le in"),
    ("utf-16-be", None, "utf-8: every other byte of it is 0; .*encoding: utf-16-be in"),
    ("utf-32", "cp1252", "cp1252: it begins with the mark of utf-32; .*: utf-32 in so"),
    ("utf-8-sig", "cp1252", "cp1252: it begins with the mark of utf-8; .*: utf-8 in"),
    ("utf-8", "utf-16", "utf-16: no byte of its beginning is 0; leave options.encodin"),
]


def test_a_header_that_is_cut_off_is_named(tmp_path: Path) -> None:
    company(tmp_path, drift={"missing": "warn"})
    path = tmp_path / "data/sales.csv"
    for cut in ("sal", f"{HEADER[:-1]}", f"{HEADER[:-6]},", "sale_id,sold_at,note,oth"):
        path.write_text(cut)
        with pytest.raises(DeliveryError, match="ends within its header, and w"):
            fetched(tmp_path)
    # Headers of deliveries without a row, and one that nobody knows.
    for whole in (HEADER, f"{HEADER},oth", HEADER[:-6], f"{HEADER[:-1]}\n", "A,2024"):
        path.write_text(whole)
        assert fetched(tmp_path)[0].rows == 0


def test_another_encoding_is_named(tmp_path: Path) -> None:
    texts = {"csv": CONTENT, "jsonl": '{"sale_id": "Größe"}\n'}
    for kind, text in texts.items():
        for found, declared, message in ENCODINGS:
            options = {"encoding": declared} if declared else {}
            company(tmp_path, f"data/sales.{kind}", options=options)
            (tmp_path / f"data/sales.{kind}").write_text(text, encoding=found)
            with pytest.raises(DeliveryError, match=f"sales.{kind}: is not {message}"):
                fetched(tmp_path)
    # Among signs of other pages as well, and where it is declared.
    for name in ("utf-16-le", "utf-16", "utf-32-be"):
        company(tmp_path, options={"encoding": name})
        (tmp_path / "data/sales.csv").write_text(CONTENT, encoding=name)
        assert fetched(tmp_path)[0].rows == 40


def test_lines_may_end_as_those_of_old_macs(tmp_path: Path) -> None:
    text = CONTENT.replace("\n", "\r") + "X,too few\rY,2024-03-01,1,1.50"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    (delivery,) = fetched(tmp_path)
    assert max(rows(delivery, "_kith_row, sale_id")) == (42, "Y")
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(41, "X,too few")]


@pytest.mark.parametrize("first", ["\n", "\r\n"])
def test_lines_may_end_in_several_ways(first: str, tmp_path: Path) -> None:
    lines = ["A,2024-03-01,1,1\r\n", '"B\r\n""2",2024-03-01,1,1\n', "C,too few\r\n"]
    text = f"{HEADER}{first}{''.join(lines)}D,2024-03-01,1,1\n"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    (delivery,) = fetched(tmp_path)
    found = sorted(rows(delivery, "_kith_row, sale_id"))
    assert found == [(1, "A"), (2, 'B\r\n"2'), (4, "D")]
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(3, "C,too few")]


def test_a_line_broken_by_a_carriage_return_is_named(tmp_path: Path) -> None:
    text = f"{HEADER}\nA,2024-03-01,1,1\nB\r,2024-03-01,1,1\nC,2024-03-01,1,1\n"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    with pytest.raises(DeliveryError, match="broken by a carriage return alone"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("sign", "encoding"),
    [
        *((sign, "latin-1") for sign in "\t\x1f\x7f\x80\x9f\xa0"),
        *((sign, "utf-8") for sign in "\t\x1f\x7f\x80\x9f\xa0\u2003\u202f\u2060"),
        *((sign, "utf-8") for sign in "\u3000\ufeff\ufffd"),
    ],
)
def test_text_with_odd_signs_is_known(sign: str, encoding: str, tmp_path: Path) -> None:
    options = {"encoding": encoding}
    path = company(tmp_path, options=options) / "data/sales.csv"
    lines = f"{HEADER}\nä«é»,2024-03-01,1,1\n"
    path.write_text(lines, encoding=encoding)
    assert not fetched(tmp_path)[0].has_odd_signs
    # Its two bytes in UTF-8 may come to lie in two of the chunks that are read.
    room = text_files._CHUNK_BYTES - len(lines.encode())
    last = "x" * (room - 1) + sign + ",2024-03-01,1,1\n"
    path.write_text(lines + last, encoding=encoding)
    assert fetched(tmp_path)[0].has_odd_signs


def test_a_quote_within_a_value_opens_none(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    lines = ['5" pipe,2024-03-01,1,1\r\n', '"a ""b""\r\n",2024-03-01,1,1\n']
    path.write_bytes(f"{HEADER}\n{''.join(lines)}C,2024-03-01,1,1\r\n".encode())
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [('5" pipe',), ('a "b"\r\n',), ("C",)]
    company(tmp_path, options={"escape": "\\"})
    lines[1] = '"a \\"b\r\n\\\\",2024-03-01,1,1\n'
    path.write_bytes(f"{HEADER}\n{''.join(lines)}C,2024-03-01,1,1\r\n".encode())
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [('5" pipe',), ('a "b\r\n\\',), ("C",)]


ROWS = "\n".join([HEADER, *sales(40)])


@pytest.mark.parametrize(
    "text",
    [
        ROWS[:-12],
        ROWS[: ROWS.rindex(",")],
        ROWS[: ROWS.rindex(",") + 1],
        ROWS[:-1],
        ROWS[:-3],
        f"\ufeff{ROWS[:-12]}",
        ROWS.replace("\n", "\r\n")[:-12],
        ROWS.replace("\n", "\r")[:-12],
        ROWS.replace("\n", "\r\n", 1)[:-12],
        ROWS[:-3].replace(",", ", "),
        f"{ROWS}\nX,2024-03-01,1,é".encode()[:-1],
    ],
)
def test_a_text_that_ends_within_a_row_is_refused(
    text: str | bytes, tmp_path: Path
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (company(tmp_path) / "data/sales.csv").write_bytes(data)
    with pytest.raises(DeliveryError, match=r"data/sales.csv: ends within .* again"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    "below",
    [
        'X,2024-03-01,1,"1.5',
        'X,2024-03-01,1,"1.5\n',
        'X,"2024-03-01,1,1.5\nY,2024-03-01,1,1\n',
        'X,"2024-03-01,1,1.5\nY,2024-03-01,1,1\nZ,"2024-03-02",1,1\n',
        'X,"2024-03-01,1,1.5\n' + "Y,2024-03-01,1,1\n" * 150_000,
    ],
)
def test_rows_within_quotes_are_not_lost(below: str, tmp_path: Path) -> None:
    (company(tmp_path) / "data/sales.csv").write_text(f"{ROWS}\n{below}")
    with pytest.raises(DeliveryError, match=r"opened in line 42 hold other rows or"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("text", "ends_open"),
    [
        (ROWS, True),
        (f"{ROWS}\n", False),
        (f"{ROWS}\r\n", False),
        (f"{ROWS}\n\x1a", False),
        (f"{ROWS}\n  ", False),
        (f"{ROWS}\nX,2024-03-01,1,10.50", True),
        (f"{HEADER}\nX,2024-03-01,1,1.50\nY,2024-03-01,1,1", True),
        (f"{ROWS}\n(40 rows affected)\n", False),
        (f'{ROWS}\nX,2024-03-01,1,"1"5\n', False),
        (HEADER, False),
    ],
)
def test_a_text_whose_last_row_is_whole_passes(
    text: str, ends_open: bool, tmp_path: Path
) -> None:
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    (delivery,) = fetched(tmp_path)
    assert delivery.ends_open is ends_open


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"sale_id":"A"}\n{"sale_id":"B', "ends within its last line"),
        ('{"sale_id":"A"}\n{"sale_id":{"x":1}', "ends within its last line"),
        ('{"sale_id":"A"}\n{"sale_id":"B"}', None),
        ('{"sale_id":"A"}', None),
        ('{"sale_id":"A"}\n{"sale_id":"B\n', None),  # a broken line, not a cut file
    ],
)
def test_lines_of_json_that_end_within_one_are_refused(
    text: str, fault: str | None, tmp_path: Path
) -> None:
    (company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl").write_text(text)
    if fault is None:
        assert fetched(tmp_path)[0].rows == text.count("}")
        return
    with pytest.raises(DeliveryError, match=fault):
        fetched(tmp_path)


def test_lines_above_the_header_are_skipped_as_declared(tmp_path: Path) -> None:
    path = company(tmp_path, quarantine_limit_pct=50) / "data/sales.csv"
    above = 'Sales of March\n"for ""us"" only"\n\n'
    text = f"{above}{HEADER}\nA,2024-03-01,1,1.50\nB,2024-03-01,-1,1.50\nC,2024\n"
    path.write_text(text)
    with pytest.raises(DeliveryError, match=r"line 4; .* set options.skip_lines: 3 in"):
        fetched(tmp_path)
    company(tmp_path, options={"skip_lines": 1}, quarantine_limit_pct=50)
    with pytest.raises(DeliveryError, match=r"line 4; .* set options.skip_lines: 3 in"):
        fetched(tmp_path)
    for number in (4, 5, 99):
        company(tmp_path, options={"skip_lines": number}, quarantine_limit_pct=50)
        passed = f"skip_lines: {number} passes over the header, which stands in line 4"
        with pytest.raises(DeliveryError, match=rf"{passed}; set .*skip_lines: 3 in"):
            fetched(tmp_path)
    company(tmp_path, options={"skip_lines": 3}, quarantine_limit_pct=70)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id") == [("A",)]
    assert quarantined(run, "row_number, reason") == [
        *((2, "below_minimum"), (3, "unreadable_line"))
    ]
    path.write_bytes(text.encode("utf-16"))
    options = {"skip_lines": 3, "encoding": "utf-16"}
    company(tmp_path, options=options, quarantine_limit_pct=70)
    assert admitted(run_door(tmp_path), "sale_id") == [("A",)]


@pytest.mark.parametrize("of_header", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("of_rows", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_line_break_in_a_name_of_the_header_costs_no_row(
    tmp_path: Path, of_header: str, of_rows: str
) -> None:
    # DuckDB takes the first line end for that of all rows, and then finds none.
    company(tmp_path)
    header = HEADER.replace("quantity", f'"{of_header}quantity{of_header}"')
    lines = [header, *sales(20), "S,2024-03-01"]
    text = of_rows.join([*lines, ""])
    (tmp_path / "data/sales.csv").write_text(text, newline="", encoding="utf-8-sig")
    (delivery,) = fetched(tmp_path)
    assert max(rows(delivery, "_kith_row, sale_id, quantity")) == (20, "S00019", "4")
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(21, "S,2024-03-01")]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ('[{"sale_id":"A"},{"sale_id":"B"}]', "an array of objects"),
        ('\ufeff [{"sale_id":"A"},{"sale_id":"B"}]\n', "an array of objects"),
        ('[{"sale_id":"A"},\n{"sale_id":"B"}]\n', "an array of objects"),
        ('[\n {\n  "sale_id": "A"\n }\n]\n', "an array of objects"),
        ('{\n  "sale_id": "A"\n}\n', "objects of several lines"),
        ('{"sale_id": "A",\n"price": 1}\n', "objects of several lines"),
        ('{"sale_id": "A"', None),
        ('[1]\n{"sale_id": "A"}\n', None),
        ('{"sale_id": "A",\n{"sale_id": "B"}\n', None),
        ("", None),
    ],
)
def test_json_that_is_no_lines_of_objects_is_named(
    text: str, held: str | None, tmp_path: Path
) -> None:
    path = company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl"
    path.write_text(text)
    if held is None:
        # Cut, or broken in a line.
        try:
            assert fetched(tmp_path)[0].rows < 2
        except DeliveryError as error:
            assert "truncated" in str(error)
        return
    with pytest.raises(DeliveryError) as caught:
        fetched(tmp_path)
    assert str(caught.value) == (
        f"shop.sales: data/sales.jsonl: holds {held} of JSON; expected one object per "
        "line; have it delivered so (`jq -c` writes objects so, `jq -c .[]` those of "
        "an array)"
    )


def test_the_cure_of_a_line_that_is_no_object_is_one_of_json(tmp_path: Path) -> None:
    path = company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl"
    path.write_text('["A","2024-03-01",1,1]\n["B","2024-03-01",1,1]\n')
    assert refusal(tmp_path).split("; ")[-2] == (
        "have the file delivered again with one object per line"
    )
