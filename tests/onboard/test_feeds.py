"""Which feeds a stranger's tables provide."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from kith.company.folder import load_company
from kith.onboard.feeds import Staging
from tests.onboard.strangers import (
    Make,
    admitted,
    doubts,
    rules,
    write,
)


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
    assert sorted(company.feeds) == ["customers", "orders", "places"]
    sql = (done.folder / "staging" / "stg_shop__orders.sql").read_text()
    assert "betrag as order_amount" in sql
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


def test_an_account_is_an_organisation_only_where_it_is_not_the_customer(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "account_id,city",
        [f"A{n},town {n % 7}" for n in range(60)],
    )
    alone = make("alone").stagings[0].select
    write(
        files / "customers.csv",
        "customer_id,account_id,city",
        [f"C{n},A{n // 3},town {n % 7}" for n in range(60)],
    )
    of_account = make("of_account").stagings[0].select
    assert alone["identifier_value"] == "account_id"
    assert "account_id" not in alone
    assert of_account["account_id"] == "account_id"
    assert of_account["identifier_value"] == "customer_id"


def test_a_score_is_an_answer_on_the_scale_that_its_values_show(
    files: Path, make: Make
) -> None:
    def scales(scores: list[str], title: str = "reviews") -> str:
        for path in files.iterdir():
            path.unlink()
        write(
            files / f"{title}.csv",
            "review_no,rating,comment,created_at",
            [
                f"r{n},{scores[n % len(scores)]},words {n},"
                f"2024-01-{n % 28 + 1:02} 10:00:00"
                for n in range(60)
            ],
        )
        done = make(f"shop_{len(list(files.parent.glob('companies/*')))}")
        (staging,) = done.stagings
        found = staging.select
        return " ".join(
            [
                staging.feed,
                *(found.get(k, "") for k in ("measure", "scale_min", "scale_max")),
            ]
        )

    assert scales(["1", "3", "5"]) == "survey_answers 'csat' 1 5"
    assert scales(["0", "3", "5"]) == "survey_answers 'csat' 0 5"
    assert scales(["0.5", "3.0", "4.5"]) == "survey_answers 'csat' 0.5 5"
    assert scales(["2", "9", "10"]) == "survey_answers 'csat' 1 10"
    assert scales(["0", "9", "10"], "nps_answers") == "survey_answers 'nps' 0 10"
    assert scales(["", "4", "5"]) == (
        "survey_answers case when rating is not null then 'csat' end 1 5"
    )
    # Votes are no scores.
    assert scales(["17", "300", "-4"]) == "posts   "


def test_baskets_without_prices_are_orders_and_views_of_things_are_none(
    files: Path, make: Make
) -> None:
    write(
        files / "purchases.csv",
        "member_no,bought_at,item_name",
        [
            f"{n % 20 if n % 9 else ''},2024-01-{n % 5 + 1:02} 10:0{n % 7}:00,"
            f"thing {n % 11}"
            for n in range(300)
        ],
    )
    done = make()
    assert [each.feed for each in done.stagings] == ["orders"]
    sql = (done.folder / "staging" / "stg_shop__orders.sql").read_text()
    assert "{{ business_date('bought_at') }}" in sql
    assert "row_key)" in sql
    assert doubts(done, "(numbers) lines of orders, but no column gives line_amount")
    # Views of things are no purchases.
    (files / "purchases.csv").rename(files / "page_views.csv")
    again = make("again")
    assert "orders" not in [each.feed for each in again.stagings]


def test_an_amount_that_all_lines_of_an_order_share_is_doubted(
    files: Path, make: Make
) -> None:
    write(
        files / "order_lines.csv",
        "order_no,position,sku,amount,ordered_at",
        [f"o{n // 2},{n % 2},p{n % 7},{n // 2}.50,2024-01-02" for n in range(80)],
    )
    done = make()
    assert doubts(done, "(numbers) amount is the same on all lines of each order")


def test_what_a_status_does_to_an_order_is_told(files: Path, make: Make) -> None:
    words = ["Geliefert", "STORNIERT", "retoure", "weitergeleitet"]
    write(
        files / "orders.csv",
        "order_no,email,order_date,status,order_amount",
        [
            f"{n},p{n % 9}@example.org,2024-01-{n % 28 + 1:02},{words[n % 4]},5.00"
            for n in range(200)
        ],
    )
    done = make()
    assert doubts(done, "50 of 200 orders are 'STORNIERT' and are no purchases")
    assert doubts(done, "50 of 200 orders are 'retoure' and were bought and given back")
    assert doubts(done, "50 of 200 orders are 'weitergeleitet' and count as purchases")
    assert not doubts(done, "Geliefert")


def test_states_of_which_nobody_knows_whether_they_are_revenue_are_told(
    files: Path, make: Make
) -> None:
    words = [
        "Delivered",
        "on hold",
        "pending",
        "awaiting payment",
        "partially returned",
    ]
    words += ["shipped", "Teilweise-erstattet", *(f"state {n}" for n in range(20))]
    write(
        files / "orders.csv",
        "order_no,email,order_date,status,order_amount,payment_state,is_refunded",
        [
            f"{n},p{n % 9}@example.org,2024-01-{n % 28 + 1:02},"
            f"{words[n % len(words)]},5.00,{'voided' if n % 4 else 'paid'},"
            f"{'yes' if n % 6 == 0 else 'no'}"
            for n in range(270)
        ],
    )
    done = make()
    (unpaid,) = doubts(done, "(numbers) 30 of 270 orders are 'awaiting payment', ")
    assert "'on hold', 'pending' and count as purchases" in unpaid
    (partly,) = doubts(done, "(numbers) 20 of 270 orders are 'Teilweise-erstattet', ")
    assert "count in full" in partly
    (unknown,) = doubts(done, "(numbers) 200 of 270 orders are 'state 0'")
    assert "and 10 others" in unknown
    assert not doubts(done, "Delivered") and not doubts(done, "shipped")
    # So are they where lines tell of orders.
    write(
        files / "orders.csv",
        "order_no,position,sku,email,order_date,status,amount",
        [
            f"{n // 2},{n % 2},p{n % 7},p{n // 2 % 9}@example.org,"
            f"2024-01-0{n // 2 % 9 + 1},{words[n // 2 % len(words)]},5.00"
            for n in range(270)
        ],
    )
    lines = make("lines")
    assert doubts(lines, "(numbers) 30 of 270 lines of orders are 'awaiting payment', ")
    # What else tells of it and is not read.
    assert doubts(done, "(numbers) payment_state is 'voided' in 202 of 270 rows")
    assert doubts(done, "(numbers) is_refunded is 'yes' in 45 of 270 rows")


def test_lines_that_were_cancelled_or_given_back_bring_nothing(
    files: Path, make: Make
) -> None:
    def staged(returned: int) -> tuple[Staging, list[str]]:
        write(
            files / "orders.csv",
            "order_id,customer_no,order_date,total",
            [
                f"o{n},c{n % 40:03},2024-01-{n % 28 + 1:02},{2 * n + 3}.00"
                for n in range(120)
            ],
        )
        words = ["shipped", "shipped", "cancelled", "Returned", "lost"]
        write(
            files / "order_lines.csv",
            "order_id,line_no,sku,quantity,line_amount,item_status,state",
            [
                f"o{n},{line},p{n % 7},{sign},{sign * (n + line)}.00,{word},Texas"
                for n in range(120)
                for line in (1, 2)
                for word in [words[(n + line) % 5]]
                for sign in [returned if word == "Returned" else 1]
            ],
        )
        done = make(f"shop_{len(list(files.parent.glob('companies/*')))}")
        lines = next(each for each in done.stagings if each.feed == "order_lines")
        orders = next(each for each in done.stagings if each.feed == "orders")
        return lines, lines.doubts + orders.doubts

    lines, told = staged(1)
    is_undone = "item_status in ('Returned', 'cancelled')"
    assert lines.select["line_amount"] == (
        f"case when {is_undone} then 0 else line_amount end"
    )
    assert lines.select["quantity"] == f"case when {is_undone} then 0 else quantity end"
    assert "(numbers) 48 of 240 lines are 'cancelled' and bring nothing" in told
    assert any(
        one.startswith("(numbers) 48 of 240 lines are 'Returned'") for one in told
    )
    assert any(one.startswith("(numbers) 48 of 240 lines are 'lost'") for one in told)
    assert not any("Texas" in one for one in told)
    # They bring nothing, and their orders are none that miss lines.
    assert all("not the sum" not in one for one in told)
    # What is below 0 gives money back.
    lines, told = staged(-1)
    assert "'Returned'" not in lines.select["line_amount"]
    assert not any("'Returned'" in one for one in told)


def test_totals_count_where_orders_have_no_lines_unless_they_hold_more(
    files: Path, make: Make
) -> None:
    def mapped(more: int, first: int = 0, of: str = "order_total") -> tuple[bool, str]:
        """Whether the total is mapped, with the doubt about it."""
        write(
            files / "orders.csv",
            f"order_id,customer_no,order_date,{of}",
            [
                f"o{n},c{n % 40:03},2024-01-{n % 28 + 1:02},{2 * n + 9 + more}.90"
                for n in range(120)
            ],
        )
        write(
            files / "order_lines.csv",
            "order_id,line_no,sku,quantity,unit_price",
            [
                f"o{first + n},{line},p{n % 7},{1 + line},{price:.2f}"
                for n in range(60)
                for line, price in enumerate((n, (n + 9.9) / 2))
            ],
        )
        done = make(f"shop_{len(list(files.parent.glob('companies/*')))}")
        orders = next(each for each in done.stagings if each.feed == "orders")
        doubt = next(one for one in orders.doubts if of in one)
        return orders.select.get("order_amount") == of, doubt

    assert mapped(0) == (
        True,
        "(numbers) order_total is what an order adds to revenue where it has no line, "
        "as 60 of 120 have none: without shipping, all discounts taken off",
    )
    is_mapped, doubt = mapped(5)
    assert not is_mapped
    assert "60 of 120 orders have no line and bring no money" in doubt
    is_mapped, doubt = mapped(5, first=500, of="gesamtbetrag")
    assert is_mapped
    assert "since no line of order_lines has the number of one" in doubt


def test_totals_count_where_most_orders_with_lines_agree_and_never_go_in_silence(
    files: Path, make: Make
) -> None:
    def settled(
        total: Callable[[int], float],
        missing: int = 0,
        of: str = "total",
        more: str = "",
    ) -> tuple[str | None, list[str]]:
        """SQL of order_amount, and the doubts about it; `missing` lines were lost."""
        write(
            files / "orders.csv",
            f"order_id,customer_no,order_date,{of},{more}",
            [
                f"o{n},c{n % 40:03},2024-01-{n % 28 + 1:02},{total(n):.2f},{n % 4}.50"
                for n in range(120)
            ],
        )
        lines = [(n, line) for n in range(120) for line in (1, 2)]
        write(
            files / "order_lines.csv",
            "order_id,line_no,sku,line_amount",
            [f"o{n},{line},p{n % 7},{n + line}.00" for n, line in lines[missing:]],
        )
        done = make(f"shop_{len(list(files.parent.glob('companies/*')))}")
        orders = next(each for each in done.stagings if each.feed == "orders")
        return orders.select.get("order_amount"), orders.doubts

    def added(n: int) -> float:
        return 2 * n + 3

    # 13 orders lack a line, or all.
    amount, doubts = settled(added, missing=13)
    assert amount == "total"
    assert any("as 6 of 120 have none" in one for one in doubts)
    assert any(
        one.startswith("(numbers) total is not the sum of the lines of 1 of 114 orders")
        for one in doubts
    )
    # Each order has its lines: nothing else would tell that the total is not used.
    amount, doubts = settled(lambda n: 1.2 * added(n) + 1)
    assert amount is None
    assert any("(numbers) total is not mapped: it is the sum" in one for one in doubts)
    # Before the discount, and with the shipping.
    gross, doubts = settled(added, more="discount")
    assert gross == "total - coalesce(discount, 0)"
    assert any("if lines are net of discount already" in one for one in doubts)
    amount, _ = settled(lambda n: added(n) + n % 4 + 0.5, more="shipping_cost")
    assert amount == "total - coalesce(shipping_cost, 0)"
    # Whatever it is called.
    amount, doubts = settled(added, of="wert_eur", more="points")
    assert amount == "wert_eur"
    assert any("wert_eur is taken for the total" in one for one in doubts)
    (files / "order_lines.csv").unlink()
    alone = make("alone").stagings[0]
    assert "order_amount" not in alone.select
    assert any("(numbers) no column tells what an order" in one for one in alone.doubts)


def test_amounts_of_more_decimals_than_a_feed_keeps_are_rounded_or_doubted(
    files: Path, make: Make
) -> None:
    write(
        files / "order_lines.csv",
        "order_no,position,sku,quantity,unit_price,discount_amount,ordered_at",
        [
            f"o{n // 2},{n % 2},p{n % 7},0.{n:03},1.{n:03},0.{n:03},2024-01-02"
            for n in range(101, 181)
        ],
    )
    done = make()
    sql = (done.folder / "staging" / "stg_shop__order_lines.sql").read_text()
    assert "round(quantity * unit_price, 2) as line_amount" in sql
    assert doubts(done, "line_amount is quantity times price, rounded on each line")
    assert doubts(done, "(numbers) discount_amount has 3 decimals, discount_amount ")
    assert not doubts(done, "unit_price has 3 decimals")


def test_what_hardly_anybody_bought_with_something_else_is_orders_with_a_doubt(
    files: Path, make: Make
) -> None:
    # Nobody bought two things on one day.
    write(
        files / "groceries.csv",
        "member,day,item",
        [f"{1000 + n % 90},2024-01-{n % 28 + 1:02},thing {n % 7}" for n in range(300)],
    )
    done = make()
    assert [each.feed for each in done.stagings] == ["orders"]
    sql = (done.folder / "staging" / "stg_shop__orders.sql").read_text()
    assert "cast(member as string) || '-' || cast(day as string)" in sql
    assert doubts(done, "(numbers) no number of an order: what member bought on one")
    assert doubts(done, "(customers) member is taken for the number of a person")
    # Of a table whose name says nothing it is told that it counts nowhere.
    (files / "groceries.csv").rename(files / "extract.csv")
    again = make("again")
    assert again.stagings == []
    assert doubts(
        again, "(numbers) no feed is made of extract, though it tells who (member) and "
    )
    # Words are names, and are not stored in plain.
    write(
        files / "extract.csv",
        "member,day,item",
        [f"Ann {'Bea'[n % 3]},2024-01-{n % 28 + 1:02},thing" for n in range(300)],
    )
    (files / "extract.csv").rename(files / "groceries.csv")
    third = make("third")
    assert third.stagings == []
    assert doubts(third, "(numbers) no feed is made of groceries, though it tells when")
