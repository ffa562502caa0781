"""From which columns those of a query come."""

import pytest
from sqlglot.errors import SqlglotError

from kith.catalogue.column_lineage import origins_of, schema_of

SCHEMA = schema_of(
    {"shop": {"a": ["id", "x", "y"], "b": ["id", "z"]}, "kith": {"run": ["day"]}}
)


def origins(query: str) -> dict[str, str]:
    return {
        column: " ".join(sorted(f"{table}.{name}" for table, name in found))
        for column, (found, _) in origins_of(query, SCHEMA).items()
    }


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("x as v", "shop.a.x"),
        ("x + y as v", "shop.a.x shop.a.y"),
        ("sum(x) over (partition by y order by id) as v", "shop.a.x"),
        ("max_by(x, y) as v", "shop.a.x"),
        ("sum(x) filter (where y > 0) as v", "shop.a.x"),
        ("case when y > 0 then x end as v", "shop.a.x shop.a.y"),
        ("(select day from kith.run) as v", "kith.run.day"),
        ("count(*) as v", "shop.a.*"),
        ("count(*) filter (where y > 0) as v", "shop.a.y"),
        ("sum(1) as v", "shop.a.*"),
        ("row_number() over (order by y) as v", "shop.a.*"),
        ("percentile_cont(0.5) within group (order by x) as v", "shop.a.x"),
        ("'shop' as v", ""),
        ("(select max(z) from shop.b where b.id = a.id) as v", "shop.b.z"),
    ],
)
def test_a_value_comes_from_what_it_is_computed_of(
    selected: str, expected: str
) -> None:
    assert origins(f"select {selected} from shop.a") == {"v": expected}


def test_columns_are_followed_through_steps_stars_and_joins() -> None:
    query = """
        with a as (select * from shop.a),
        joined as (select a.*, b.z from a left join shop.b using (id)),
        summed as (select id, sum(x * z) as v from joined where y > 0 group by id)
        select * from summed
    """
    assert origins(query) == {
        "id": "shop.a.id",
        "v": "shop.a.x shop.b.z",
    }


def test_the_parts_of_a_union_are_joined_by_place_or_by_name() -> None:
    by_place = "select id as v, x as w from shop.a union all select z, id from shop.b"
    by_name = (
        "select id as v, x as w from shop.a union all by name select z as w from shop.b"
    )
    assert origins(by_place) == {"v": "shop.a.id shop.b.z", "w": "shop.a.x shop.b.id"}
    assert origins(by_name) == {"v": "shop.a.id", "w": "shop.a.x shop.b.z"}


def test_what_is_handed_on_as_it_is_is_told_from_what_is_computed() -> None:
    query = "with a as (select x as n, x + 0 as m from shop.a) select n, m from a"
    found = origins_of(query, SCHEMA)
    assert {name: is_renamed for name, (_, is_renamed) in found.items()} == {
        "n": True,
        "m": False,
    }


def test_where_sql_does_not_tell_the_column_its_table_stands_for_it() -> None:
    query = """
        with a as (select * from shop.a),
        listed as (select id, v, name from a unpivot (v for name in (x, y)))
        select * from listed
    """
    assert origins(query)["v"] == "shop.a.*"


def test_what_is_no_query_is_refused() -> None:
    with pytest.raises(SqlglotError):
        origins_of("select from where", SCHEMA)
