"""Structs and lists of a stranger's files."""

import json
from pathlib import Path

import duckdb

from kith.onboard.scaffold import Scaffolded
from tests.onboard.strangers import Make, admitted, doubts, kinds, rules


def staged(done: Scaffolded, feed: str) -> str:
    return (done.folder / "staging" / f"stg_shop__{feed}.sql").read_text()


def test_fields_are_offered_and_a_struct_is_no_device(files: Path, make: Make) -> None:
    duckdb.sql(
        """
        select
            'e' || n as event_id,
            timestamp '2024-01-01' + interval (n) hour as occurred_at,
            'view' as event_name,
            {'category': 'mobile', 'width': n % 7} as device,
            {'id': 'u' || n % 9, 'mail': 'anna' || n || '@example.org',
                '{{ 1 / 0 }}': 'x'} as user,
            [{'x': n}] as marks,
            [n] as numbers
        from range(60) as rows (n)
        """
    ).write_parquet(str(files / "events.parquet"))
    done = make()
    assert kinds(done, "events") == {
        "event_id": "varchar",
        "occurred_at": "timestamp",
        "event_name": "varchar",
        "device": "json",
        "user": "json",
        "marks": "json",
        "numbers": "json",
    }
    assert rules(done, "events", "device") == {}
    sql = staged(done, "events")
    assert "cast(json_extract_string(\"device\", '$.width') as bigint)" in sql
    assert "user_id as identifier_value" in sql
    assert "user_mail" not in sql and "{{ 1" not in sql
    assert doubts(done, "(customers) user_mail: seems to identify people")
    assert "device_category" in sql.split("Not mapped: ")[1]
    assert admitted(done) == {"events": (60, 0)}


def test_items_of_a_list_are_lines_of_its_orders(files: Path, make: Make) -> None:
    orders = [
        {
            "id": f"o{n}",
            "customer_id": f"c{n % 9}",
            "ordered_at": f"2024-01-{n % 28 + 1:02}T10:00:00Z",
            "amount": n + 0.5,
            "lines": [{"id": "1", "sku": f"p{n}", "quantity": 2, "price": n + 0.25}],
        }
        for n in range(40)
    ]
    (files / "orders.jsonl").write_text("\n".join(map(json.dumps, orders)) + "\n")
    done = make()
    sql = staged(done, "order_lines")
    assert "id || '-' || list_item_number as order_line_id" in sql
    for column in (
        "id as order_id",
        "sku as product_id",
        "quantity * price as line_amount",
    ):
        assert column in sql
    assert [each.feed for each in done.stagings] == ["order_lines", "orders"]


def test_parameters_of_events_are_columns_among_them_the_session(
    files: Path, make: Make
) -> None:
    events = [
        {
            "event_name": "page_view",
            "event_timestamp": f"2024-01-{n % 28 + 1:02}T10:00:00Z",
            "user_pseudo_id": f"1{n % 9}.7",
            "event_params": [
                {"key": "page", "value": {"string_value": "/a", "int_value": None}},
                {"key": "ga_session_id", "value": {"int_value": 1704103200 + n % 12}},
                {"key": "'; drop", "value": {"int_value": 1}},
            ],
        }
        for n in range(60)
    ]
    (files / "events.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n")
    done = make()
    staging = next(each for each in done.stagings if each.feed == "events")
    assert staging.select["session_id"] == "ga_session_id"
    assert staging.select["device_id"] == "user_pseudo_id"
    (field,) = [c for c in staging.table.fields if c.name == "ga_session_id"]
    assert (field.given, field.distinct) == (60, 12)
    rows = f"read_json('{files}/events.jsonl', columns = {{event_params: 'json'}})"
    found = duckdb.sql(f"select distinct {field.within} from {rows}").fetchall()
    assert len(found) == 12
    assert "list_filter" in staged(done, "events") and "drop" not in staged(
        done, "events"
    )
