import shutil
from pathlib import Path

import pytest

from kith.catalogue.dictionary import DICTIONARY
from kith.dashboards.contents import STAMP, Contents, read_contents
from kith.errors import ConfigurationError


def test_marts_have_columns_with_labels(contents: Contents) -> None:
    assert (contents.company, contents.currency) == ("shop", "CHF")
    orders = contents.marts["customer.orders"]
    column = orders.columns["revenue_amount"]
    assert (column.kind, column.label) == ("DECIMAL(18,2)", "Revenue amount")
    assert column.description.startswith("Net revenue")
    assert next(iter(orders.columns)) == "source"
    assert orders.columns["ordered_at"].is_time
    assert orders.columns["order_date"].is_time
    assert not column.is_time
    assert orders.description.startswith("One row per order")
    assert contents.metric_texts["nps"][0] == "Net promoter score"


def test_marts_say_who_is_in_their_rows(contents: Contents) -> None:
    orders, segments = (
        contents.marts[name] for name in ("customer.orders", "segment.segments")
    )
    assert orders.is_about_persons
    assert orders.identifiers == {"order_id", "customer_id"}
    assert not segments.is_about_persons
    assert segments.group_sizes == ["customer_count", "buyer_count"]
    backlog = contents.marts["satisfaction.complaint_backlog"]
    assert (backlog.is_about_persons, backlog.group_sizes) == (False, [])


def test_the_stamp_is_a_table_like_others(contents: Contents) -> None:
    assert contents.marts[STAMP].columns["published_at"].label == "Published at"
    assert not contents.marts[STAMP].is_about_persons


def test_a_release_of_an_earlier_kith_is_refused(release: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(release, old, ignore=shutil.ignore_patterns(DICTIONARY))
    with pytest.raises(ConfigurationError, match=r"earlier Kith.*run again: make run"):
        read_contents(old, tmp_path)
