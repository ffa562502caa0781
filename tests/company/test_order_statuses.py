"""Words for the states of orders, as the marts read them."""

import duckdb

from kith.company.order_statuses import KNOWN_STATUSES, known_words
from tests.dbt_project.rendered import for_engine


def test_sql_reads_the_words_of_shops_as_they_are_written() -> None:
    query = for_engine("select {{ order_status_class('status') }} from t", "duckdb")
    written = {
        **{None: "placed", "Auf dem Mond": None},
        **{"Cancelled": "cancelled", "canceled_by_customer": "cancelled"},
        **{"STORNIERT": "cancelled", "Annulée": "cancelled", "已取消": "cancelled"},
        **{"In-Transit": "placed", "BESTÄTIGT": "placed", "wc-on-hold": "placed"},
        **{"Delivered": "completed", "partially_refunded": "completed"},
        **{"Refunded": "returned", "ZURÜCKGESANDT": "returned", "退款": "returned"},
    }
    with duckdb.connect() as connection:
        connection.execute("create table t (status varchar)")
        connection.executemany("insert into t values (?)", [[word] for word in written])
        found = [row[0] for row in connection.execute(query).fetchall()]
    assert found == list(written.values())


def test_words_of_several_parts_stand_on_several_lines() -> None:
    assert {"canceled by customer", "已关闭"} <= {*known_words("cancelled")}
    assert all(
        "\n" not in word for name in KNOWN_STATUSES for word in known_words(name)
    )
