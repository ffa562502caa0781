"""What readers have stays: their views, grants and columns, or it is told."""

import psycopg
import pytest

from kith.errors import ConfigurationError
from kith.runs.journal import Journal
from tests.serve.stand_in import LOADER, MARTS, Shop, as_owner

ORDERS = MARTS["customer.orders"][0].replace("{orders}", "40")


def columns(shop: Shop) -> list[str]:
    with shop.session("chief") as session:
        found = session.execute(f"select * from {shop.name}_customer.orders limit 0")
        return [column.name for column in found.description or ()]


def test_a_new_column_comes_behind_those_that_readers_have(shop: Shop) -> None:
    shop.publish(1)
    before = columns(shop)
    more = ORDERS.replace("i as order_id", "7 as tills, i as order_id")
    shop.publish(2, changed={"customer.orders": more})
    assert columns(shop) == [*before, "tills"]
    assert shop.ask(
        "chief", "select distinct tills, source from {s}customer.orders"
    ) == [(7, "till")]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "decimal(18, 2)",
            "decimal(18, 3)",
            r"revenue_amount is numeric\(18,3\) now, numeric\(18,2\) before",
        ),
        ("i % 2 = 0 as has_return", "true as had_return", "has_return is gone"),
    ],
)
def test_a_change_that_breaks_readers_is_told_with_what_to_do(
    shop: Shop, old: str, new: str, told: str
) -> None:
    shop.publish(1)
    changed = {"customer.orders": ORDERS.replace(old, new)}
    with pytest.raises(ConfigurationError, match=told) as caught:
        shop.publish(2, changed=changed)
    message = str(caught.value)
    assert "company.yml: postgres.prefix" in message
    assert f"such as {shop.name}_v2_" in message
    assert (shop.batch(), len(shop.schemas())) == (1, 1)
    # One of the two cures: new schemas beside the former ones …
    moved = shop.declared(prefix=f"{shop.name}_v2_")
    moved.serve()
    with shop.session("chief") as session:
        query = "select distinct batch from {}_customer.orders"
        assert session.execute(query.format(f"{shop.name}_v2")).fetchone() == (2,)
    # … the other one: to drop what has the former form.
    with shop.session(LOADER) as session:
        session.execute(f"drop view {shop.name}_customer.orders")
    shop.serve()
    assert shop.batch() == 2


def test_a_mart_that_is_too_large_is_not_loaded_and_leaves_no_reader_behind(
    shop: Shop,
) -> None:
    shop.publish(1, large="customer.orders")
    told = Journal(shop.run.run_folder)
    assert "customer.orders" in str([*told.new_entries()][-1])
    query = "select count(*) from {s}customer.orders"
    with pytest.raises(psycopg.errors.UndefinedTable):
        shop.ask("chief", query)
    assert shop.batch() == 1
    shop.publish(2)
    assert shop.ask("chief", query) == [(40,)]
    with pytest.raises(
        ConfigurationError,
        match=rf"company.yml: largest_table_rows: {shop.name}_customer.orders has 40 "
        "rows now, too many by it for PostgreSQL",
    ):
        shop.publish(3, large="customer.orders")
    assert (shop.batch(), shop.ask("chief", query)) == (2, [(40,)])
    # Who needs it there no more says so.
    with shop.session(LOADER) as session:
        session.execute(f"drop view {shop.name}_customer.orders")
    shop.serve()
    assert shop.batch() == 3


def test_a_view_of_an_analyst_goes_on_and_keeps_its_columns(shop: Shop) -> None:
    shop.publish(1)
    with shop.session("chief") as session:
        session.execute(
            "create view chief.sums as select batch, sum(revenue_amount) as total "
            f"from {shop.name}_customer.orders group by batch"
        )
    for batch in (2, 3, 4):
        shop.publish(batch)
        assert shop.ask("chief", "select batch from chief.sums") == [(batch,)]
    with (
        shop.session(LOADER) as session,
        pytest.raises(psycopg.errors.DependentObjectsStillExist),
    ):
        session.execute(f"drop view {shop.name}_customer.orders")


def test_a_view_on_the_tables_below_keeps_them_until_it_goes(shop: Shop) -> None:
    first = shop.publish(1).schema
    with shop.session("chief") as session:
        session.execute(f"create view chief.direct as select * from {first}.segments")
    shop.publish(2)
    assert first in shop.publish(3).former
    assert len(shop.schemas()) == 3
    with shop.session("chief") as session:
        session.execute("drop view chief.direct")
    shop.publish(4)
    assert len(shop.schemas()) == 2


def test_a_schema_of_somebody_else_is_left_alone(shop: Shop) -> None:
    as_owner(shop.server, shop.database, f"create schema {shop.name}_segment")
    with pytest.raises(ConfigurationError, match="that is not of this company"):
        shop.publish(1)
    assert shop.schemas() == []


def test_two_companies_share_a_database_under_prefixes_of_their_own(
    shop: Shop,
) -> None:
    shop.publish(1)
    company = shop.run.company.model_copy(update={"name": f"{shop.name}b"})
    run = type(shop.run)(company, shop.run.interval, "run_1", shop.run.home)
    other = Shop(shop.server, run, shop.database)
    other.publish(7)
    shop.publish(2)
    assert (shop.batch(), other.batch()) == (2, 7)
    taken = other.declared(prefix=f"{shop.name}_")
    with pytest.raises(ConfigurationError, match="choose another prefix"):
        taken.serve()
    # One that has the database to itself has the names of the file.
    shop.declared(prefix="").serve()
    assert shop.ask("chief", "select distinct batch from customer.orders") == [(2,)]


def test_views_bear_the_comments_of_their_marts(shop: Shop) -> None:
    shop.publish(1)
    query = (
        "select obj_description('{s}customer.orders'::regclass), col_description("
        "'{s}customer.orders'::regclass, (select attnum from pg_attribute where "
        "attrelid = '{s}customer.orders'::regclass and attname = 'batch'))"
    )
    assert shop.ask("chief", query) == [("Rows of 'orders'.", "Its release.")]
