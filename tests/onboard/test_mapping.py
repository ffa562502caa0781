"""A row of a table is a row of a feed."""

from pathlib import Path

from tests.onboard.strangers import Make, doubts, write


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
