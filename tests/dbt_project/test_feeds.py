"""Feeds: what the staging models deliver, in the columns and types of the contract."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest
import yaml

from kith.build.dbt import DBT_PROJECT, dbt, failures_of
from kith.build.warehouse import prepare_warehouse
from kith.database import literal
from kith.deliveries.nobody import NOBODY
from kith.errors import BuildError
from kith.runs.run import Run
from tests.conftest import new_run
from tests.dbt_project.rendered import MODELS, contract, for_engine

COMPANY = {
    "name": "two_tills",
    "title": "Two tills",
    "time_zone": "UTC",
    "currency": "EUR",
    "first_day": dt.date(2024, 1, 1),
    "feeds": {
        "orders": ["stg_old__orders", "stg_new__orders"],
        "order_lines": ["stg_old__order_lines"],
        "products": ["stg_old__products"],
        "places": ["stg_old__places"],
        "events": ["stg_new__events"],
    },
}
SOURCES = {
    "sources": [
        {
            "name": "old",
            "tables": [
                {
                    "name": "receipts",
                    "config": {"meta": {"connector": "files", "path": "none.csv"}},
                    "columns": [{"name": "receipt", "data_type": "bigint"}],
                }
            ],
        }
    ]
}
_LOADED = "timestamp '2024-01-02' as loaded_at"
STAGING = {
    "stg_new__events": f"""
        select 'new' as source, device as event_id, device as device_id,
            session as session_id, 'view' as event_name,
            timestamp '2024-01-01' as occurred_at, {_LOADED}
        from (
            values ('D1', 'S1'), ('unknown', 'S2'), ('(not set)', 'null')
        ) as rows (device, session)
    """,
    "stg_old__orders": f"""
        select 'old' as source, 7 as order_id, 'cash' as payment_method,
            date '2024-01-01' as ordered_at, '1.50' as discount_amount,
            '2024-01-03T01:30:00+02:00' as promised_at,
            '2024-01-03 01:30:00' as delivered_at, {_LOADED}
    """,
    "stg_new__orders": f"""
        select {_LOADED}, 'web' as channel, 'new' as source, order_id,
            timestamp '2024-01-01 10:00:00' as ordered_at,
            'card' as identifier_type, card as identifier_value
        from (
            values ('7', ' Unknown'), ('8', 'N/A'), ('9', '000-000'), ('10', '100'),
            ('11', '0')
        ) as rows (order_id, card)
    """,
    # The amounts of B1 to B4 would be 1.00 or 1.01 each; those of A1 to A3 are noise.
    "stg_old__order_lines": f"""
        select 'old' as source, line as order_line_id, '7' as order_id, place as
            line_number, quantity, 1.8595 as unit_price_amount, 0.0035::double as
            unit_cost_amount, amount::decimal(18,3) as discount_amount,
            amount as line_amount, {_LOADED}
        from (
            values ('A1', 1.0, '1.000', 12.340000000000001::double),
            ('A2', 2.0, '0.125', 123456789.12999999523162841797::double),
            ('A3', 3.0, '-1', -0.1 - 0.2::double),
            ('B1', 1.5, '1', 1.005), ('B2', null, '1.0005', 1.005),
            ('B3', 1.0, '1', -1.005), ('B4', 1.0, '1', 1.005)
        ) as rows (line, place, quantity, amount)
    """,
    # The same key twice: the test of the key must see it.
    "stg_old__products": f"""
        select 'old' as source, number as product_id, {_LOADED}
        from (values (1), (2), (1)) as rows (number)
    """,
    "stg_old__places": f"select 'old' as source, 1 as place_id, 2 as flor, {_LOADED}",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The feeds of a company of which two are faulty, built."""
    folder = tmp_path_factory.mktemp("two_tills")
    (folder / "staging").mkdir()
    (folder / "company.yml").write_text(yaml.safe_dump(COMPANY))
    (folder / "sources.yml").write_text(yaml.safe_dump(SOURCES))
    for name, sql in STAGING.items():
        (folder / "staging" / f"{name}.sql").write_text(sql)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(folder / "home"))
        run = new_run(folder)
        run.warehouse.parent.mkdir(parents=True, exist_ok=True)
        prepare_warehouse(run)
        with pytest.raises(BuildError, match=r"feed_\w+: .*provided by stg_\w+"):
            dbt(run, "build", "--select", "path:models/feeds", "path:company")
        yield run


@pytest.fixture(scope="module")
def failures(run: Run) -> list[str]:
    """What failed, as people are told; read before a test opens the warehouse."""
    return [str(failure) for failure in failures_of(run)]


@pytest.fixture(scope="module")
def warehouse(run: Run, failures: list[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        yield connection


def outcomes(run: Run) -> dict[str, tuple[str, str]]:
    """Status and message of each model and test, by its name."""
    results = run.folder / "dbt" / "target" / "run_results.json"
    return {
        result["unique_id"].split(".")[2]: (result["status"], result["message"])
        for result in json.loads(results.read_text())["results"]
    }


def test_a_feed_is_the_union_of_its_staging_models(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    rows = warehouse.sql(
        """
        select source, order_id, ordered_at, channel, payment_method, discount_amount,
            identifier_value, loaded_at
        from feeds.orders where order_id = '7' order by source
        """
    ).fetchall()

    loaded_at = dt.datetime(2024, 1, 2)
    web_at = dt.datetime(2024, 1, 1, 10)
    cash_at = dt.datetime(2024, 1, 1)
    assert rows == [
        ("new", "7", web_at, "web", None, None, None, loaded_at),
        ("old", "7", cash_at, None, "cash", Decimal("1.50"), None, loaded_at),
    ]


def test_the_offset_of_a_time_in_text_is_read(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    query = "select promised_at, delivered_at from feeds.orders where source = 'old'"
    assert warehouse.sql(query).fetchall() == [
        (dt.datetime(2024, 1, 2, 23, 30), dt.datetime(2024, 1, 3, 1, 30))
    ]


def test_an_identifier_that_names_nobody_is_none(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    query = "select order_id, identifier_type, identifier_value from feeds.orders "
    assert warehouse.sql(f"{query} where source = 'new' order by 1").fetchall() == [
        ("10", "card", "100"),
        ("11", "card", "0"),
        *((order, None, None) for order in "789"),
    ]


def test_a_device_or_session_that_is_unknown_is_none(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    query = "select device_id, session_id from feeds.events order by all"
    assert warehouse.sql(query).fetchall() == [
        *[("D1", "S1"), (None, "S2"), (None, None)]
    ]


def test_the_words_for_nobody_are_those_of_the_door() -> None:
    noughts = ("000 000", "00/000", "+0", "0,0", "00-00")
    words = [*NOBODY, *noughts]
    values = ", ".join(f"({literal(f' {word.title()} ')})" for word in words)
    nobody = for_engine("{{ is_nobody('word') }}", "duckdb")
    query = (
        f"select {nobody}, count(*) from (values {values}) as rows (word) group by 1"
    )
    assert duckdb.sql(query).fetchall() == [(True, len(words))]


def test_each_feed_has_the_columns_of_its_contract_provided_or_not(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    for path in (DBT_PROJECT / "models" / "feeds").glob("*.yml"):
        if path.stem == "feed_places":
            continue
        (model,) = yaml.safe_load(path.read_text())["models"]
        table = f"feeds.{path.stem.removeprefix('feed_')}"
        found = warehouse.sql(f"describe {table}").fetchall()
        assert [(name, kind.lower()) for name, kind, *_ in found] == [
            (column["name"], column["data_type"].replace("string", "varchar"))
            for column in model["columns"]
        ]
        provided = {f"feed_{feed}" for feed in COMPANY["feeds"]}
        if path.stem not in provided:
            assert warehouse.sql(f"select count(*) from {table}").fetchone() == (0,)


def test_a_column_that_the_feed_does_not_know_is_an_error_with_its_place(
    run: Run,
) -> None:
    status, message = outcomes(run)["feed_places"]

    assert status == "error"
    assert "stg_old__places: column 'flor' is not in the feed 'places'" in message


def test_a_key_that_stands_twice_fails_the_build(run: Run) -> None:
    found = outcomes(run)
    key = "unique_combination_feed_{}_source__{}"

    assert found[key.format("products", "product_id")][0] == "fail"
    assert found[key.format("orders", "order_id")][0] == "pass"


def test_a_number_that_the_feed_would_round_stops_the_build_with_its_rows(
    run: Run, failures: list[str]
) -> None:
    (told,) = (each for each in failures if "feeds.order_lines" in each)

    assert told == (
        "dbt test on feeds.order_lines: 10 numbers with more decimals than the feed "
        "keeps, first: source old, order_line_id B1, discount_amount 1.005; source "
        "old, order_line_id B1, line_amount 1.005; source old, order_line_id B1, "
        "line_number 1.5; …; the first stands on 1 row of stg_old__order_lines; "
        "let stg_old__order_lines.sql in "
        f"{run.company.folder / 'staging'} round what it has summed, such as "
        "round(sum(line_amount), 2), or each number if what that loses may go"
    )


def test_prices_of_one_unit_keep_their_fractions_of_a_cent(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    query = "select distinct unit_price_amount, unit_cost_amount from feeds.order_lines"
    assert warehouse.sql(query).fetchall() == [(Decimal("1.8595"), Decimal("0.0035"))]


@pytest.mark.parametrize(
    ("known", "orphans", "rows", "found"),
    [
        (["a", "b"], 1, 100, []),
        (["a", "b"], 2, 100, [(100, 2)]),
        (["a", "a"], 1, 100, []),
        ([], 100, 100, []),
    ],
    ids=["one in a hundred", "two in a hundred", "a key twice", "nobody provides it"],
)
def test_a_relation_between_feeds_holds_for_ninety_nine_rows_in_a_hundred(
    known: list[str], orphans: int, rows: int, found: list[tuple]
) -> None:
    query = for_engine(
        "{{ test_mostly_related('child', 'p', 'parent', 'k') }}", "duckdb"
    )
    with duckdb.connect() as connection:
        connection.execute("create table parent (k varchar)")
        for key in known:
            connection.execute("insert into parent values (?)", [key])
        connection.execute(
            f"create table child as select if(i < {orphans}, 'z', 'a') as p "
            f"from range({rows}) as t (i) union all by name select null from range(9)"
        )
        assert connection.execute(query).fetchall() == found


def test_a_feed_with_a_time_of_its_own_that_is_part_of_another_is_cut_by_both() -> None:
    sql = for_engine(
        "{{ feed(part_of='leads') }}", "duckdb", MODELS / "feeds/feed_lead_stages.sql"
    )
    with duckdb.connect() as connection:
        for feed in ("leads", "lead_stages"):
            columns = contract(MODELS / f"feeds/feed_{feed}.sql").columns.values()
            types = ", ".join(f"{each.name} {each.data_type}" for each in columns)
            connection.execute(f"create table stg_shop__{feed} ({types})")
        connection.execute(
            """
            create schema kith;
            create table kith.run as select timestamp '2024-07-01' as as_of_at;
            insert into stg_shop__leads (source, lead_id, created_at) values
                ('shop', 'old', '2024-06-30'), ('shop', 'new', '2024-07-01');
            insert into stg_shop__lead_stages
                (source, lead_stage_id, lead_id, entered_at)
            values ('shop', '1', 'old', '2024-06-30'), ('shop', '2', 'old', null),
                ('shop', '3', 'old', '2024-07-01'), ('shop', '4', 'new', '2024-06-30')
            """
        )
        stages = connection.sql(f"select lead_stage_id from ({sql}) order by 1")
        assert stages.fetchall() == [("1",), ("2",)]
