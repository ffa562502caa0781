"""Keys, cursors, days in names and references."""

import datetime as dt
from pathlib import Path

from kith.company.folder import load_company
from kith.onboard.scaffold import summary
from tests.onboard.strangers import (
    Make,
    admitted,
    doubts,
    rules,
    shop,
    table,
    write,
)


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
        dt.date(2024, 1, 12),
        dt.date(2024, 4, 20),
    )
    assert doubts(done, "line_amount is quantity times price")
    # Every doubt is where it is said to be.
    for doubt in done.doubts:
        file, line, text = doubt.split(":", 2)
        written = (done.folder / file).read_text().splitlines()[int(line) - 1]
        assert "DOUBT: " in written
        assert written.split("DOUBT: ")[1] in text
    assert "sales_lines" in summary(done)


def test_a_day_that_stands_for_none_is_not_the_first(files: Path, make: Make) -> None:
    lines = [f"r{n},2024-03-{n % 28 + 1:02} 10:00:00,5.00" for n in range(60)]
    odd = ["1900-01-01 00:00:00", "1970-01-01 00:00:00", "1899-12-30 00:00:00"]
    write(
        files / "receipts.csv",
        "receipt_no,sold_at,total",
        lines + [f"x{n},{day},5.00" for n, day in enumerate(odd)],
    )
    write(
        files / "customers.csv",
        "customer_no,birth_date",
        [f"{n},19{n % 10 + 70}-01-01" for n in range(40)],
    )
    done = make()
    company = load_company(done.folder)
    assert (company.first_day, company.last_day) == (
        dt.date(2024, 3, 1),
        dt.date(2024, 3, 28),
    )
    (doubt,) = doubts(done, "mostly stands for none")
    assert "(numbers) 3 values are 1899-12-30" in doubt


def test_a_key_that_no_row_repeats_is_a_doubt(files: Path, make: Make) -> None:
    for day in (1, 2):
        write(
            files / f"sales_{day}.csv",
            "sale_no,till_no,amount",
            [f"{n},{day},5.00" for n in range(30)],
        )
    done = make()
    assert table(done, "sales")["meta"]["key"] == ["sale_no", "till_no"]
    assert doubts(done, "No row shows a correction of another")


def test_the_column_of_change_says_which_row_is_newer(files: Path, make: Make) -> None:
    days = [f"2024-01-{n % 28 + 1:02}" for n in range(60)]
    lines = [
        f"o{n},c{n % 20},{d} 10:00:00,{d} 10:00:00,5.00" for n, d in enumerate(days)
    ]
    # The second corrects the day of the order, too.
    lines += ["o9,c9,2024-01-10 10:00:00,2024-02-02 10:00:00,4.00"]
    lines += ["o8,c8,2024-01-02 10:00:00,2024-02-03 10:00:00,3.00"]
    write(
        files / "orders.csv", "order_no,customer_no,ordered_at,LastChanged,total", lines
    )
    write(
        files / "invoices.csv",
        "invoice_no,client_no,invoice_date,updated_at,total",
        [
            f"i{n},c{n % 20},{day},{day if n % 3 else ''},{n}.00"
            for n, day in enumerate(days)
        ],
    )
    write(
        files / "tickets.csv",
        "ticket_no,customer_no,opened_at,reason",
        [f"t{n},c{n % 20},{day},late" for n, day in enumerate(days)]
        + [f"t7,c7,{days[7]},lost", f"t6,c6,{days[5]},lost"],
    )
    done = make()
    orders = table(done, "orders")["meta"]
    assert (orders["key"], orders["cursor"]) == (["order_no"], "lastchanged")
    assert doubts(done, "(numbers) several rows of one order_no differ in lastchanged")
    staged = next(each for each in done.stagings if each.feed == "orders")
    assert staged.select["ordered_at"] == "ordered_at"
    invoices = table(done, "invoices")["meta"]
    assert (invoices["cursor"], invoices["arrived"]) == ("invoice_date", "updated_at")
    assert doubts(done, "arrived updated_at: not all rows have it")
    assert doubts(done, "2 rows repeat another one's ticket_no with other contents")
    counts = admitted(done)
    assert (counts["orders"], counts["invoices"]) == ((60, 0), (60, 0))


def test_a_table_with_the_key_of_another_belongs_to_that(
    files: Path, make: Make
) -> None:
    days = [f"2024-01-{n % 28 + 1:02}" for n in range(60)]
    write(
        files / "orders.csv",
        "order_no,customer_no,ordered_at,total",
        [f"o{n},c{n % 20},{day} 10:00:00,5.00" for n, day in enumerate(days)],
    )
    write(
        files / "order_deliveries.csv",
        "order_no,delivered_at,shipping",
        [f"o{n},{day} 12:00:00,1.50" for n, day in enumerate(days)],
    )
    write(
        files / "lines.csv",
        "order_no,position,sku,amount",
        [f"o{n // 2},{n % 2},p{n % 7},2.50" for n in range(120)],
    )
    done = make()
    for name in ("order_deliveries", "lines"):
        assert rules(done, name, "order_no")["references"]["table"] == "shop.orders"
    orders = next(each for each in done.stagings if each.feed == "orders")
    assert orders.select["delivered_at"] == "delivered_at"
    assert orders.select["shipping_amount"] == "shipping_amount"
