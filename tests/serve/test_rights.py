"""Who reads which row of which mart, both ways, on a real PostgreSQL."""

import psycopg
import pytest
import yaml

from kith.company.postgres import Reader
from kith.errors import CredentialsError
from kith.publish.audiences import rows_about_nobody
from kith.settings import REPOSITORY
from tests.serve.stand_in import LOADER, READERS, Shop, as_owner, write_release

# In whose care each customer of the stand-in is, written down by hand.
CARE = {"c0": "E1", "c1": "E2", "c2": "E3", "c3": "E1", "c4": "E2", "c5": "E3"}
DEPARTMENTS = {"E1": "shop", "E2": "shop", "E3": "field"}
EVERYBODY = {f"c{number}" for number in range(8)}
OWN = {
    "chief": EVERYBODY,
    "analyst": set(),
    "shop_head": {c for c, e in CARE.items() if DEPARTMENTS[e] == "shop"},
    "seller": {c for c, e in CARE.items() if e == "E3"},
}
EMPLOYEES = {
    "chief": {"E1", "E2", "E3"},
    "analyst": set(),
    "shop_head": {"E1", "E2"},
    "seller": {"E3"},
}
# Groups of none or of five and more; the chief sees all.
GROUPS = {0, 5, 6, 7}


def expected(login: str) -> dict[str, set[object]]:
    """By mart the rows that a login may see, by a column that tells them apart."""
    own, is_chief = OWN[login], login == "chief"
    return {
        "customer.customers.customer_id": own,
        "customer.employees.employee_id": EMPLOYEES[login],
        "customer.orders.order_id": {n for n in range(40) if f"c{n % 8}" in own},
        "segment.segments.customer_count": set(range(8)) if is_chief else GROUPS,
        "satisfaction.delivered_values.customer_id": {None} | own & {"c0", "c1", "c2"},
        "operations.publications.release_id": {"R0", "R1", "R2"},
    }


def seen(shop: Shop, login: str, place: str) -> set[object]:
    """What a login sees of a column; nothing where it is denied."""
    mart, _, column = place.rpartition(".")
    try:
        rows = shop.ask(login, f"select {column} from {{s}}{mart}")
    except psycopg.errors.InsufficientPrivilege:
        return set()
    assert len(rows) == len(set(rows))
    return {value for (value,) in rows}


def test_each_login_sees_the_rows_of_its_audience_and_no_other(shop: Shop) -> None:
    shop.publish(1)
    for login in OWN:
        for place, wanted in expected(login).items():
            assert seen(shop, login, place) == wanted, (login, place)
    for place in expected("chief"):
        assert seen(shop, "stranger", place) == set()


def test_a_mart_of_which_an_audience_sees_nothing_is_not_listed_for_it(
    shop: Shop,
) -> None:
    shop.publish(1)
    listed = (
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_type = 'VIEW' and table_schema like '{s}%'"
    )
    names = {
        name.removeprefix(f"{shop.name}_") for (name,) in shop.ask("analyst", listed)
    }
    assert names == {
        *("segment.segments", "satisfaction.delivered_values"),
        *("operations.publications", "operations._release"),
    }
    assert len(shop.ask("chief", listed)) == 7
    assert shop.ask("stranger", listed) == []


def test_nobody_gets_around_the_views(shop: Shop) -> None:
    """The tables below have the same policies; whose care it is cannot be changed."""
    served = shop.publish(1)
    tables = served.schema
    found = shop.ask("seller", f"select customer_id from {tables}.orders")
    assert {customer for (customer,) in found} == OWN["seller"]
    assert shop.ask("seller", f"select login from {tables}._readers") == [("seller",)]
    for statement in (
        f"update {tables}._readers set employee_id = 'E1'",
        f"insert into {tables}._readers values ('seller', 'all', 'E1', null)",
        f"delete from {tables}.orders",
        f"alter table {tables}.orders disable row level security",
        f"create table {tables}.mine (i int)",
        "create view {s}customer.mine as select 1",
        "select * from {s}customer.customers for update",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.ask("seller", statement)
    # A role of another audience, or none of its own rows as that role.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.ask("seller", f"set role kith_{shop.name}_all")
    with shop.session("seller") as session:
        try:
            session.execute(f"set role kith_{shop.name}_own_customers")
        except psycopg.errors.InsufficientPrivilege:
            return
        query = f"select count(*) from {shop.name}_customer.customers"
        assert session.execute(query).fetchone() == (0,)


def test_a_view_of_a_reader_shows_nobody_more_than_both_may_see(shop: Shop) -> None:
    """Rows of one's own customers stay one's own, through whosever view."""
    shop.publish(1)
    as_owner(shop.server, shop.database, "create schema seller authorization seller")
    with shop.session("seller") as session:
        session.execute(
            "create view seller.orders as select customer_id "
            f"from {shop.name}_customer.orders"
        )
        session.execute("grant usage on schema seller to shop_head, stranger")
        session.execute("grant select on seller.orders to shop_head, stranger")
    mine = shop.ask("seller", "select distinct customer_id from seller.orders")
    assert {row[0] for row in mine} == OWN["seller"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.ask("stranger", "select customer_id from seller.orders")
    theirs = shop.ask("shop_head", "select distinct customer_id from seller.orders")
    assert {row[0] for row in theirs} <= OWN["shop_head"]


def test_care_is_that_of_the_release(shop: Shop) -> None:
    shop.publish(1)
    moved = (
        "select 'c' || i as customer_id, 'Town' as city, 'E3' as employee_id, "
        "'field' as department from range(8) as r(i)"
    )
    shop.publish(2, changed={"customer.customers": moved})
    assert seen(shop, "seller", "customer.customers.customer_id") == EVERYBODY
    assert seen(shop, "shop_head", "customer.customers.customer_id") == set()
    assert len(seen(shop, "seller", "customer.orders.order_id")) == 40


def test_readers_are_as_declared_after_each_publication(shop: Shop) -> None:
    shop.publish(1)
    readers = [
        Reader(login="chief", audience="without_personal_data"),
        Reader(login="seller", audience="own_customers", employee_id="E1"),
    ]
    served = shop.declared(readers=readers).publish(2)
    assert served.removed_logins == ["chief", "analyst", "shop_head"]
    assert seen(shop, "chief", "customer.orders.order_id") == set()
    assert seen(shop, "chief", "segment.segments.customer_count") == GROUPS
    assert seen(shop, "seller", "customer.customers.customer_id") == {"c0", "c3"}
    assert seen(shop, "analyst", "segment.segments.customer_count") == set()
    # Nor do they reach the release before, where they had other rights.
    for login in ("chief", "seller"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.ask(login, f"select * from {served.former[0]}.customers")


def test_who_was_let_in_by_hand_is_put_out_or_told(shop: Shop) -> None:
    shop.publish(1)
    role = f"kith_{shop.name}_all"
    with shop.session(LOADER) as session:
        session.execute(f"grant {role} to stranger")
    assert shop.publish(2).removed_logins == ["stranger"]
    as_owner(shop.server, shop.database, f"grant {role} to stranger")
    with pytest.raises(CredentialsError, match=f"stranger was let into {role} by anot"):
        shop.publish(3)
    assert shop.batch() == 2


def test_a_login_that_no_policy_binds_gets_no_narrow_audience(shop: Shop) -> None:
    boss = f"boss_{shop.name}"
    as_owner(shop.server, shop.database, f"create role {boss} login bypassrls")
    write_release(shop.run.published, 1)
    for login, what in (
        (boss, "bypasses row-level security"),
        (LOADER, "may act as Kith"),
        ("airflow", "is a superuser"),
    ):
        reader = Reader(login=login, audience="own_customers", employee_id="E1")
        with pytest.raises(CredentialsError, match=what):
            shop.declared(readers=[reader]).serve()
    assert shop.schemas() == []


def test_a_login_that_is_not_there_is_told(shop: Shop) -> None:
    assert [r.login for r in READERS if r.login == "nobody_yet"]
    assert shop.publish(1).missing_logins == ["nobody_yet"]


def test_postgresql_reads_what_each_mart_says_of_its_rows(shop: Shop) -> None:
    """The same SQL makes DuckDB's file and the server's policies."""
    types = {"string": "text", "double": "double precision"}
    said = []
    for path in sorted((REPOSITORY / "dbt_project/models/marts").glob("*/*.yml")):
        for model in yaml.safe_load(path.read_text())["models"]:
            columns = ", ".join(
                f"{each['name']} {types.get(each['data_type'], each['data_type'])}"
                for each in model["columns"]
            )
            shown = rows_about_nobody(model["config"]["meta"])
            said.append(f"create temp table {model['name']} ({columns})")
            said.append(f"select 1 from {model['name']} where {shown}")
    as_owner(shop.server, shop.database, "; ".join(said))
