"""Which of two columns of one kind tells of the row's own person."""

from pathlib import Path

import pytest

from kith.onboard.scaffold import Scaffolded
from tests.onboard.strangers import Make, doubts, rules, write

FIRST = "(customers) "


def others(done: Scaffolded, name: str, *columns: str) -> list[bool]:
    """Whether each of the columns is declared another person's."""
    found = (rules(done, name, column) for column in columns)
    return [each.get("identifies") == "somebody_else" for each in found]


def orders(files: Path, people: int = 60) -> None:
    write(
        files / "orders.csv",
        "order_no,customer_id,ordered_at,total",
        [
            f"o{n},c{n % people},2024-01-{n % 28 + 1:02} 10:00:00,{n}.00"
            for n in range(2 * people)
        ],
    )


@pytest.mark.parametrize("named", ["mgm_mail", "contact2_email", "refferrer_email"])
def test_an_address_of_another_customer_joins_nobody_whatever_it_is_called(
    files: Path, make: Make, named: str
) -> None:
    # Who brought them is a customer, too, and mostly brought several.
    write(
        files / "customers.csv",
        f"customer_id,{named},email,town",
        [
            f"c{n},{f'P{(n + 1) % 7}@Example.org' if n % 3 else ''},p{n}@example.org,"
            "Bonn"
            for n in range(60)
        ],
    )
    orders(files)
    done = make()
    assert others(done, "customers", "email", named) == [False, True]
    assert rules(done, "customers", "customer_id")["identifies"] == "customer_id"
    (doubt,) = doubts(done, f"{FIRST}40 of 40 values of {named} are those of email on")
    assert "take identifies out if" in doubt


def test_of_what_meets_no_other_row_nobody_is_joined_and_it_is_told(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "customer_id,phone,email,mobile,work_email,kontakt2_email,kontakt2_tel,town",
        [
            f"c{n},+49 30 {2_000_000 + n},p{n}@example.org,+49 171 {2_000_000 + n},"
            f"w{n}@example.com,q{n}@example.net,+49 40 {2_000_000 + n},Bonn"
            for n in range(60)
        ],
    )
    orders(files)
    done = make()
    assert (
        others(done, "customers", "phone", "email", "mobile", "work_email")
        == [False] * 4
    )
    assert others(done, "customers", "kontakt2_email", "kontakt2_tel") == [True, True]
    (doubt, _) = doubts(done, " is a second ")
    assert "take identifies out if" in doubt


def test_namesakes_and_neighbours_are_several_people(files: Path, make: Make) -> None:
    write(
        files / "customers.csv",
        "customer_id,vorname,LASTNAME,street,address_line,nickname",
        [
            f"c{n},Anna{n % 9},Weber{n % 7},Weg {n // 2},Weg {n // 2},nick{n}"
            for n in range(60)
        ],
    )
    done = make()
    borne = ("vorname", "lastname", "street", "address_line")
    assert [rules(done, "customers", name).get("identifies") for name in borne] == (
        ["nobody"] * 4
    )
    assert rules(done, "customers", "nickname") == {"pii": "handle"}
    # Nor do they name who ordered; what is no address names nobody.
    odd = [f"o{n},Anna W{n % 40},Weg {n % 50},2024-01-0{n % 9 + 1}," for n in range(90)]
    write(
        files / "orders.csv",
        "order_no,customer_name,street,order_date,mail",
        [
            f"{row}{'none yet' if n % 9 == 0 else f'p{n}@x.org'}"
            for n, row in enumerate(odd)
        ],
    )
    (orders,) = (one for one in make("known").stagings if one.feed == "orders")
    assert orders.select["identifier_type"] == (
        "case when mail is not null then 'email' end"
    )
    write(files / "orders.csv", "order_no,customer_name,street,order_date,note", odd)
    unknown = make("unknown")
    (orders,) = (one for one in unknown.stagings if one.feed == "orders")
    assert "identifier_value" not in orders.select
    assert doubts(
        unknown, f"{FIRST}no column names the customer (many may bear customer_"
    )


def test_gifts_go_to_others_and_a_buyer_is_known_by_their_own_address(
    files: Path, make: Make
) -> None:
    write(
        files / "orders.csv",
        "order_no,deliver_to_mail,mail,ordered_at,total",
        [
            f"o{n},p{n * 7 % 90}@example.org,p{n % 40}@example.org,"
            f"2024-01-{n % 28 + 1:02} 10:00:00,{n}.00"
            for n in range(120)
        ],
    )
    done = make()
    assert others(done, "orders", "mail", "deliver_to_mail") == [False, True]
    (staging,) = done.stagings
    assert staging.select["identifier_value"] == "mail"


def test_an_address_that_the_file_of_customers_gives_to_another_is_anothers(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "customer_id,email,town",
        [f"c{n},p{n}@example.org,Bonn" for n in range(60)],
    )
    for name, shift in (("own", 0), ("mgm", 9)):
        write(
            files / f"{name}_orders.csv",
            f"order_no,customer_id,{name}_mail,ordered_at,total",
            [
                f"o{n},c{n % 60},p{(n + shift) % 60}@example.org,"
                f"2024-01-{n % 28 + 1:02} 10:00:00,{n}.00"
                for n in range(120)
            ],
        )
    done = make()
    assert others(done, "own_orders", "own_mail") == [False]
    assert others(done, "mgm_orders", "mgm_mail") == [True]
    assert doubts(done, f"{FIRST}120 of 120 values of mgm_mail are those of email of")


def test_the_number_of_another_customer_does_not_name_the_row(
    files: Path, make: Make
) -> None:
    write(
        files / "customers.csv",
        "mgm_cust_no,customer_no,town",
        [f"{1000 + n % 9},{1000 + n},Bonn" for n in range(60)],
    )
    write(
        files / "orders.csv",
        "order_no,invited_by_customer_no,customer_no,ordered_at,total",
        [
            f"o{n},{1000 + n % 7},{1000 + n % 60},2024-01-{n % 28 + 1:02} 10:00:00,5.00"
            for n in range(120)
        ],
    )
    done = make()
    people = {each.feed: each.select["identifier_value"] for each in done.stagings}
    assert people == {"customers": "customer_no", "orders": "customer_no"}
    assert doubts(done, f"{FIRST}invited_by_customer_no numbers persons as well")
    # The key names the person, though no known word does.
    for named in ("wrb_kunden_nr", "werber_kunden_nr"):
        write(
            files / "customers.csv",
            f"{named},knr_id,town",
            [f"{10_000 + n % 600},{10_000 + n},Bonn" for n in range(1200)],
        )
        (customers,) = (one for one in make(named).stagings if one.feed == "customers")
        assert customers.select["identifier_value"] == "knr_id", named
