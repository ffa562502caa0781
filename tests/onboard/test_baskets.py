"""Lines that know no number of an order."""

from pathlib import Path

from tests.onboard.strangers import Make, doubts, write


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
