"""`make company` as a whole: what it refuses, and that the folder runs."""

from pathlib import Path

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import load_company
from kith.errors import ConfigurationError
from kith.onboard.scaffold import scaffold
from kith.pull.table import pull_table
from tests.conftest import new_run, run_pipeline
from tests.onboard.strangers import Make, shop, write
from tests.shared_data import shared_data


def test_an_existing_folder_a_bad_name_and_an_empty_folder_are_refused(
    files: Path, make: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no file can be read"):
        make()
    write(files / "a.csv", "id,n", ["1,2"])
    done = make()
    (done.folder / "company.yml").write_text("mine")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        make()
    assert (done.folder / "company.yml").read_text() == "mine"
    with pytest.raises(ConfigurationError, match="expected lower-case"):
        make("My Shop")
    with pytest.raises(ConfigurationError, match="is a file; expected the folder"):
        scaffold("other", files / "a.csv", tmp_path / "other")
    # The name of a schema of Kith's is none for a source.
    assert load_company(make("customer").folder).sources[0].source == "customer_files"


def test_the_shop_is_published_without_an_edit(files: Path, make: Make) -> None:
    shop(files)
    done = make()
    company = load_company(done.folder)
    run = new_run(done.folder, str(company.first_day), str(company.last_day))
    release = run_pipeline(run)
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select sum(order_count), sum(revenue_amount) from customer.customer_values"
        ).fetchone()
    lines = duckdb.read_csv(str(files / "sales_lines.csv"))
    revenue = lines.aggregate("sum(qty * unit_price::decimal(18,2))").fetchall()[0][0]
    assert found == (300, revenue)


def test_nine_years_of_a_survey_give_the_published_scores_without_an_edit(
    tmp_path: Path, kith_home: Path
) -> None:
    files = shared_data("sfo_survey", "KITH_SFO_SURVEY")
    done = scaffold("sfo", files, tmp_path / "sfo")
    (survey,) = done.tables
    assert (survey.delivery.rows, len(survey.delivery.files)) == (28_665, 9)
    company = load_company(done.folder)
    run = new_run(done.folder, str(company.first_day), str(company.last_day))
    (each,) = company.sources
    pull_table(run, each.full_name)
    admit_table(run, each.full_name)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    prepare_warehouse(run)
    dbt(run, "run", "--select", "+feed_survey_answers")
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        found = connection.execute(
            """
            select year(answered_at), measure,
                round(100 * (avg((score >= 9)::int) - avg((score <= 6)::int)), 2),
                round(100 * avg((score >= 4)::int), 2), count(*)
            from feeds.survey_answers
            where measure in ('nps', 'csat') and year(answered_at) >= 2017
            group by all order by all
            """
        ).fetchall()
        (responses,) = connection.execute(
            """
            select count(distinct response_id) from feeds.survey_answers
            where measure = 'nps' and year(answered_at) = 2017
            """
        ).fetchone()
    assert responses == 2746
    assert [
        (year, measure, nps if measure == "nps" else csat, n)
        for year, measure, nps, csat, n in found
    ] == [
        (2017, "csat", 82.07, 2688),
        (2017, "nps", 39.84, 2746),
        (2018, "csat", 78.44, 2625),
        (2018, "nps", 30.98, 2650),
    ]
