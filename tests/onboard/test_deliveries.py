"""How a stranger's files are read, and which of them are one table."""

import datetime as dt
import gzip
import zipfile
from pathlib import Path

import duckdb
import pytest
from python_calamine import PasswordError

from kith.onboard import deliveries
from kith.onboard.scaffold import summary
from tests.onboard.strangers import (
    Make,
    admitted,
    doubts,
    kinds,
    rules,
    table,
    write,
)
from tests.pull.connectors.workbooks import write_xlsx


def test_dialects_are_declared_and_every_file_passes_the_door(
    files: Path, make: Make
) -> None:
    write(files / "semicolon.csv", "id;price", [f"{n};{n},50" for n in range(100, 140)])
    (files / "western.csv").write_bytes(
        b"id,city\n" + "1,Zürich\n2,Genève\n".encode("cp1252")
    )
    (files / "chinese.csv").write_bytes("id,城市\n1,北京\n2,上海市\n".encode("gb18030"))
    (files / "marked.csv").write_bytes("\ufeffid,city\n1,Łódź\n2,x\n".encode())
    (files / "wide.csv").write_bytes("id,city\n1,Łódź\n2,x\n".encode("utf-16"))
    write(files / "tabs.tsv", "id\tcity", ["1\tA,B", "2\tC"])
    write(files / "bars.txt", "id|city", ["1|A,B", "2|C"])
    write(files / "carets.csv", "id^city^x", ["1^A,B^1", "2^C^2"])
    write(files / "quoted.csv", "id,words", ["1,'a, b'", "2,'c'", "3,'d, e'"])
    write(files / "lines.jsonl", '{"id": "1", "n": 4}', ['{"id": "2", "n": 5}'])
    (files / "packed.csv.gz").write_bytes(gzip.compress(b"id,n\n1,4\n2,5\n"))
    with zipfile.ZipFile(files / "packed.zip", "w") as archive:
        archive.writestr("inner.csv", "id;n\n1;4\n2;5\n3;6\n")
    duckdb.sql("select 'a' as id, date '2024-01-01' as day").write_parquet(
        str(files / "typed.parquet")
    )

    done = make()

    declared = {
        each.name: table(done, each.name)["meta"].get("options", {})
        for each in done.tables
    }
    assert declared == {
        "bars": {"delimiter": "|"},
        "carets": {"delimiter": "^"},
        "chinese": {"encoding": "gb18030"},
        "lines": {},
        "marked": {},
        "packed_1": {},
        "packed_2": {"delimiter": ";"},
        "quoted": {"quote": "'"},
        "semicolon": {"delimiter": ";"},
        "tabs": {},
        "typed": {},
        "western": {"encoding": "cp1252"},
        "wide": {"encoding": "utf-16"},
    }
    assert rules(done, "semicolon", "price")["decimal"] == ","
    assert doubts(done, "read as cp1252") and doubts(done, "read as gb18030")
    assert admitted(done) == {
        **dict.fromkeys(declared, (2, 0)),
        "packed_2": (3, 0),
        "quoted": (3, 0),
        "semicolon": (40, 0),
        "typed": (1, 0),
    }


def test_a_workbook_gives_a_table_per_sheet(files: Path, make: Make) -> None:
    day = dt.date(2020, 1, 31)
    write_xlsx(
        files / "book.xlsx",
        {
            "Stores": {1: ["store_id", "opened"], 2: ["01", day], 3: ["02", day]},
            "Sales": {1: ["sale_no", "amount"], 2: [1, 1.5], 3: [2, 2], 4: [3, 3.25]},
            "Notes": {1: ["seen by Anna"]},
            "Staff": {
                1: ["Staff"],
                3: ["no", "role", "since"],
                4: ["1", "x", day],
            },
            "Odd": {1: ["id", "role", None], 2: ["1", "x", "y"], 3: ["2", "x", "y"]},
        },
    )
    done = make()
    assert [each.name for each in done.tables] == [
        "book_sales",
        "book_staff",
        "book_stores",
    ]
    staff = table(done, "book_staff")
    assert staff["meta"]["options"] == {"sheet": "Staff", "skip_lines": "2"}
    assert list(staff["columns"]) == ["no", "role", "since"]
    assert doubts(done, "2 lines stand above the header; none is a row?")
    (odd,) = done.left_out
    assert "have the lines above the header removed" in odd
    assert "options" not in odd
    assert table(done, "book_sales")["meta"]["options"] == {"sheet": "Sales"}
    assert kinds(done, "book_stores") == {"store_id": "varchar", "opened": "date"}
    assert kinds(done, "book_sales") == {
        "sale_no": "varchar",
        "amount": "decimal(18,2)",
    }
    assert admitted(done) == {
        "book_sales": (3, 0),
        "book_staff": (1, 0),
        "book_stores": (2, 0),
    }


def test_what_cannot_be_read_is_left_out_with_its_reason(
    files: Path, make: Make
) -> None:
    write(files / "good.csv", "id,n", ["1,2"])
    write(files / "nameless.csv", "17,anna@example.org,3", ["18,ben@example.org,4"])
    (files / "picture.png").write_bytes(b"\x89PNG")
    (files / "empty.csv").write_text("")
    write(files / "aligned.txt", " id   n", [" 1    2", " 10   3"])
    (files / "broken.csv.gz").write_bytes(gzip.compress(b"id,n\n1,2\n" * 99)[:25])
    (files / "sheet.ods").write_bytes(b"PK")
    (files / "sheet.xlsx").write_bytes(b"PK")
    done = make()
    assert [each.name for each in done.tables] == ["good"]
    assert len(done.left_out) == 7
    assert "sheet.ods: no kind of file that Kith reads" in done.left_out
    assert "sheet.xlsx: no workbook, or a damaged one" in done.left_out
    assert any("no names of columns" in reason for reason in done.left_out)
    text = "".join(path.read_text() for path in done.folder.rglob("*.*"))
    assert "example.org" not in text + summary(done)


def test_a_file_is_not_blamed_for_the_one_before_it(files: Path, make: Make) -> None:
    rows = [f'{n},"a note\nof two lines",2024-01-0{n}' for n in range(1, 9)]
    write(files / "a_cut.csv", "id,x,y", [*rows, '9,"open,2024-01-09'])
    write(files / "b_whole.csv", "id,note,day", rows)
    done = make()
    assert [one.name for one in done.tables] == ["b_whole"]
    (left_out,) = done.left_out
    assert "a_cut.csv" in left_out


def test_files_that_are_slightly_off_are_read_or_left_out_with_the_cure(
    files: Path, make: Make
) -> None:
    lines = [f"{n},a,b" for n in range(400)]
    write(files / "broken_line.csv", "id,x,y", [*lines[:9], "9,a", *lines[10:]])
    (files / "windows.csv").write_bytes("id,n\n1,4\n2,5\n".encode("utf-16-le"))
    (files / "cyrillic.csv").write_bytes("id,имя\n1,Иван\n2,Анна\n".encode("cp1251"))
    (files / "old_mac.csv").write_bytes(b"id,n\r1,4\r2,5\r")
    write(files / "titled.csv", "Sales of May,,", ["id,n,m", "1,2,3", "2,3,4"])
    write(files / "reported.csv", "Sales of May", ["Made in June", "id,n,m", "1,2,3"])
    write(files / "case.csv", "Id,ID", ["1,2"])
    write(files / "bare.csv", "id,n", [])
    done = make()
    assert {each.name: table(done, each.name)["meta"] for each in done.tables}[
        "windows"
    ]["options"] == {"encoding": "utf-16-le"}
    assert list(table(done, "cyrillic")["columns"]) == ["id", "имя"]
    assert doubts(done, "lines that cannot be read and go to quarantine: 1")
    assert doubts(done, "holds a number or a gap")
    assert table(done, "reported")["meta"]["options"] == {"skip_lines": "2"}
    assert doubts(done, "2 lines stand above the header")
    assert [reason.split(":")[0] for reason in done.left_out] == [
        "bare.csv",
        "case.csv",
    ]
    counts = admitted(done)
    assert counts["broken_line"] == (399, 1)
    assert counts["windows"] == counts["old_mac"] == (2, 0)


def test_a_file_of_a_month_belongs_to_its_siblings_whatever_it_lacks(
    files: Path, make: Make
) -> None:
    for month, city in ((1, "Köln"), (2, "Bonn"), (3, None)):
        text = "sale_no;city\n" + (f"{month};{city}\n" if city else "")
        (files / f"sales_2024-{month:02}.csv").write_bytes(text.encode("cp1252"))
    write(files / "returns.csv", "sale_no,city", ["1,Bonn"])
    done = make()
    assert [each.name for each in done.tables] == ["returns", "sales"]
    assert len(done.tables[1].delivery.files) == 3
    assert doubts(done, "has the columns of returns")
    assert admitted(done) == {"returns": (1, 0), "sales": (2, 0)}
    (files / "sales_2024-04.csv").write_text("")
    (files / "sales_2024-05.csv").symlink_to("sales_2024-05.csv")
    again = make("again")
    assert [each.name for each in again.tables] == ["returns", "sales"]
    assert table(again, "sales")["meta"]["path"] == f"{files}/sales_2024-0[123].csv"
    assert again.left_out == [
        "sales_2024-04.csv: is empty, not even a header was found",
        "sales_2024-05.csv: a link that leads to no file",
    ]
    assert doubts(again, "means these files and none to come")
    assert admitted(again) == {"returns": (1, 0), "sales": (2, 0)}


def test_files_of_one_pattern_are_one_table_with_the_union_of_their_columns(
    files: Path, make: Make
) -> None:
    write(files / "orders_2023.csv", "order_no,total,store", ["1,2.5,A", "2,1,B"])
    write(files / "orders_2024.csv", "order_no,total,channel", ["3,4,web"])
    write(files / "orders_old.csv", "x,y", ["1,2"])
    done = make()
    found = table(done, "orders")
    assert found["meta"]["path"] == f"{files}/orders_[0-9]*.csv"
    assert found["meta"]["drift"] == {"missing": "warn"}
    assert list(found["columns"]) == ["order_no", "total", "store", "channel"]
    assert admitted(done)["orders"] == (3, 0)


def test_a_protected_workbook_is_left_out_with_its_cure(
    files: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files / "good.csv", "id,n", ["1,2"])
    write_xlsx(files / "book.xlsx", {"Stores": {1: ["store_id"], 2: ["01"]}})

    def refuse(_: object) -> None:
        raise PasswordError("protected")

    # No library here protects a workbook.
    monkeypatch.setattr(deliveries.CalamineWorkbook, "from_filelike", refuse)
    assert make().left_out == [
        "book.xlsx: is protected by a password; have it delivered without"
    ]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_line_of_totals_says_nothing_of_a_column_and_is_told(
    files: Path, make: Make, suffix: str
) -> None:
    header = ["order_no", "order_date", "status", "order_amount"]
    rows = [
        [f"o{n}", dt.date(2024, 1, n % 28 + 1), "paid", n + 0.5] for n in range(120)
    ]
    total = ["Total", None, None, 1800]
    if suffix == "csv":
        lines = [",".join(str(v or "") for v in row) for row in [*rows, total]]
        write(files / "orders.csv", ",".join(header), lines)
    else:
        cells = dict(enumerate([header, *rows, total], 1))
        write_xlsx(files / "orders.xlsx", {"Orders": cells})
    done = make()
    (orders,) = done.tables
    assert (orders.key, orders.cursor) == (["order_no"], "order_date")
    assert [each.feed for each in done.stagings] == ["orders"]
    assert doubts(done, "(numbers) 1 lines are totals of those above")
    assert admitted(done) == {"orders": (120, 1)}


@pytest.mark.parametrize("name", ['"Order\nnumber"', '"Order number"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_line_break_in_a_name_of_the_header_is_read(
    files: Path, make: Make, name: str, end: str
) -> None:
    # As Excel writes it: another line break than that of the rows.
    lines = [f"O{n};2024-01-0{n % 9 + 1};{n},50" for n in range(50)]
    header = f'{name};"Sold\nat";amount'
    (files / "orders.csv").write_text(end.join([header, *lines, ""]), newline="")
    (table,) = make().tables
    assert [column.name for column in table.columns] == [
        *("order_number", "sold_at", "amount")
    ]
    assert table.delivery.rows == 50
