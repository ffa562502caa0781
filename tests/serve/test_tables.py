"""Tables on a real PostgreSQL: the values of the file, keys, indexes, statistics."""

import duckdb
import pytest

from kith.errors import PublicationError
from kith.serve import serve as serving
from tests.serve.stand_in import LOADER, MARTS, Shop, write_release


def test_each_value_is_that_of_the_file(shop: Shop) -> None:
    shop.publish(1, orders=1000)
    release = (shop.run.published / "current").resolve()
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as file:
        for mart in MARTS:
            query = f"select * from {mart} as rows order by rows"
            wanted = file.execute(query).fetchall()
            found = shop.ask("chief", f"select * from {{s}}{mart}")
            assert sorted(map(repr, found)) == sorted(map(repr, wanted)), mart
        stamp = file.execute("from _release").fetchall()
    assert shop.ask("analyst", "select * from {s}operations._release") == stamp


def test_tables_have_keys_indexes_and_statistics(shop: Shop) -> None:
    schema = shop.publish(1, orders=1000).schema
    keys = shop.ask(
        LOADER,
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint "
        f"where contype = 'p' and connamespace = '{schema}'::regnamespace order by 1",
    )
    assert (f"{schema}.orders", "PRIMARY KEY (source, order_id)") in keys
    # A key of which a part is NULL in some rows is unique all the same.
    assert f"{schema}.delivered_values" not in [table for table, _ in keys]
    indexes = shop.ask(
        LOADER,
        "select tablename, indexdef from pg_indexes "
        f"where schemaname = '{schema}' order by indexname",
    )
    defined = [text.partition(" USING ")[2] for _, text in indexes]
    assert "btree (breakdown, customer_id) NULLS NOT DISTINCT" in defined
    assert ("orders", "btree (customer_id)") in [
        (table, text.partition(" USING ")[2]) for table, text in indexes
    ]
    ((count,),) = shop.ask(
        LOADER,
        "select reltuples from pg_class where relname = 'orders' "
        f"and relnamespace = '{schema}'::regnamespace",
    )
    assert count == 1000


def test_a_key_whose_texts_are_too_long_for_an_index_is_left_out(shop: Shop) -> None:
    long = (
        "select string_agg(md5((i * 1000 + j)::varchar), '') as release_id "
        "from range(3) as r(i), range(400) as s(j) group by i"
    )
    schema = shop.publish(1, changed={"operations.publications": long}).schema
    query = f"select count(*) from {schema}.publications"
    assert shop.ask(LOADER, query) == [(3,)]
    assert shop.batch() == 1


def test_rows_that_did_not_come_are_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.publish(1)
    write_release(shop.run.published, 2)
    monkeypatch.setattr(serving, "load_rows", lambda *_: 7)
    with pytest.raises(PublicationError, match="7 rows came to PostgreSQL; expected 8"):
        shop.serve()
    assert shop.batch() == 1
