"""`make company`: what is guessed of a stranger's files, and that the folder runs."""

import datetime as dt
import gzip
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.admit.table import admit_table
from kith.build.candidate import dbt, prepare_warehouse
from kith.company.folder import load_company
from kith.errors import ConfigurationError
from kith.onboard.feeds import contracts
from kith.onboard.scaffold import Scaffolded, scaffold, summary
from kith.onboard.vocabulary import COLUMNS, FEEDS, phrases
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run, run_pipeline
from tests.one_table import admitted_sql
from tests.pull.connectors.workbooks import write_xlsx
from tests.shared_data import shared_data

Make = Callable[..., Scaffolded]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def make(tmp_path: Path, files: Path, kith_home: Path) -> Make:
    """Scaffold the files as company `shop`."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")

    def scaffolded(name: str = "shop") -> Scaffolded:
        return scaffold(name, files, tmp_path / "companies" / name)

    yield scaffolded
    monkey.undo()


def table(done: Scaffolded, name: str) -> dict[str, Any]:
    """A table as sources.yml declares it, its columns by name."""
    content = yaml.safe_load((done.folder / "sources.yml").read_text())
    (source,) = content["sources"]
    found = {each["name"]: each for each in source["tables"]}[name]
    columns = {each["name"]: each for each in found["columns"]}
    return {"meta": found["config"]["meta"], "columns": columns}


def kinds(done: Scaffolded, name: str) -> dict[str, str]:
    return {
        column: declared["data_type"]
        for column, declared in table(done, name)["columns"].items()
    }


def rules(done: Scaffolded, name: str, column: str) -> dict[str, Any]:
    declared = table(done, name)["columns"][column]
    return dict(declared.get("config", {}).get("meta", {}))


def doubts(done: Scaffolded, words: str) -> list[str]:
    return [doubt for doubt in done.doubts if words in doubt]


def admitted(done: Scaffolded) -> dict[str, tuple[int, int]]:
    """Rows admitted and quarantined of each table, through the real door."""
    company = load_company(done.folder)
    last = company.last_day or dt.date.today() - dt.timedelta(1)
    run = new_run(done.folder, company.first_day.isoformat(), last.isoformat())
    counts = {}
    for each in company.sources:
        pull_table(run, each.full_name)
        admit_table(run, each.full_name)
        counts[each.name] = (rows(run, each.full_name), refused(run, each.full_name))
    return counts


def rows(run: Run, name: str) -> int:
    return duckdb.sql(f"from {admitted_sql(run, name)}").count("*").fetchall()[0][0]


def refused(run: Run, name: str) -> int:
    path = run.quarantine(name) / run.interval.slug / "rows.parquet"
    return duckdb.sql(f"from '{path}'").count("*").fetchall()[0][0]


def write(path: Path, header: str, lines: Iterator[str] | list[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def test_the_vocabulary_knows_every_feed_and_no_column_that_none_has() -> None:
    read = contracts()
    assert set(FEEDS) == set(read)
    columns = {column for contract in read.values() for column in contract}
    for feed, entry in FEEDS.items():
        assert set(phrases(entry.get("needs", ""))) <= set(read[feed])
    assert set(COLUMNS) <= columns


# --- reading --------------------------------------------------------------------------


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
        },
    )
    done = make()
    assert [each.name for each in done.tables] == ["book_sales", "book_stores"]
    assert table(done, "book_sales")["meta"]["options"] == {"sheet": "Sales"}
    assert kinds(done, "book_stores") == {"store_id": "varchar", "opened": "date"}
    assert kinds(done, "book_sales") == {
        "sale_no": "varchar",
        "amount": "decimal(18,2)",
    }
    assert admitted(done) == {"book_sales": (3, 0), "book_stores": (2, 0)}


def test_what_cannot_be_read_is_left_out_with_its_reason(
    files: Path, make: Make
) -> None:
    write(files / "good.csv", "id,n", ["1,2"])
    write(files / "nameless.csv", "17,anna@example.org,3", ["18,ben@example.org,4"])
    (files / "picture.png").write_bytes(b"\x89PNG")
    (files / "empty.csv").write_text("")
    write(files / "aligned.txt", " id   n", [" 1    2", " 10   3"])
    (files / "broken.csv.gz").write_bytes(gzip.compress(b"id,n\n1,2\n" * 99)[:25])
    done = make()
    assert [each.name for each in done.tables] == ["good"]
    assert len(done.left_out) == 5
    assert any("no names of columns" in reason for reason in done.left_out)
    text = "".join(path.read_text() for path in done.folder.rglob("*.*"))
    assert "example.org" not in text + summary(done)


def test_files_that_are_slightly_off_are_read_or_left_out_with_the_cure(
    files: Path, make: Make
) -> None:
    lines = [f"{n},a,b" for n in range(400)]
    write(files / "broken_line.csv", "id,x,y", [*lines[:9], "9,a", *lines[10:]])
    (files / "windows.csv").write_bytes("id,n\n1,4\n2,5\n".encode("utf-16-le"))
    (files / "cyrillic.csv").write_bytes("id,имя\n1,Иван\n2,Анна\n".encode("cp1251"))
    (files / "old_mac.csv").write_bytes(b"id,n\r1,4\r2,5\r")
    write(files / "titled.csv", "Sales of May,,", ["id,n,m", "1,2,3", "2,3,4"])
    write(files / "case.csv", "Id,ID", ["1,2"])
    write(files / "bare.csv", "id,n", [])
    done = make()
    assert {each.name: table(done, each.name)["meta"] for each in done.tables}[
        "windows"
    ]["options"] == {"encoding": "utf-16-le"}
    assert list(table(done, "cyrillic")["columns"]) == ["id", "имя"]
    assert doubts(done, "lines that cannot be read and go to quarantine: 1")
    assert doubts(done, "holds a number or a gap")
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
    again = make("again")
    assert [each.name for each in again.tables] == ["returns"]
    assert any("and not sales_2024-04.csv" in reason for reason in again.left_out)


# --- groups ---------------------------------------------------------------------------


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


def test_days_in_names_are_days_of_delivery_where_the_rows_agree(
    files: Path, make: Make
) -> None:
    for day in range(1, 9):
        late = [f"{day}9,2024-03-{day - 2:02} 09:00:00,v"] if day > 2 else []
        today = [f"{day}{n},2024-03-{day:02} 1{n}:00:00,v" for n in range(3)]
        write(
            files / f"clicks-2024-03-{day:02}.csv",
            "click_id,clicked_at,page",
            today + late,
        )
        price = "9" if day == 5 else "1"
        write(
            files / f"prices_202403{day:02}.csv",
            "article_no,price",
            [f"{n},{price if n == 1 else n}" for n in range(1, 9)],
        )
    done = make()
    meta = table(done, "clicks")["meta"]
    assert meta["path"] == f"{files}/clicks-{{date:%Y-%m-%d}}.csv"
    assert (meta["cursor"], meta["look_back_days"]) == ("clicked_at", 2)
    meta = table(done, "prices")["meta"]
    assert meta["path"] == f"{files}/prices_{{date:%Y%m%d}}.csv"
    assert "cursor" not in meta
    assert admitted(done) == {"clicks": (30, 0), "prices": (8, 0)}
    assert (done.folder / "company.yml").read_text().count("2024-03-0") == 2


# --- columns --------------------------------------------------------------------------


def test_types_are_those_with_which_all_rows_can_be_read(
    files: Path, make: Make
) -> None:
    draw = random.Random(5)
    header = (
        "number,code,zip,amount,euros,thousands,grams,day,german,american,either,moment,"
        "text,active,mixed,nothing,level,batch"
    )
    lines = []
    for n in range(400):
        day = dt.date(2024, 1, 1) + dt.timedelta(n % 300)
        late = "?" if n == 399 else str(n)
        fields = [
            str(n - 7),
            f"{n:06}",
            f"{n + 1000:05}",
            f"{n}.5",
            f'"{n},25"',
            f'"{n + 1000:,}.5"',
            f"{n / 7:.12f}",
            day.isoformat(),
            f"{day:%d.%m.%Y}",
            f"{day:%m/%d/%Y}",
            f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024",
            f"{day}T10:00:00",
            draw.choice(["Anna saw it", "x", "so so"]) + str(n),
            draw.choice(["yes", "no"]),
            late,
            "",
            draw.choice(["gold", "silver"]),
            f"{n:05}",
        ]
        lines.append(",".join(fields))
    write(files / "things.csv", header, lines)
    done = make()
    assert kinds(done, "things") == {
        "number": "varchar",
        "code": "varchar",
        "zip": "varchar",
        "amount": "decimal(18,2)",
        "euros": "decimal(18,2)",
        "thousands": "decimal(18,2)",
        "grams": "double",
        "day": "date",
        "german": "date",
        "american": "date",
        "either": "date",
        "moment": "timestamp",
        "text": "varchar",
        "active": "boolean",
        "mixed": "bigint",
        "nothing": "varchar",
        "level": "varchar",
        "batch": "varchar",
    }
    assert rules(done, "things", "german") == {"format": "%d.%m.%Y"}
    assert rules(done, "things", "american") == {"format": "%m/%d/%Y"}
    assert rules(done, "things", "euros") == {"decimal": ","}
    assert rules(done, "things", "thousands") == {"decimal": "."}
    assert rules(done, "things", "mixed") == {"null_values": ["?"]}
    assert rules(done, "things", "level") == {"accepted_values": ["gold", "silver"]}
    assert doubts(done, "month and day exchanged")
    assert doubts(done, "no offset, read as UTC")
    assert doubts(done, "holds no value at all")
    assert doubts(done, "leading zeros")
    assert "first_day: 2024-01-01" in (done.folder / "company.yml").read_text()
    assert admitted(done) == {"things": (400, 0)}


def test_the_last_row_counts_as_much_as_the_first(files: Path, make: Make) -> None:
    write(
        files / "long.csv",
        "row_no,weight,spread",
        [f"{n},{n},{n}" for n in range(5000)] + ["5000,heavy,7"] + ["5001,1,1"] * 0,
    )
    done = make()
    assert kinds(done, "long") == {
        "row_no": "varchar",
        "weight": "bigint",
        "spread": "bigint",
    }
    assert doubts(done, "1 of 5001 values are no bigint and go to quarantine")
    assert admitted(done) == {"long": (5000, 1)}

    write(
        files / "long.csv",
        "row_no,weight",
        [f"{n},{n}" for n in range(900)] + [f"{n},heavy {n}" for n in range(900, 950)],
    )
    again = make("again")
    assert kinds(again, "long")["weight"] == "varchar"
    assert doubts(again, "900 of 950 values are bigint, the others are not")


def test_nothing_of_a_late_value_is_lost(files: Path, make: Make) -> None:
    rows = [f"R{n},{n}.5,{n + 1},{n}.5,{n}" for n in range(3000)]
    rows[2990] = "R2990,0.0625,007,2.123456789012,12345678901234567890"
    write(files / "late.csv", "row_no,weight,batch,price,serial", rows)
    write(
        files / "either.csv",
        "row_no,distance,paid,share,seen",
        [
            f"R{n},{n % 9 + 1}.{n + 100},{n},{n % 100}%,"
            f"{'2024-01-02' if n % 2 else '02.01.2024'}"
            for n in range(300)
        ],
    )
    done = make()
    assert kinds(done, "late") == {
        "row_no": "varchar",
        "weight": "decimal(18,4)",
        "batch": "varchar",
        "price": "double",
        "serial": "varchar",
    }
    assert kinds(done, "either") == {
        "row_no": "varchar",
        "distance": "decimal(18,3)",
        "paid": "bigint",
        "share": "varchar",
        "seen": "varchar",
    }
    assert doubts(done, "all values allow the reverse")
    assert doubts(done, "numbers with a sign") and doubts(
        done, "days written in several"
    )
    assert admitted(done) == {"either": (300, 0), "late": (3000, 0)}


def test_days_whose_order_a_neighbour_settles_are_doubted_still(
    files: Path, make: Make
) -> None:
    write(
        files / "visits.csv",
        "visit_no,came,left",
        [
            f"{n},0{n % 9 + 1}/{13 + n % 9}/2024,0{n % 9 + 1}/0{n % 7 + 1}/2024"
            for n in range(99)
        ],
    )
    done = make()
    assert rules(done, "visits", "came") == {"format": "%m/%d/%Y"}
    assert rules(done, "visits", "left") == {"format": "%m/%d/%Y"}
    assert doubts(done, "month and day exchanged")


def test_people_are_declared_and_never_quoted(files: Path, make: Make) -> None:
    header = (
        "CustomerID,E-Mail,Mobile,Loyalty Card,device_id,Twitter,First Name,Contact,"
        "card_type,City"
    )
    people = [
        f"C{n},anna{n}@example.org,138 0013 {n:04},9000-{n:04}-{n},aa-{n:05},@anna{n},"
        f"Anna{n % 4},ben{n}@example.net,{'debit' if n % 3 else 'credit'},Berlin"
        for n in range(400)
    ]
    write(files / "customers.csv", header, people)
    done = make()
    found = table(done, "customers")["columns"]
    declared = {
        name: column.get("config", {}).get("meta", {}).get("pii")
        for name, column in found.items()
    }
    assert declared == {
        "customerid": None,
        "e_mail": "email",
        "mobile": "phone",
        "loyalty_card": "card",
        "device_id": "device",
        "twitter": "handle",
        "first_name": None,
        "contact": "email",
        "card_type": None,
        "city": None,
    }
    assert rules(done, "customers", "mobile")["phone_region"] == "CN"
    text = "".join(path.read_text() for path in done.folder.rglob("*.*"))
    for secret in ("example.", "@anna", "Anna1", "0013", "aa-0"):
        assert secret not in text + summary(done)
    assert "KITH_IDENTIFIER_KEY" in summary(done)
    assert admitted(done) == {"customers": (400, 0)}


# --- keys, references, feeds ----------------------------------------------------------


def shop(files: Path, orders: int = 300) -> None:
    """Customers, articles, and lines of orders without a table of orders."""
    draw = random.Random(3)
    write(
        files / "customers.csv",
        "customer_no,city,hobby,signup_date",
        [
            f"{n:04},{draw.choice(['Bonn', 'Köln'])},{draw.choice('AB')},"
            f"2023-0{n % 9 + 1}-01"
            for n in range(200)
        ],
    )
    write(
        files / "articles.csv",
        "article_no,description,unit_cost",
        [f"P{n},thing {n},{n}.10" for n in range(50)],
    )
    lines = []
    for n in range(orders):
        day = dt.date(2024, 1, 1) + dt.timedelta(n // 3)
        customer = f"{draw.randrange(200):04}"
        for article in draw.sample(range(50), 3):
            lines.append(
                f"R{n},{customer},{day} 12:0{n % 6}:00,P{article},{1 + n % 3},"
                f"{article + 1}.20"
            )
    write(
        files / "sales_lines.csv",
        "receipt_no,customer_no,sold_at,article_no,qty,unit_price",
        lines,
    )


def test_keys_references_and_feeds_of_a_shop(files: Path, make: Make) -> None:
    shop(files)
    done = make()
    assert table(done, "customers")["meta"]["key"] == ["customer_no"]
    lines = table(done, "sales_lines")["meta"]
    assert lines["key"] == ["receipt_no", "article_no"]
    assert lines["cursor"] == "sold_at"
    assert rules(done, "sales_lines", "article_no")["references"] == {
        "table": "shop.articles",
        "column": "article_no",
    }
    company = load_company(done.folder)
    assert sorted(company.feeds) == [
        "attributes",
        "customers",
        "order_lines",
        "orders",
        "products",
    ]
    assert (company.first_day, company.last_day) == (
        dt.date(2024, 1, 1),
        dt.date(2024, 4, 9),
    )
    assert doubts(done, "line_amount is quantity times price")
    # Every doubt is where it is said to be.
    for doubt in done.doubts:
        file, line, text = doubt.split(":", 2)
        written = (done.folder / file).read_text().splitlines()[int(line) - 1]
        assert "DOUBT: " in written
        assert written.split("DOUBT: ")[1] in text
    assert "sales_lines" in summary(done)


def test_names_in_one_word_and_in_german_are_understood(
    files: Path, make: Make
) -> None:
    write(
        files / "kunden.csv",
        "Kundennummer;PLZ;Geburtsdatum",
        [f"{n:05};{n:05};0{n % 9 + 1}.02.1970" for n in range(100)],
    )
    write(
        files / "Umsätze.csv",
        "Belegnummer;Kundennummer;Datum;Menge;Betrag",
        [f"{n:06};{n % 100:05};{n % 28 + 1}.01.2024;1;1.{n:03},50" for n in range(300)],
    )
    write(files / "stores.csv", "storeid,zip", [f"{n},{n:05}" for n in range(40)])
    write(files / "tickets.csv", "ticket,state", [f"{n},open" for n in range(40)])
    done = make()
    assert {each.name: each.key for each in done.tables} == {
        "kunden": ["kundennummer"],
        "stores": ["storeid"],
        "tickets": ["ticket"],
        "umsatze": ["belegnummer"],
    }
    assert doubts(done, "key ticket: unique in these 40 rows, but is it by meaning?")
    company = load_company(done.folder)
    assert sorted(company.feeds) == ["customers", "order_lines", "orders", "places"]
    assert company.first_day == dt.date(2024, 1, 1)
    assert rules(done, "umsatze", "betrag")["decimal"] == ","


def test_a_column_goes_where_it_fits_best_and_circles_are_left_open(
    files: Path, make: Make
) -> None:
    write(
        files / "products.csv",
        "product_id,product_category_name,name_length",
        [f"P{n},things,{n}" for n in range(30)],
    )
    write(
        files / "customers.csv",
        "customer_id,order_id",
        [f"C{n},O{n}" for n in range(30)],
    )
    write(
        files / "orders.csv",
        "order_id,customer_id,ordered_at",
        [f"O{n},C{n},2024-01-{n % 28 + 1:02} 10:00:00" for n in range(30)],
    )
    write(
        files / "customer_addresses.csv",
        "customer_id,line,town",
        [f"C{n // 2},{n % 2},x{n}" for n in range(60)],
    )
    done = make()
    assert doubts(done, "looks like the feed customers, but customer_id is no key")
    sql = (done.folder / "staging" / "stg_shop__products.sql").read_text()
    assert "product_category_name as category" in sql
    assert " as name" not in sql
    declared = [
        rules(done, name, column).get("references")
        for name, column in (("orders", "customer_id"), ("customers", "order_id"))
    ]
    assert declared.count(None) == 1
    assert admitted(done)["orders"] == (30, 0)


def test_what_is_said_in_yaml_is_what_was_found(files: Path, make: Make) -> None:
    shop(files, 30)
    write(
        files / "odd.csv",
        "Order,loaded_at,*No,group,2nd: a",
        ["a,b,1,yes,x", "b,c,2,no,x"],
    )
    done = make()
    company = load_company(done.folder)
    for guess in done.tables:
        declared = company.table(f"shop.{guess.name}")
        assert declared.columns == [column.declared() for column in guess.columns]
    assert admitted(done)["odd"] == (2, 0)


def test_the_same_files_give_the_same_folder(files: Path, make: Make) -> None:
    shop(files, 60)
    first, second = make(), make("twin")
    for path in first.folder.rglob("*.*"):
        twin = second.folder / str(path.relative_to(first.folder)).replace(
            "stg_shop", "stg_twin"
        )
        text = twin.read_text().replace("twin", "shop").replace("Twin", "Shop")
        assert text == path.read_text()


def test_an_existing_folder_a_bad_name_and_an_empty_folder_are_refused(
    files: Path, make: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no file can be read"):
        make()
    write(files / "a.csv", "id,n", ["1,2"])
    done = make()
    (done.folder / "company.yml").write_text("mine")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        make()
    assert (done.folder / "company.yml").read_text() == "mine"
    with pytest.raises(ConfigurationError, match="expected lower-case"):
        make("My Shop")
    with pytest.raises(ConfigurationError, match="is a file; expected the folder"):
        scaffold("other", files / "a.csv", tmp_path / "other")
    # The name of a schema of Kith's is none for a source.
    assert load_company(make("customer").folder).sources[0].source == "customer_files"


def test_the_shop_is_published_without_an_edit(files: Path, make: Make) -> None:
    shop(files)
    done = make()
    company = load_company(done.folder)
    run = new_run(done.folder, str(company.first_day), str(company.last_day))
    release = run_pipeline(run)
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select sum(order_count), sum(revenue_amount) from customer.customer_values"
        ).fetchone()
    lines = duckdb.read_csv(str(files / "sales_lines.csv"))
    revenue = lines.aggregate("sum(qty * unit_price::decimal(18,2))").fetchall()[0][0]
    assert found == (300, revenue)


def test_nine_years_of_a_survey_give_the_published_scores_without_an_edit(
    tmp_path: Path, kith_home: Path
) -> None:
    files = shared_data("sfo_survey", "KITH_SFO_SURVEY")
    done = scaffold("sfo", files, tmp_path / "sfo")
    (survey,) = done.tables
    assert (survey.delivery.rows, len(survey.delivery.files)) == (28_665, 9)
    company = load_company(done.folder)
    run = new_run(done.folder, str(company.first_day), str(company.last_day))
    (each,) = company.sources
    pull_table(run, each.full_name)
    admit_table(run, each.full_name)
    run.warehouse.parent.mkdir(parents=True)
    prepare_warehouse(run)
    dbt(run, "run", "--select", "+feed_survey_answers")
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        found = connection.execute(
            """
            select year(answered_at), measure,
                round(100 * (avg((score >= 9)::int) - avg((score <= 6)::int)), 2),
                round(100 * avg((score >= 4)::int), 2), count(*)
            from feeds.survey_answers
            where measure in ('nps', 'csat') and year(answered_at) >= 2017
            group by all order by all
            """
        ).fetchall()
    assert [
        (year, measure, nps if measure == "nps" else csat, n)
        for year, measure, nps, csat, n in found
    ] == [
        (2017, "csat", 82.07, 2688),
        (2017, "nps", 39.84, 2746),
        (2018, "csat", 78.44, 2625),
        (2018, "nps", 30.98, 2650),
    ]
