"""Orders of which their lines tell."""

from pathlib import Path

from tests.onboard.strangers import Make, write


def test_orders_are_those_whose_number_stands_on_a_line_whatever_else_it_lacks(
    files: Path, make: Make
) -> None:
    write(
        files / "order_lines.csv",
        "receipt,position,sku,receipt_total,customer_no,ordered_at",
        [
            f"{receipt},{n % 2},p{n % 7},{amount},c{n // 2 % 9:03},"
            f"2024-01-{n // 2 % 28 + 1:02} 10:00:00"
            for n in range(80)
            for receipt in [f"R{n // 2}" if n < 78 else ""]
            for amount in [f"{n}.50" if n % 4 > 1 else ""]
        ],
    )
    conditions = {each.feed: each.conditions for each in make().stagings}
    assert conditions == {
        "order_lines": ["receipt is not null", "receipt_total is not null"],
        "orders": ["receipt is not null"],
    }
