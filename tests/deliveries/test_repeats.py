import duckdb

from kith.deliveries.repeats import find_repeated, key_hash


def test_keys_that_stand_several_times_are_found_once_each() -> None:
    connection = duckdb.connect()
    rows = "(values (1, 'a'), (2, 'a'), (1, 'a'), (1, 'b'), (1, 'a')) as rows (n, t)"
    assert find_repeated(connection, "repeated", rows, ["n", "t"])
    found = connection.execute(
        f"select count(*), count(distinct (n, t)) from {rows} "
        f"where {key_hash(['n', 't'])} in (from repeated)"
    )
    assert found.fetchall() == [(3, 1)]
    assert (
        connection.execute("from repeated").fetchall()
        == connection.execute("select hash(1, 'a')").fetchall()
    )


def test_without_repeated_keys_no_table_is_left() -> None:
    connection = duckdb.connect()
    assert not find_repeated(
        connection, "repeated", "(values (1), (2)) as r (n)", ["n"]
    )
    assert connection.execute("show tables").fetchall() == []
