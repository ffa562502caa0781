"""Schemas of releases: which stay, which go, and what is made again."""

from kith.serve import schemas
from tests.serve.stand_in import LOADER, Shop, as_owner


def test_the_release_before_stays_and_older_ones_go(shop: Shop) -> None:
    made = [shop.publish(batch).schema for batch in (1, 2, 3)]
    assert shop.schemas() == made[1:]
    with shop.session(LOADER) as session:
        assert schemas.served_schemas(session, shop.name) == made[1:]
        # Nothing of another company is looked at.
        assert schemas.served_schemas(session, "another") == []


def test_the_same_release_is_served_again_under_another_name(shop: Shop) -> None:
    first = shop.publish(1)
    again = shop.serve()
    assert again.release_id == first.release_id
    assert again.schema == f"{first.schema}_2"
    assert shop.ask("chief", "select count(*) from {s}customer.orders") == [(40,)]
    assert shop.serve().schema == f"{first.schema}_3"
    assert len(shop.schemas()) == 2


def test_what_a_killed_publication_left_goes_with_the_next_one(shop: Shop) -> None:
    shop.publish(1)
    note = schemas.note_loaded("20240101T000000Z_aaaaaa", shop.name)
    others = schemas.note_loaded("20240101T000000Z_aaaaaa", "another")
    with shop.session(LOADER) as session:
        for schema, text in (("kith_left", note), ("kith_others", others)):
            session.execute(f"create schema {schema}; create table {schema}.t (i int)")
            session.execute(f"comment on schema {schema} is '{text}'")
    shop.publish(2)
    assert "kith_left" not in shop.schemas()
    assert "kith_others" in shop.schemas()


def test_a_schema_that_was_dropped_by_hand_is_made_again(shop: Shop) -> None:
    served = shop.publish(1)
    as_owner(shop.server, shop.database, f"drop schema {served.schema} cascade")
    shop.serve()
    assert shop.batch() == 1
    as_owner(shop.server, shop.database, f"drop schema {shop.name}_customer cascade")
    shop.publish(2)
    assert shop.ask("seller", "select count(*) from {s}customer.orders") == [(10,)]
