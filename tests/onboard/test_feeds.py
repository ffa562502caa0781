"""Which feeds a stranger's tables provide."""

from pathlib import Path

from tests.onboard.strangers import Make, admitted, doubts, rules, write


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
