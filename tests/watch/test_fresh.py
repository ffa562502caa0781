"""Which moment, days and tables the watch looks at."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kith.build.dbt import target
from kith.company.folder import load_company
from kith.deliveries.admitted import admitted_deliveries
from kith.errors import ConfigurationError, TransientError
from kith.pull.connections import environment_connection
from kith.watch.fresh import Watch, fetch, forget, plan_watch, tables_needed
from tests.one_table import TABLE, company, deliver, sales


def publish(state: Path, as_of_date: str) -> None:
    """A release of the daily run, as far as the watch asks for it."""
    (state / "published" / "r1").mkdir(parents=True)
    manifest = {"as_of_date": as_of_date}
    (state / "published" / "r1" / "manifest.json").write_text(json.dumps(manifest))
    (state / "published" / "current").symlink_to("r1")


def note_parse(watch: Watch, parents: dict[str, list[str]]) -> None:
    """What dbt found that each model reads."""
    nodes = {name: {"depends_on": {"nodes": read}} for name, read in parents.items()}
    path = target(watch.daily) / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"nodes": nodes}))


@pytest.fixture
def shop(tmp_path: Path, kith_home: Path) -> Path:
    """A shop in Paris whose marts end with 4 March 2024."""
    publish(kith_home / "shop", "2024-03-04")
    return company(tmp_path / "shop")


def look(folder: Path, at: str | None) -> Watch:
    return plan_watch(load_company(folder), at, "look_1")


def days(watch: Watch) -> tuple[str, str]:
    interval = watch.run.interval
    return str(interval.from_day), str(interval.to_day)


def test_a_look_takes_the_days_since_the_release_at_most_a_week(shop: Path) -> None:
    # By the clocks of Paris; the moment itself is UTC.
    watch = look(shop, "2024-03-06T00:30")
    assert watch.at == dt.datetime(2024, 3, 5, 23, 30)
    assert days(watch) == ("2024-03-05", "2024-03-06")
    assert days(look(shop, "2024-03-05T23:59+01:00")) == ("2024-03-05", "2024-03-05")
    assert days(look(shop, "2024-05-06T12:00")) == ("2024-04-30", "2024-05-06")
    # Of a past hour, which the release covers, only its day.
    assert days(look(shop, "2024-02-06T12:00")) == ("2024-02-06", "2024-02-06")
    assert look(shop, None).at > dt.datetime(2026, 1, 1)
    again = Watch.from_dict(watch.to_dict())
    assert (again.run.folder, again.at) == (watch.run.folder, watch.at)
    assert watch.run.folder == watch.daily.home / "watch" / "shop"


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("yesterday", "not a time"),
        ("2023-12-31T23:00", "expected a time from 2024-01-01"),
        ("2999-01-01T00:00", "expected a time"),
    ],
)
def test_other_moments_are_refused(shop: Path, at: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        look(shop, at)


def test_without_a_release_there_is_nothing_to_compare_with(
    tmp_path: Path, kith_home: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no release yet"):
        look(company(tmp_path / "shop"), None)


def test_the_tables_behind_the_feeds_are_found_through_all_staging_models(
    shop: Path,
) -> None:
    watch = look(shop, "2024-03-05T12:00")
    with pytest.raises(TransientError, match=r"manifest\.json: cannot be read now"):
        tables_needed(watch)
    note_parse(
        watch,
        {
            "model.kith.feed_tickets": [
                "model.kith.stg_tickets",
                "source.kith.kith.run",
            ],
            "model.kith.stg_tickets": ["model.kith.int_calls"],
            "model.kith.int_calls": ["source.kith.shop.sales"],
            "model.kith.feed_posts": [],
            "model.kith.feed_orders": ["source.kith.shop.orders"],
        },
    )
    assert tables_needed(watch) == [TABLE]


def test_a_company_without_these_feeds_is_told(shop: Path) -> None:
    watch = look(shop, "2024-03-05T12:00")
    note_parse(watch, {"model.kith.feed_tickets": [], "model.kith.feed_posts": []})
    with pytest.raises(ConfigurationError, match="needs the feeds tickets or posts"):
        tables_needed(watch)


def test_each_look_replaces_the_one_before_and_keeps_apart_from_the_daily_run(
    shop: Path, kith_home: Path
) -> None:
    lines = sales(40)
    # One bad row of few: over the limit of one in a hundred.
    deliver(shop, [*lines, "S99999,2024-03-05 09:00:00,-1,1.00"])
    found: list[Any] = []
    for at in ("2024-03-05T12:00", "2024-03-06T12:00"):
        watch = look(shop, at)
        fetch(watch, TABLE, environment_connection)
        found.append(admitted_deliveries(watch.run, watch.run.company.sources[0]))
    assert [[each.folder.name for each in some] for some in found] == [
        ["20240305-20240305"],
        ["20240305-20240306"],
    ]
    assert found[1][0].report["admitted"] == 8
    assert found[1][0].report["quarantined"] == 1
    assert not (kith_home / "shop" / "raw").exists()


def test_only_the_latest_journals_are_kept(shop: Path) -> None:
    watch = look(shop, "2024-03-05T12:00")
    runs = watch.run.run_folder.parent
    for number in range(60):
        (runs / f"look_{number}").mkdir(parents=True)
        os.utime(runs / f"look_{number}", (number, number))
    forget(watch)
    left = {path.name for path in runs.iterdir()}
    assert left == {f"look_{number}" for number in range(12, 60)}


def test_the_watch_is_declared_with_a_way_to_tell(shop: Path) -> None:
    path = shop / "company.yml"
    declared = yaml.safe_load(path.read_text())
    assert load_company(shop).crisis_watch is None
    path.write_text(yaml.safe_dump(declared | {"crisis_watch": {"to": ["a@b.c"]}}))
    with pytest.raises(ConfigurationError, match="expected alert beside it"):
        load_company(shop)
