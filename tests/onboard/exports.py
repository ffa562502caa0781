"""Exports of a marketplace, of baskets, of web analytics, all invented."""

import datetime as dt
import json
import random
from pathlib import Path

from tests.onboard.strangers import write

_WORDS = ("", "", "", "good", "late, but good", "not what I expected")
_CITIES = (("campo alto", "SP"), ("porto claro", "RJ"), ("serra nova", "MG"))


def marketplace(files: Path) -> None:
    """Nine tables: 500 orders of 420 people, of whom 40 came three times.

    Each order has a customer_id of its own, and the person's customer_unique_id.
    """
    draw = random.Random(7)

    def number() -> str:
        return f"{draw.getrandbits(128):032x}"

    people = [number() for _ in range(420)]
    buyers = people[:40] * 3 + people[40:]
    draw.shuffle(buyers)
    places = {person: draw.choice(_CITIES) for person in people}
    products, sellers = [number() for _ in range(60)], [number() for _ in range(20)]
    customers, orders, items, payments, reviews = [], [], [], [], []
    for n, person in enumerate(buyers):
        order, customer = number(), number()
        city, state = places[person]
        customers.append(f"{customer},{person},{10000 + n % 90:05},{city},{state}")
        bought = dt.datetime(2024, 1, 1, 8) + dt.timedelta(hours=8.5 * n)
        approved, carried, delivered = (
            bought + dt.timedelta(days=days) for days in (0.02, 2, 5 + n % 9)
        )
        status = "canceled" if n % 80 == 7 else "shipped" if n > 490 else "delivered"
        done = status == "delivered"
        orders.append(
            f"{order},{customer},{status},{bought},{approved},"
            f"{carried if status != 'canceled' else ''},{delivered if done else ''},"
            f"{(bought + dt.timedelta(12)).date()} 00:00:00"
        )
        total = 0
        for item in range(1, 2 + n % 3):
            price, freight = draw.randrange(500, 20000), draw.randrange(500, 3000)
            total += price + freight
            items.append(
                f"{order},{item},{draw.choice(products)},{draw.choice(sellers)},"
                f"{bought + dt.timedelta(6)},{price / 100:.2f},{freight / 100:.2f}"
            )
        methods = ["voucher", "credit_card"] if n % 25 == 3 else ["credit_card"]
        if n % 5 == 0:
            methods = ["boleto"]
        for place, method in enumerate(methods, 1):
            payments.append(
                f"{order},{place},{method},{1 + n % 4},{total / len(methods) / 100:.2f}"
            )
        if n % 10:
            asked = bought + dt.timedelta(13)
            words = draw.choice(_WORDS)
            reviews.append(
                f'{number()},{order},{draw.choice([1, 3, 4, 5, 5, 5])},,"{words}",'
                f"{asked.date()} 00:00:00,{asked + dt.timedelta(hours=n % 70)}"
            )
    write(
        files / "customers.csv",
        "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,"
        "customer_state",
        customers,
    )
    write(
        files / "orders.csv",
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,"
        "order_delivered_carrier_date,order_delivered_customer_date,"
        "order_estimated_delivery_date",
        orders,
    )
    write(
        files / "order_items.csv",
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,"
        "freight_value",
        items,
    )
    write(
        files / "order_payments.csv",
        "order_id,payment_sequential,payment_type,payment_installments,payment_value",
        payments,
    )
    write(
        files / "order_reviews.csv",
        "review_id,order_id,review_score,review_comment_title,review_comment_message,"
        "review_creation_date,review_answer_timestamp",
        reviews,
    )
    write(
        files / "products.csv",
        "product_id,product_category_name,product_name_length,product_weight_g",
        [
            f"{key},categoria_{n % 8},{n % 40 + 20},{n * 35}"
            for n, key in enumerate(products)
        ],
    )
    write(
        files / "sellers.csv",
        "seller_id,seller_zip_code_prefix,seller_city,seller_state",
        [f"{key},{20000 + n:05},campo alto,SP" for n, key in enumerate(sellers)],
    )
    write(
        files / "geolocation.csv",
        "geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,"
        "geolocation_state",
        [
            f"{10000 + n % 90:05},-23.{n % 7}5,-46.{n % 5}1,campo alto,SP"
            for n in range(200)
        ],
    )
    write(
        files / "product_category_name_translation.csv",
        "product_category_name,product_category_name_english",
        [f"categoria_{n},category_{n}" for n in range(8)],
    )


def baskets(files: Path) -> None:
    """Lines of what members bought, without a number of the purchase."""
    draw = random.Random(9)
    goods = {f"thing {n}": draw.randrange(50, 2000) for n in range(30)}
    lines = []
    for n in range(400):
        member = 1000 + draw.randrange(90)
        day = dt.date(2024, 1, 1) + dt.timedelta(n // 3)
        for thing in draw.choices(sorted(goods), k=1 + n % 4):
            lines.append(
                f"{member},{day:%d-%m-%Y},{thing},{1 + n % 2},{goods[thing] / 100:.2f}"
            )
    write(
        files / "groceries.csv",
        "Member_number,Date,itemDescription,quantity,price",
        lines,
    )


def analytics(files: Path) -> None:
    """Events with structs and lists, as a tool for web analytics exports them.

    Every event of an item lists it; those of a purchase have a transaction.
    """
    draw = random.Random(11)
    events: list[dict[str, object]] = []

    def add(
        kind: str, user: int, at: dt.datetime, items: int, order: str | None
    ) -> None:
        events.append(
            {
                "event_id": f"e{len(events)}",
                "event_name": kind,
                "event_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "user": {
                    "id": f"u{user}" if user % 5 else None,
                    "pseudo_id": f"p{user}",
                },
                "session_id": f"s{user}-{at:%j}",
                "device": {"category": draw.choice(["mobile", "desktop"]), "os": "X"},
                "geo": {"country": "BR", "city": draw.choice(["Campo", "Serra"])},
                "ecommerce": {"transaction_id": order},
                "items": [
                    {
                        "item_id": f"i{draw.randrange(40)}",
                        "price": draw.randrange(100, 9000) / 100,
                        "quantity": draw.randrange(1, 4),
                    }
                    for _ in range(items)
                ],
            }
        )

    for n in range(300):
        user, at = (
            draw.randrange(120),
            dt.datetime(2024, 2, 1) + dt.timedelta(hours=5 * n),
        )
        add("page_view", user, at, 0, None)
        add("view_item", user, at + dt.timedelta(minutes=2), 1, None)
        if n % 3 == 0:
            add("purchase", user, at + dt.timedelta(minutes=9), 1 + n % 3, f"t{n}")
    text = "\n".join(map(json.dumps, events))
    (files / "events.jsonl").write_text(text + "\n", encoding="utf-8")
