"""Who is in the way: told, and never shown half a release."""

import threading
import time

import psycopg
import pytest

from kith.errors import TransientError
from kith.serve import serve as serving
from kith.serve import waiting
from tests.serve.stand_in import Shop, write_release


def begun(shop: Shop, *statements: str) -> "psycopg.Connection[object]":
    """A reader within a transaction that sees one state of the database."""
    session = shop.session("chief")
    session.execute("begin isolation level repeatable read")
    for statement in statements:
        session.execute(statement.replace("{s}", f"{shop.name}_"))
    return session


def test_a_snapshot_that_is_older_than_the_tables_is_waited_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would find the new tables empty; nor is half of its life in each release."""
    shop.publish(1)
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.5)
    with begun(shop, "select 1") as reader:
        pid = reader.info.backend_pid
        with pytest.raises(TransientError, match=f"process {pid} of chief") as caught:
            shop.publish(2)
        assert "pg_terminate_backend" in str(caught.value)
        assert caught.value.failure_class == "transient"
        count = reader.execute(f"select count(*) from {shop.name}_customer.orders")
        assert count.fetchone() == (40,)
    assert shop.batch() == 1
    # What that publication loaded goes with the next one.
    shop.serve()
    assert (shop.batch(), len(shop.schemas())) == (2, 2)


def test_a_transaction_that_has_read_a_mart_reads_the_others_of_the_same_release(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.publish(1)
    monkeypatch.setattr(serving, "SWAP_SECONDS", 0.5)
    with shop.session("chief") as reader:
        reader.execute("begin")
        reader.execute(f"select count(*) from {shop.name}_customer.orders")
        with pytest.raises(TransientError, match=r"readers hold views in .* chief"):
            shop.publish(2)
        found = reader.execute(f"select min(batch) from {shop.name}_segment.segments")
        assert found.fetchone() == (1,)
        reader.execute("commit")
        shop.serve()
        found = reader.execute(f"select min(batch) from {shop.name}_segment.segments")
        assert found.fetchone() == (2,)


def test_two_publishers_at_once_follow_each_other(shop: Shop) -> None:
    shop.publish(1)
    write_release(shop.run.published, 2)
    found: list[object] = []

    def publish() -> None:
        try:
            found.append(shop.serve().release_id)
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=publish) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(each)[-6:] for each in found] == ["000002"] * 3
    assert shop.batch() == 2
    assert len(shop.schemas()) == 2


def test_who_waits_too_long_for_another_publisher_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(shop.run.published, 1)
    monkeypatch.setattr(waiting, "ALONE_SECONDS", 0.3)
    with (
        shop.session("loader") as other,
        waiting.alone(other, shop.name),
        pytest.raises(TransientError, match="another publication of"),
    ):
        shop.serve()
    shop.serve()


def test_one_snapshot_after_another_is_not_waited_for(shop: Shop) -> None:
    """A busy reader has always one, and each is newer than the one before."""
    stop = threading.Event()

    def read() -> None:
        with shop.session("chief") as session:
            while not stop.is_set():
                session.execute("select count(*) from pg_class")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        with shop.session("loader") as session:
            started = time.monotonic()
            waiting.settle(session)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert time.monotonic() - started < 5
