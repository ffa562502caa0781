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
