"""Whom the rows of a stranger's tables are about."""

from pathlib import Path

import pytest

from kith.onboard.scaffold import Scaffolded
from tests.onboard.strangers import Make, doubts, rules, write


def staged(done: Scaffolded, feed: str) -> str:
    return (done.folder / "staging" / f"stg_shop__{feed}.sql").read_text()


def test_a_number_of_its_own_on_every_order_gives_way_to_one_that_repeats(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "customer_id,customer_key,customer_zip_code,town",
        [f"c{n},k{n % 25},{n % 9:05},Bonn" for n in range(40)],
    )
    write(
        files / "orders.csv",
        "order_no,customer_id,ordered_at,total",
        [f"o{n},c{n},2024-01-{n % 28 + 1:02} 10:00:00,5.00" for n in range(40)],
    )
    write(
        files / "complaints.csv",
        "ticket_no,order_no,opened_at",
        [f"t{n},o{n},2024-02-{n % 28 + 1:02} 10:00:00" for n in range(30)],
    )
    done = make()
    assert doubts(done, "(customers) customer_id is another one on every order, while")
    assert "'customer_key' as identifier_type" in staged(done, "customers")
    for feed in ("orders", "tickets"):
        assert "customer_key as identifier_value" in staged(done, feed)
    assert "left join customers_by_customer_id using (customer_id)" in staged(
        done, "tickets"
    )


def test_an_address_of_a_shop_is_nobody_who_buys_there(files: Path, make: Make) -> None:
    write(
        files / "stores.csv",
        "store_id,email",
        [f"s{n},shop{n}@example.org" for n in range(25)],
    )
    write(
        files / "receipts.csv",
        "receipt_no,store_id,sold_at,total",
        [f"r{n},s{n % 25},2024-01-{n % 28 + 1:02} 10:00:00,5.00" for n in range(50)],
    )
    done = make()
    assert "store_id" in staged(done, "orders")
    assert "identifier" not in staged(done, "orders").split("select")[1]
    assert doubts(done, "(customers) no column names the customer")


def test_an_address_that_repeats_is_the_person_of_orders_with_numbers_of_guests(
    files: Path, make: Make
) -> None:
    write(
        files / "orders.csv",
        "order_no,customer_id,email,ordered_at,total",
        [
            f"o{n},g{n},anna{n % 30}@example.org,2024-01-{n % 28 + 1:02} 10:00:00,5.00"
            for n in range(60)
        ],
    )
    done = make()
    assert "'email' as identifier_type" in staged(done, "orders")
    write(
        files / "orders.csv",
        "order_no,customer_id,ordered_at,total",
        [f"o{n},g{n},2024-01-{n % 28 + 1:02} 10:00:00,5.00" for n in range(60)],
    )
    alone = make("alone")
    assert doubts(alone, "(customers) customer_id is another one on each of 60 orders")


def test_numbers_that_never_meet_the_file_of_persons_are_doubted(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "customer_no,town",
        [f"{17000 + n},Bonn" for n in range(40)],
    )
    write(
        files / "orders.csv",
        "order_no,customer_no,ordered_at,total",
        [f"o{n},K-{n % 30},2024-01-{n % 28 + 1:02} 10:00:00,5.00" for n in range(60)],
    )
    write(
        files / "visits.csv",
        "visit_no,customer_no,visited_at",
        [
            f"v{n},{17000 + n % 30}.0,2024-01-{n % 28 + 1:02} 10:00:00"
            for n in range(60)
        ],
    )
    done = make()
    assert doubts(done, "(customers) 0 of 30 values are in customers.customer_no")
    assert rules(done, "visits", "customer_no")["references"]["table"] == (
        "shop.customers"
    )


def test_short_numbers_of_two_tables_are_doubted_to_be_the_same(
    files: Path, make: Make
) -> None:
    for name in ("web_events", "app_events"):
        write(
            files / f"{name}.csv",
            "event_id,device_id,occurred_at,action",
            [
                f"{name}{n},{n % 9},2024-01-{n % 28 + 1:02} 10:00:00,view"
                for n in range(60)
            ],
        )
    done = make()
    (doubt,) = doubts(done, "(customers) short values that")
    assert "web_events.device_id" in doubt
    assert "scope: source" in doubt


@pytest.mark.parametrize(
    "others",
    ["recommended_by_email", "werber_email", "empfohlen_von", "account_manager_mail"],
)
def test_what_names_the_customer_on_a_row_is_told_from_what_names_others(
    files: Path, make: Make, others: str
) -> None:
    write(
        files / "customers.csv",
        f"customer_id,name,email,{others},town",
        [
            f"c{n},Anna Weber,anna{n}@example.org,ben{n % 9}@example.org,Bonn"
            for n in range(40)
        ],
    )
    write(
        files / "orders.csv",
        "order_no,customer_id,ordered_at,total",
        [f"o{n},c{n % 30},2024-01-{n % 28 + 1:02} 10:00:00,5.00" for n in range(40)],
    )
    done = make()
    assert rules(done, "customers", "customer_id")["identifies"] == "customer_id"
    assert "identifies" not in rules(done, "customers", "email")
    assert rules(done, "customers", "name")["identifies"] == "nobody"
    other = rules(done, "customers", others)
    assert other["identifies"] == "somebody_else"
    assert doubts(done, "its name tells of another person than the row's")
    # Nothing else on a row of orders names the customer.
    assert "identifies" not in rules(done, "orders", "customer_id")


def test_who_is_known_by_a_browser_alone_is_no_customer(
    files: Path, make: Make
) -> None:
    days = [f"2024-01-{n % 28 + 1:02} 10:00:00" for n in range(80)]
    write(
        files / "events.csv",
        "event_name,event_timestamp,user_pseudo_id,user_id,user_session_id",
        [
            f"page_view,{day},11{n % 20}.22,{f'u{n % 9}' if n % 4 == 0 else ''},s{n}"
            for n, day in enumerate(days)
        ],
    )
    for name, header in (
        ("clicks", "client_id,page"),
        ("taps", "anonymous_id,button"),
        ("hits", "domain_userid,network_id"),
        ("views", "visitor_id,page"),
        ("tickets", "client_id,subject"),
    ):
        write(
            files / f"{name}.csv",
            f"{name}_id,occurred_at,{header}",
            [f"{n},{day},v{n % 20},x{n % 30}" for n, day in enumerate(days)],
        )
    done = make()
    assert "identifier_value" in staged(done, "events")
    assert rules(done, "events", "user_pseudo_id")["pii"] == "device"
    assert rules(done, "events", "user_id") == {"identifies": "user_id"}
    assert rules(done, "events", "user_session_id") == {}
    for name, column in (
        ("clicks", "client_id"),
        ("taps", "anonymous_id"),
        ("hits", "domain_userid"),
        ("views", "visitor_id"),
    ):
        assert rules(done, name, column)["pii"] == "device", name
    assert "pii" not in rules(done, "tickets", "client_id")
    assert "pii" not in rules(done, "hits", "network_id")
    told = " ".join(doubts(done, "taken for the number of a browser"))
    assert "user_pseudo_id" not in told and "anonymous_id" not in told
    assert len(doubts(done, "taken for the number of a browser")) == 2
    people = {each.table.name: each.table.person for each in done.stagings}
    assert people["events"] and people["events"].kind == "device"
