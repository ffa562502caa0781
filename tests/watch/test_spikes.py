"""The watch's release; what is found is tested on the demo (tests/companies)."""

from pathlib import Path

import pytest

from kith.errors import DeliveryError
from kith.watch.spikes import watch
from tests.one_table import TABLE, company
from tests.watch.test_fresh import look, note_parse, publish


def test_where_nothing_came_no_news_is_published(
    tmp_path: Path, kith_home: Path
) -> None:
    publish(kith_home / "shop", "2024-03-04")
    found = look(company(tmp_path / "shop"), "2024-03-05T12:00")
    note_parse(
        found,
        {
            "model.kith.feed_tickets": [f"source.kith.{TABLE}"],
            "model.kith.feed_posts": [],
        },
    )
    with pytest.raises(DeliveryError, match="nothing could be pulled and admitted"):
        watch(found)
    assert not (found.run.published / "current").exists()
