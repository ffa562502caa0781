"""A model that dbt could not build names rows, files, lines and cure."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kith.admit.table import admit_table
from kith.build.dbt import dbt, failures_of
from kith.build.failed_models import without_values
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import load_company
from kith.errors import BuildError
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run

STAGING = {
    "stg_till__order_lines": """
        select 'till' as source, slip as order_line_id, slip as order_id,
            1 as quantity, amount as line_amount, loaded_at
        from {{ source('till', 'slips') }}
    """,
    "stg_till__orders": """
        select 'till' as source, slip as order_id, loaded_at
        from {{ source('till', 'slips') }}
    """,
    "stg_till__products": """
        select 'till' as source, slip as product_id,
            cast(note as date) as launched_at, loaded_at
        from {{ source('till', 'slips') }}
    """,
    "stg_till__customers": """
        select 'till' as source, member as customer_record_id, born as birth_date,
            loaded_at
        from {{ source('till', 'members') }}
    """,
    "stg_till__goals": """
        select 'till' as source, slip as goal_id,
            cast(note as date) as period_start, loaded_at
        from {{ source('till', 'slips') }}
    """,
    "stg_till__campaigns": """
        select 'till' as source, slip as campaign_id, slip as title, loaded_at
        from {{ source('till', 'slips') }}
    """,
    "stg_till__places": """
        select
            'till' as source,
            slap as place_id,
            loaded_at
        from {{ source('till', 'slips') }}
    """,
}


@pytest.fixture
def run(tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A till of which no staging model gives what its feed needs."""
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    folder = tmp_path / "till"
    (folder / "staging").mkdir(parents=True)
    (folder / "a.csv").write_text("slip,amount,note\nS1,1.00,2024-01-01\nS2,,\n")
    (folder / "b.csv").write_text("slip,amount,note\nS3,,soon\nS4,1.00,soon\n")
    (folder / "members.csv").write_text("member,mail,born\nM1,a@b.org,Ann Lee\n")
    (folder / "staff.csv").write_text("badge,mail,town\nB1,a@b.org,\n")
    feeds = {name.partition("__")[2]: [name] for name in STAGING}
    company = {"name": "till", "title": "Till", "time_zone": "UTC", "currency": "EUR"}
    (folder / "company.yml").write_text(
        yaml.safe_dump({**company, "first_day": "2024-01-01", "feeds": feeds})
    )
    mail = {"pii": "email"}
    tables = {
        "slips": ("[ab].csv", {"slip": {}, "amount": {}, "note": {}}),
        "members": ("members.csv", {"member": {}, "mail": mail, "born": {}}),
        "staff": ("staff.csv", {"badge": {}, "mail": mail, "town": {}}),
    }
    declared = [
        {
            "name": name,
            "config": {"meta": {"connector": "files", "path": path, "key": [key]}},
            "columns": [
                {
                    "name": column,
                    "data_type": "decimal(18,2)" if column == "amount" else "varchar",
                    "config": {"meta": rules},
                    "data_tests": ["not_null"] if column == "town" else [],
                }
                for column, rules in columns.items()
            ],
        }
        for name, (path, columns) in tables.items()
        for key in [next(iter(columns))]
    ]
    (folder / "sources.yml").write_text(
        yaml.safe_dump({"sources": [{"name": "till", "tables": declared}]})
    )
    for name, sql in STAGING.items():
        (folder / "staging" / f"{name}.sql").write_text(sql)
    tested = [{"name": "period_start", "data_tests": ["not_null"]}]
    (folder / "staging" / "stg_till__goals.yml").write_text(
        yaml.safe_dump({"models": [{"name": "stg_till__goals", "columns": tested}]})
    )
    run = new_run(folder)
    for stage in (pull_table, admit_table):
        for each in run.company.sources:
            stage(run, each.full_name)
    return run


def test_each_says_why_which_rows_where_they_come_from_and_what_to_do(run: Run) -> None:
    selected = [f"+feed_{name.partition('__')[2]}" for name in STAGING]
    selected += ["source:till.staff"]
    with pytest.raises(BuildError) as stopped:
        dbt(run, "build", "--select", *selected, prepare=prepare_warehouse)
    company, staging = run.company.folder, run.company.folder / "staging"
    read_otherwise = (
        "; have the source corrected, declare the column's data_type or null_values in "
        f"{company}/sources.yml so that such rows are refused at the door, or let "
        "{} read the value otherwise"
    )
    failures = sorted(failures_of(run), key=str)
    # Who misnamed a column of the feed or of a table wrote the staging.
    assert [failure.failure_class for failure in failures] == [
        *("configuration", *["contract"] * 5, "configuration", "contract"),
    ]
    assert stopped.value.failure_class == failures_of(run)[0].failure_class
    misnamed, *others = map(str, failures)
    assert misnamed.startswith(
        "dbt feed_campaigns: stg_till__campaigns: column 'title' is not in the feed"
    )
    assert "macro" not in misnamed
    assert others == [
        'dbt feed_customers: Conversion Error: invalid date field format: "xxx xxx", '
        "expected format is (YYYY-MM-DD) when casting from source column birth_date; "
        "the value stands on 1 row of till.members (column born) in members.csv, "
        "first: member x9"
        + read_otherwise.format(f"stg_till__customers.sql in {staging}"),
        "dbt feed_order_lines: 2 rows without line_amount, which each row needs, "
        "first: source till, order_line_id S2; source till, order_line_id S3; the "
        "first stands on 1 row of stg_till__order_lines, from till.slips (column slip) "
        "in a.csv; have the source corrected, declare the column `required` in "
        f"{company}/sources.yml so that such rows are refused at the door, or let "
        f"stg_till__order_lines.sql in {staging} give line_amount on each row",
        "dbt feed_orders: stg_till__orders gives no ordered_at, which each row needs; "
        f"let stg_till__orders.sql in {staging} give ordered_at, see docs/feeds.md",
        'dbt feed_products: Conversion Error: invalid date field format: "soon", '
        "expected format is (YYYY-MM-DD) when casting from source column note; the "
        "value stands on 2 rows of till.slips (column note) in b.csv, first: slip S3; "
        "slip S4" + read_otherwise.format(f"stg_till__products.sql in {staging}"),
        "dbt not_null_stg_till__goals_period_start: Conversion Error: invalid date "
        'field format: "soon", expected format is (YYYY-MM-DD) when casting from '
        "source column note; the value stands on 2 rows of till.slips (column note) in "
        "b.csv, first: slip S3; slip S4"
        + read_otherwise.format(f"{staging}/stg_till__goals.sql"),
        'dbt stg_till__places: Binder Error: Referenced column "slap" not found in '
        'FROM clause! Candidate bindings: "slip", "loaded_at"; line 4 of '
        f"{staging}/stg_till__places.sql",
        "dbt test on till.staff: 1 row without town, first: badge x9; have the "
        f"source corrected, or mend its tests in {company}/sources.yml",
    ]
    log = (run.run_folder / "dbt" / "output.log").read_text()
    assert "invalid date field format" in log
    assert "Ann Lee" not in log


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "  Conversion Error: Could not convert string 'Ann Lee' to INT64",
            "  Conversion Error: Could not convert string '…' to INT64",
        ),
        (
            "Invalid Input Error: Type INT64 with value 491701234567 can't be cast",
            "Invalid Input Error: Type INT64 with value … can't be cast",
        ),
        ("no ann@example.org here", "no …@… here"),
        ("12:00:00  1 of 2 PASS", "12:00:00  1 of 2 PASS"),
    ],
)
def test_a_value_that_cannot_be_read_is_not_told_by_the_log(
    line: str, told: str
) -> None:
    assert without_values(line) == told


def test_an_indicator_that_kith_has_too_is_a_matter_of_the_company(run: Run) -> None:
    with (run.company.folder / "company.yml").open("a") as file:
        file.write("indicators: {tenure_days: max(age_days)}\n")
    named = replace(run, company=load_company(run.company.folder))
    with pytest.raises(BuildError) as stopped:
        selected = ("feed_attributes", "int_indicators")
        dbt(named, "build", "--select", *selected, prepare=prepare_warehouse)
    assert "indicators.tenure_days: Kith has an indicator of that name" in str(
        stopped.value
    )
    assert stopped.value.failure_class == "configuration"
