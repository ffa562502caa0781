"""Words for the states of orders: known ones, and a company's own."""

import shutil
from pathlib import Path

import duckdb
import pytest

from kith.company.folder import load_company
from kith.company.order_statuses import (
    KNOWN_STATUSES,
    OrderStatuses,
    known_words,
)
from kith.company.words import folded
from kith.errors import ConfigurationError
from tests.company.faults import CORNER_SHOP
from tests.dbt_project.rendered import for_engine


def test_no_known_word_has_two_meanings() -> None:
    words = [folded(w) for name in KNOWN_STATUSES for w in known_words(name)]
    assert sorted(words) == sorted(set(words))


def test_a_company_s_word_counts_before_the_known_one() -> None:
    words = OrderStatuses(completed=["Fail-ed"], returned=["zorg"]).words()
    assert "failed" in words["completed"]
    assert "failed" not in words["cancelled"]
    assert {"zorg", "retoure"} <= {*words["returned"]}


def test_a_word_with_two_meanings_is_refused(tmp_path: Path) -> None:
    company = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    with (company / "company.yml").open("a") as file:
        file.write("order_statuses: {placed: [On hold], cancelled: [on-hold]}\n")
    words = "'on-hold' stands under placed and under cancelled; expected one of them"
    with pytest.raises(ConfigurationError, match=words):
        load_company(company)


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
