"""Which columns staging models make identifiers of, taken from their SQL."""

from pathlib import Path

import pytest
import yaml

from kith.company.folder import load_company
from kith.rights.staging import staged
from tests.rights import shop

FROM = 'from "kith_build"."web"."clicks"'
OWN = "member as identifier_value"


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        (
            f"select 'member' as identifier_type, member as identifier_value {FROM}",
            ["member"],
        ),
        (
            f"with t as (select * {FROM}), u as (select coalesce(trim(member), page) "
            "as m from t) select case when m is not null then 'member' end as "
            "identifier_type, cast(m as varchar) as identifier_value from u",
            ["member"],
        ),
        (
            "select 'a' as identifier_type, x.member as identifier_value from "
            f"(select member {FROM}) as x left join (select 1 as member) as y on true",
            ["a"],
        ),
        (
            f"select 'a' as identifier_type, {OWN} {FROM} union all "
            f"select 'b' as identifier_type, {OWN} {FROM}",
            ["a", "b"],
        ),
    ],
)
def test_a_column_is_followed_through_steps(
    tmp_path: Path, sql: str, kinds: list[str]
) -> None:
    company = load_company(shop.write_shop(tmp_path / "shop"))
    folder = tmp_path / "dbt/target/compiled/kith/company/staging"
    folder.mkdir(parents=True)
    (folder / "stg_web__events.sql").write_text(sql)
    found, unread = staged(company, tmp_path)
    assert found.kinds["web.clicks"]["member"] == kinds
    assert unread == []


@pytest.mark.parametrize(
    "sql",
    ["select", f"select page as identifier_type, {OWN} {FROM}"],
)
def test_a_model_that_does_not_tell_is_named(tmp_path: Path, sql: str) -> None:
    company = load_company(shop.write_shop(tmp_path / "shop"))
    folder = tmp_path / "dbt/target/compiled/kith/company/staging"
    folder.mkdir(parents=True)
    (folder / "stg_web__events.sql").write_text(sql)
    assert staged(company, tmp_path)[1] == ["stg_web__events"]


def test_what_sources_yml_says_counts_first(tmp_path: Path) -> None:
    folder = shop.write_shop(tmp_path / "shop")
    declared = yaml.safe_load((folder / "company.yml").read_text())
    feeds = {"customers": ["stg_c"], "orders": ["stg_o"], "order_lines": ["stg_l"]}
    (folder / "company.yml").write_text(yaml.safe_dump({**declared, "feeds": feeds}))
    compiled = tmp_path / "dbt/target/compiled/kith/company/staging"
    compiled.mkdir(parents=True)
    for name, sql in {
        "stg_c": "select 'email' as identifier_type, email as identifier_value "
        'from "b"."shop"."customers"',
        "stg_o": 'select order_number as order_id from "b"."shop"."orders"',
        "stg_l": 'select order_number as order_id from "b"."shop"."lines"',
    }.items():
        (folder / "staging" / f"{name}.sql").write_text("select 1\n")
        (compiled / f"{name}.sql").write_text(sql)
    found, _ = staged(load_company(folder), tmp_path)
    assert found.kinds == {}
    assert found.references == {
        "shop.lines": {"order_number": ["shop.orders.order_number"]}
    }
