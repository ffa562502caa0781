"""What onboarding knows of states of orders."""

from pathlib import Path

from kith.company.order_statuses import OrderStatuses
from kith.company.words import folded
from kith.onboard.vocabulary import WORDS
from tests.onboard.strangers import Make, doubts, write


def test_states_of_which_a_doubt_tells_are_those_that_count_as_purchases() -> None:
    classes = OrderStatuses().words()
    counted = {*classes["placed"], *classes["completed"]}
    for kind in ("unpaid", "partly"):
        assert set(map(folded, WORDS[kind])) <= counted


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
