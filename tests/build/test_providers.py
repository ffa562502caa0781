"""Which files provide a feed."""

from kith.build.providers import providers_of
from kith.company.folder import load_company
from kith.settings import REPOSITORY


def test_the_files_of_a_feed_are_named_with_their_folder() -> None:
    company = load_company(REPOSITORY / "tests/companies/corner_shop")
    models = ["stg_shop__orders", "stg_web__orders"]
    company = company.model_copy(update={"feeds": {"orders": models}})
    assert providers_of(company, "orders") == (
        f"stg_shop__orders.sql, stg_web__orders.sql in {company.folder / 'staging'}"
    )
    assert providers_of(company, "goals") == ""
