"""The folder that is written says what was found."""

from pathlib import Path

import yaml

from kith.company.folder import load_company
from kith.onboard.writing import doubts_in
from tests.onboard.strangers import Make, admitted, shop, write


def test_what_is_said_in_yaml_is_what_was_found(files: Path, make: Make) -> None:
    shop(files, 30)
    write(
        files / "odd.csv",
        "Order,loaded_at,*No,group,2nd: a",
        ["a,b,1,yes,x", "b,c,2,no,x"],
    )
    done = make()
    company = load_company(done.folder)
    for guess in done.tables:
        declared = company.table(f"shop.{guess.name}")
        assert declared.columns == [column.declared() for column in guess.columns]
    assert admitted(done)["odd"] == (2, 0)


def test_the_same_files_give_the_same_folder(files: Path, make: Make) -> None:
    shop(files, 60)
    first, second = make(), make("twin")
    for path in first.folder.rglob("*.*"):
        twin = second.folder / str(path.relative_to(first.folder)).replace(
            "stg_shop", "stg_twin"
        )
        text = twin.read_text().replace("twin", "shop").replace("Twin", "Shop")
        assert text == path.read_text()


def test_no_description_holds_a_path(files: Path, make: Make) -> None:
    """Descriptions stand in each release, for whoever reads it."""
    shop(files, 30)
    folder = make().folder
    described = yaml.safe_load((folder / "sources.yml").read_text())["sources"]
    for path in (folder / "staging").glob("*.yml"):
        described += yaml.safe_load(path.read_text())["models"]
    for each in [*described, *described[0]["tables"]]:
        assert each["description"]
        assert str(files) not in each["description"]


def test_a_doubt_is_found_where_it_stands_whatever_its_length(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "company.yml").write_text(
        "name: shop\n# DOUBT: one that goes on\n#   in a second line\ncurrency: XXX\n"
    )
    (tmp_path / "staging" / "a.sql").write_text("-- a note\n  -- DOUBT: short\n")
    assert doubts_in(tmp_path) == [
        "company.yml:2: one that goes on in a second line",
        "staging/a.sql:2: short",
    ]
