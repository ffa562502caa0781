"""Totals of orders and amounts of lines."""

from collections.abc import Callable
from pathlib import Path

from kith.onboard.staging import Staging
from tests.onboard.strangers import Make, doubts, write


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
