"""What a release holds, as it is to be served."""

import json
from pathlib import Path

import pytest

from kith.errors import PublicationError
from kith.serve.contents import Contents, read_contents
from tests.serve.stand_in import DAY, write_release


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return tmp_path / "published" / write_release(tmp_path / "published", 1)


def contents(release: Path) -> Contents:
    return read_contents(release, release.parent.parent / "scratch")


def test_types_keys_and_comments_come_from_the_release(release: Path) -> None:
    found = contents(release)
    assert (found.release_id, found.as_of_date) == (release.name, DAY)
    assert found.stamp["checks_passed"] == 80
    marts = {mart.full_name: mart for mart in found.marts}
    orders = marts["customer.orders"]
    assert orders.columns == {
        "source": "text",
        "order_id": "bigint",
        "customer_id": "text",
        "revenue_amount": "numeric(18,2)",
        "ordered_at": "timestamp without time zone",
        "has_return": "boolean",
        "share_pct": "double precision",
        "order_date": "date",
        "batch": "integer",
    }
    assert (orders.rows, orders.key, orders.has_whole_key) == (
        *(40, ("source", "order_id"), True),
    )
    assert (orders.comment, orders.comments) == (
        *("Rows of 'orders'.", {"batch": "Its release."}),
    )
    values = marts["satisfaction.delivered_values"]
    assert values.key == ("breakdown", "customer_id")
    assert not values.has_whole_key
    assert marts["customer.orders"].rows_about_nobody == "false"


def test_a_damaged_release_is_refused(release: Path) -> None:
    (release / "parquet" / "customer" / "orders.parquet").write_bytes(b"changed")
    with pytest.raises(PublicationError, match=r"orders\.parquet was changed"):
        contents(release)


def test_one_of_an_earlier_version_is_refused(release: Path) -> None:
    path = release / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["marts"]["customer.orders"]["privacy"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(PublicationError, match=r"customer\.orders and others"):
        contents(release)


def test_a_type_that_is_not_known_is_told(tmp_path: Path) -> None:
    rows = "select 'R1' as release_id, [1, 2] as numbers"
    published = tmp_path / "published"
    write_release(published, 1, changed={"operations.publications": rows})
    with pytest.raises(PublicationError, match=r"publications\.numbers: is list<"):
        contents((published / "current").resolve())
