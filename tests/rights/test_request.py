"""Who is meant: files of identifiers, and identity."""

from pathlib import Path

import duckdb
import pytest

from kith.errors import ConfigurationError
from kith.rights.erasure import erase
from kith.rights.plan import preview
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.rights import shop
from tests.rights.shop import ADA, ask


def test_who_is_known_by_no_build_is_looked_for_all_the_same(
    run: Run, tmp_path: Path
) -> None:
    identities = "delete from intermediate.identities where person_id = ?"
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(identities, [shop.ADA_ID])
    found = preview(run, ask(tmp_path, f"email,{ADA}"))
    assert found.findings.raw["shop.orders"] == 3
    assert "row 1: nobody in the last build has this email" in "\n".join(found.lines())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["email"], "row 1: 1 value;"),
        (["email,"], "row 1: its value is empty"),
        ([f",{ADA}"], "row 1: its kind is empty"),
        ([f"email;{ADA}"], "row 1: its values have a semicolon .* with a comma"),
        ([f"email\t{ADA}"], "row 1: its values have a tab between them"),
        ([f"email,{ADA},x"], "row 1: 3 values"),
        ([f"email,{ADA}", "email,anna at home"], "row 2: email: value 1 is no em"),
        ([f"email,{ADA}", "email,N/A"], "row 2: email: its value stands for nobody"),
        (
            [f"{ADA},email"],
            "row 1: its first value is no kind .*customer_number, email",
        ),
        ([""], "holds no identifier"),
    ],
)
def test_a_wrong_file_is_told_by_row_and_without_a_value(
    run: Run, tmp_path: Path, rows: list[str], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        erase(run, ask(tmp_path, *rows))
    assert ADA not in str(caught.value)
    assert "anna at home" not in str(caught.value)


@pytest.mark.parametrize("place", [REPOSITORY, "home"])
def test_a_file_where_it_would_stay_is_refused(run: Run, place: Path | str) -> None:
    folder = run.home if place == "home" else Path(place)
    with pytest.raises(ConfigurationError, match="repository or in KITH_HOME"):
        erase(run, folder / "asked.csv")


def test_without_a_candidate_the_release_says_who_is_one(
    run: Run, tmp_path: Path
) -> None:
    with duckdb.connect(str(run.warehouse)) as warehouse:
        rows = warehouse.execute("from intermediate.identities").fetchall()
    run.warehouse.unlink()
    file = ask(tmp_path, "member,M-7001")
    release = (run.published / "current").resolve()
    current = run.published / "current"
    current.rename(run.published / "former")
    with pytest.raises(ConfigurationError, match="neither a candidate nor a release"):
        preview(run, file)
    (run.published / "former").rename(current)
    (release / "kith.duckdb").unlink()
    with duckdb.connect(str(release / "kith.duckdb")) as database:
        database.execute("create schema customer")
        database.execute(
            "create table customer.customer_identifiers (identifier_type varchar, "
            "identifier_value varchar, person_id varchar, refused_by varchar)"
        )
        database.executemany(
            "insert into customer.customer_identifiers values (?, ?, ?, ?)", rows
        )
    assert preview(run, file).findings.raw["shop.orders"] == 3


def test_case_of_a_kind_does_not_matter(run: Run, tmp_path: Path) -> None:
    file = ask(tmp_path, "Kind,Value", f"EMail,{ADA}")
    assert preview(run, file).plan.person_ids == [shop.ADA_ID]


def test_a_damaged_candidate_is_told_with_its_cure(run: Run, tmp_path: Path) -> None:
    run.warehouse.write_bytes(b"x" * 20_000)
    with pytest.raises(ConfigurationError, match=r"is damaged .* builds another one"):
        preview(run, ask(tmp_path, f"email,{ADA}"))
