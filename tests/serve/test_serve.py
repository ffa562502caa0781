"""Publications to a real PostgreSQL: whole for all readers, whatever happens."""

import json
from pathlib import Path

import duckdb
import pytest

from kith.errors import ConfigurationError, PublicationError
from kith.incidents.failure import describe
from kith.incidents.history import open_incidents, record_failure, record_success
from kith.incidents.readers import served_day
from kith.publish.release import publish, releases, rollback
from kith.runs.run import Run
from kith.serve import serve as serving
from kith_airflow.postgres import Postgres
from tests.bench.postgres import settled_batch
from tests.publish.test_release import permit, without_page_and_metadata
from tests.serve.killed import POINTS, kill_at
from tests.serve.readers import KINDS, reading
from tests.serve.stand_in import DAY, Shop, new_shop, write_release

# Of the bench's points those that differ most: before, within and after the switch.
FEW = [POINTS[6], POINTS[13], POINTS[16]]


def test_readers_of_seven_kinds_see_whole_releases_while_more_are_published(
    shop: Shop, tmp_path: Path
) -> None:
    shop.publish(1)
    with reading(shop.conninfo, f"{shop.name}_", 40, tmp_path / "stop") as end:
        for batch in range(2, 5):
            shop.publish(batch)
        found = end()
    assert len(found) == len(KINDS)
    for each in found:
        faults = (each["torn"], each["empty"], each["failed"])
        assert faults == (0, 0, 0), each
        # It has read, and met new releases.
        assert each["reads"] >= 3, each
        assert each["releases"] >= 2, each


@pytest.mark.parametrize(("point", "call", "is_switched"), FEW)
def test_killed_at_any_moment_readers_and_the_next_publication_are_well(
    shop: Shop, tmp_path: Path, point: str, call: int, is_switched: bool
) -> None:
    for batch in (1, 2):
        shop.publish(batch)
    write_release(shop.run.published, 3)
    kill_at(shop, point, call, tmp_path)
    assert settled_batch(shop) == (3 if is_switched else 2)
    served = shop.serve()
    assert shop.batch() == 3
    assert shop.schemas() == sorted([served.schema, *served.former])


def test_rollback_brings_postgresql_to_the_same_release(shop: Shop) -> None:
    for batch in (1, 2):
        shop.publish(batch)
    first, second = releases(shop.run.published)
    rollback(shop.run.folder, None)
    assert shop.serve().release_id == first
    assert shop.batch() == 1
    rollback(shop.run.folder, second)
    shop.serve()
    assert shop.batch() == 2


def test_after_an_erasure_no_former_release_stays(shop: Shop) -> None:
    for batch in (1, 2):
        shop.publish(batch)
    former = shop.schemas()
    assert len(former) == 2
    served = serving.serve(shop.run, lambda _: shop.connection(), kept_former=0)
    assert served.former == []
    assert shop.schemas() == [served.schema]
    assert served.schema not in former
    assert shop.batch() == 2


def test_a_release_that_is_damaged_or_missing_is_not_served(shop: Shop) -> None:
    with pytest.raises(PublicationError, match="nothing was published yet"):
        shop.serve()
    shop.publish(1)
    release = shop.run.published / write_release(shop.run.published, 2)
    (release / "parquet" / "segment" / "segments.parquet").unlink()
    with pytest.raises(PublicationError, match=r"segments\.parquet is missing"):
        shop.serve()
    assert shop.batch() == 1


def test_a_company_without_postgres_is_told_what_to_declare(shop: Shop) -> None:
    company = shop.run.company.model_copy(update={"postgres": None})
    run = Run(company, shop.run.interval, "run_1", shop.run.home)
    with pytest.raises(ConfigurationError, match=r"company\.yml: declares no postgres"):
        serving.serve(run, lambda _: shop.connection())


def test_an_incident_says_what_readers_of_each_kind_have(shop: Shop) -> None:
    shop.publish(1)
    former, _ = served_day(shop.run.folder)
    now = write_release(shop.run.published, 2)
    with pytest.raises(Exception, match="check login and password") as caught:
        shop.serve(login="nobody")
    company, days = shop.run.company, shop.run.interval
    failure = describe(caught.value, "serve", "", days, "run_1", company)
    incident = record_failure(shop.run.folder, company.name, company, failure)
    assert incident.effect.startswith(
        f"Readers on PostgreSQL still have release {former} of day {DAY}"
    )
    assert incident.effect.endswith(f"readers of files have release {now} of day {DAY}")
    assert incident.key == "credentials: connection bi"
    shop.serve()
    record_success(shop.run, "serve")
    assert open_incidents(shop.run.folder) == []


def test_all_marts_of_a_release_are_served_with_their_values(
    server: Postgres, candidate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each audience reads of each mart as many rows as the release's own file says."""
    permit(candidate)
    without_page_and_metadata(monkeypatch)
    shop = new_shop(server, candidate.home)
    declared = shop.run.company.postgres
    company = candidate.company.model_copy(
        update={"postgres": declared, "name": shop.name}
    )
    candidate.folder.rename(candidate.home / shop.name)
    run = Run(company, candidate.interval, candidate.run_id, candidate.home)
    permit(run)
    publish(run)
    shop = Shop(server, run, shop.database)
    served = shop.serve()
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    assert served.rows == sum(mart["rows"] for mart in manifest["marts"].values())
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as file:
        for name, mart in manifest["marts"].items():
            condition = mart["privacy"]["rows_about_nobody"]
            ((shown,),) = file.execute(
                f"select count(*) from {name} where {condition}"
            ).fetchall()
            query = f"select count(*) from {{s}}{name}"
            assert shop.ask("chief", query) == [(mart["rows"],)], name
            if condition != "false":
                assert shop.ask("analyst", query) == [(shown,)], name
        revenue = "select sum(revenue_amount), max(ordered_at) from {}customer.orders"
        assert (
            shop.ask("chief", revenue.format("{s}"))
            == file.execute(revenue.format("")).fetchall()
        )
