"""Classes of columns, and a file in which nobody can be recognised."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
import yaml

from kith.errors import FailureClass
from kith.publish.audiences import (
    CLASSES,
    FEWEST_PERSONS,
    privacy,
    privacy_of_marts,
    rows_about_nobody,
)
from kith.publish.release import publish, verify
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.publish.test_release import permit, without_page_and_metadata

MARTS = REPOSITORY / "dbt_project" / "models" / "marts"
MODELS: dict[str, dict[str, Any]] = {
    f"{path.parent.name}.{model['name']}": model
    for path in sorted(MARTS.glob("*/*.yml"))
    for model in yaml.safe_load(path.read_text())["models"]
}
FILE = "kith_without_personal_data.duckdb"
# Columns whose values stand for a person, or for one of their records.
IDENTIFIERS = {
    "customer.customers": ("customer_id", "identifier_value", "employee_id"),
    "customer.employees": ("employee_id",),
    "customer.customer_identifiers": ("identifier_value", "person_id"),
    "customer.orders": ("order_id",),
    "customer.leads": ("lead_id", "person_id"),
    "customer.sessions": ("session_id", "stream_id"),
    "satisfaction.complaints": ("ticket_id",),
    "satisfaction.mentions": ("post_id",),
}


def meta_of(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model.get("config", {}).get("meta", {})
    return found


def faults_of(model: dict[str, Any]) -> list[str]:
    """What is wrong with what a mart says of persons."""
    meta, columns = meta_of(model), [each["name"] for each in model["columns"]]
    classed = [name for names in meta.get("classes", {}).values() for name in names]
    faults = [f"{name} has no class" for name in columns if name not in classed]
    faults += [f"{name} is no column" for name in classed if name not in columns]
    faults += [f"{name} has two classes" for name in classed if classed.count(name) > 1]
    faults += [
        f"{kind} is no class" for kind in meta.get("classes", {}) if kind not in CLASSES
    ]
    about = meta.get("rows_about")
    if about not in ("persons", "groups", "things"):
        faults.append(f"rows_about is {about}")
    types = {each["name"]: each["data_type"] for each in model["columns"]}
    sizes = meta.get("group_sizes", [])
    faults += [f"{name} counts nobody" for name in sizes if types.get(name) != "bigint"]
    if (about == "groups") != bool(sizes):
        faults.append("group_sizes stand beside rows_about: groups, and there alone")
    told = {"identifier", "personal"} & set(meta.get("classes", {}))
    if about == "persons" and "identifier" not in told:
        faults.append("a row about a person has a column that stands for them")
    if about != "persons" and bool(told) != ("persons_where" in meta):
        faults.append("persons_where says which rows the columns of persons are for")
    return faults


@pytest.mark.parametrize("mart", MODELS)
def test_each_column_of_a_mart_has_one_class(mart: str) -> None:
    assert faults_of(MODELS[mart]) == []


def test_a_new_column_without_a_class_is_a_fault() -> None:
    model = json.loads(json.dumps(MODELS["segment.segments"]))
    model["columns"].append({"name": "shoe_size", "data_type": "bigint"})
    assert faults_of(model) == ["shoe_size has no class"]
    meta_of(model)["classes"]["personal"] = ["shoe_size"]
    (fault,) = faults_of(model)
    assert fault.startswith("persons_where")


def test_what_looks_like_it_stands_for_a_person_is_classed_so() -> None:
    """By their names: of these no mart calls one harmless."""
    alike = re.compile(
        r"(customer|person|employee|lead|order|ticket|promise|post|session|visit"
        r"|interaction|account)_id|identifier_value|sample|examples|payload_hash"
    )
    for mart, model in MODELS.items():
        harmless = meta_of(model)["classes"].get("none", [])
        assert [name for name in harmless if alike.fullmatch(name)] == [], mart
        if "customer_id" in meta_of(model)["classes"].get("identifier", []):
            named = meta_of(model).get("persons_where")
            assert meta_of(model)["rows_about"] == "persons" or named, mart


@pytest.mark.parametrize(
    ("meta", "condition"),
    [
        ({}, "false"),
        ({"rows_about": "person"}, "false"),
        ({"rows_about": "persons"}, "false"),
        ({"rows_about": "things"}, "true"),
        (
            {"rows_about": "groups", "group_sizes": ["n"], "persons_where": "a = 'b'"},
            '("n" is null or "n" = 0 or "n" >= 5) and not (a = \'b\')',
        ),
    ],
)
def test_what_is_not_said_counts_as_about_persons(
    meta: dict[str, Any], condition: str
) -> None:
    assert rows_about_nobody(meta) == condition
    assert privacy(meta)["rows_about_nobody"] == condition


@pytest.fixture
def release(candidate: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release with a file for those who may see no personal data."""
    permit(candidate)
    without_page_and_metadata(monkeypatch)
    company = candidate.company.model_copy(
        update={"audiences": ["without_personal_data"]}
    )
    publish(Run(company, candidate.interval, candidate.run_id, candidate.home))
    return (candidate.published / "current").resolve()


def test_the_file_without_personal_data_has_no_row_about_a_person(
    release: Path, candidate: Run
) -> None:
    manifest = json.loads((release / "manifest.json").read_text())
    assert FILE in manifest["files"]
    assert verify(release) == []
    (release / FILE).chmod(0o644)
    (release / FILE).write_bytes(b"changed")
    assert verify(release) == [f"{FILE} was changed"]


def test_nobody_is_named_or_alone_in_that_file(release: Path) -> None:
    whole = duckdb.connect(str(release / "kith.duckdb"), read_only=True)
    named = {
        str(value)
        for mart, columns in IDENTIFIERS.items()
        for column in columns
        for (value,) in whole.execute(
            f"select distinct {column} from {mart} where {column} is not null"
        ).fetchall()
    } - {"unidentified"}
    assert len(named) > 100
    seen = 0
    with duckdb.connect(str(release / FILE), read_only=True) as file:
        tables = file.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
        for schema, table in tables:
            rows = file.execute(f"from {schema}.{table}").df()
            for column in rows.select_dtypes(include=["object", "string"]):
                values = set(rows[column].dropna().astype(str))
                assert not values & named, (schema, table, column)
            seen += len(rows)
            if table == "_release":
                continue
            meta = meta_of(MODELS[f"{schema}.{table}"])
            assert meta["rows_about"] in ("groups", "things")
            for size in meta.get("group_sizes", []):
                assert not rows[size].between(1, FEWEST_PERSONS - 1).any(), table
        assert file.execute("select release_id from _release").fetchall() == [
            (release.name,)
        ]
        (comment,) = file.execute(
            "select comment from duckdb_tables() where table_name = 'segments'"
        ).fetchone() or ("",)
    assert seen > 1000
    assert {name for _, name in tables} >= {"segments", "products", "publications"}
    assert not {name for _, name in tables} & {"customers", "orders", "employees"}
    assert comment.startswith("One row per scheme")
    whole.close()


def shown_of(mart: str, rows: list[dict[str, Any]]) -> list[str]:
    """The `name` of those rows that the file without personal data has."""
    condition = rows_about_nobody(meta_of(MODELS[mart]))
    with duckdb.connect() as connection:
        columns = [
            f"{each['name']} {'varchar' if each['data_type'] == 'string' else 'bigint'}"
            for each in MODELS[mart]["columns"]
            if each["data_type"] in ("string", "bigint")
        ]
        connection.execute(f"create table told (name varchar, {', '.join(columns)})")
        for row in rows:
            connection.execute(
                f"insert into told ({', '.join(row)}) "
                f"values ({', '.join('?' * len(row))})",
                list(row.values()),
            )
        found = connection.execute(
            f"select name from told where {condition} order by rowid"
        )
        return [name for (name,) in found.fetchall()]


def test_incidents_that_quote_rows_are_shown_to_nobody_else() -> None:
    """Each class of failures is of systems and machines, or of data."""
    of_machines = {"transient", "source_unavailable", "credentials", "resource"}
    of_machines.add("overdue")
    told = [
        {"name": kind, "failure_class": kind, "cause": "x"}
        for kind in get_args(FailureClass)
    ]
    assert set(shown_of("operations.incidents", told)) == of_machines
    assert {"data_gate", "approval", "contract"} <= set(get_args(FailureClass))
    for quoting in ("failing_rows", "evidence_query"):
        row = {"name": "x", "failure_class": "resource", quoting: "y"}
        assert shown_of("operations.incidents", [row]) == []


def test_of_checks_passed_ones_and_counts_are_shown() -> None:
    told = {
        "passed": ("passed", "0 of 261 values", None),
        "counted": ("failed", "86 rows", None),
        "not applicable": ("not_applicable", None, None),
        "keys": ("failed", "86 rows", '[{"customer_id": "07de7a90"}]'),
        "computed": ("failed", "city Bonn", None),
        "greatest": ("passed", "912.40", None),
        "broken": ("broken", "Could not convert string 'Bonn' to INT32", None),
    }
    rows = [
        {"name": name, "outcome": outcome, "observed": observed, "sample": sample}
        for name, (outcome, observed, sample) in told.items()
    ]
    assert shown_of("operations.gate_results", rows) == [
        *("passed", "counted", "not applicable"),
    ]


def test_a_row_of_the_whole_file_that_is_left_out_is_about_somebody(
    release: Path,
) -> None:
    """The other way round: what may be shown is there, all of it."""
    manifest = json.loads((release / "manifest.json").read_text())
    counts = manifest["audiences"]["without_personal_data"]["rows"]
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as whole:
        segments = whole.execute("from segment.segments").df()
        for column in ("customer_count", "buyer_count"):
            small = segments[column].between(1, FEWEST_PERSONS - 1)
            segments = segments[~small]
        assert counts["segment.segments"] == len(segments) > 0
        values = whole.execute("from satisfaction.delivered_values").df()
        groups = values[
            (values.breakdown != "customer") & ~values.person_count.between(1, 4)
        ]
        assert counts["satisfaction.delivered_values"] == len(groups)
        products = whole.execute("select count(*) from customer.products").fetchone()
        assert (counts["customer.products"],) == products


def test_without_a_word_there_is_one_file_and_the_manifest_has_the_classes(
    candidate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit(candidate)
    without_page_and_metadata(monkeypatch)
    manifest = publish(candidate)
    assert manifest["audiences"] == {}
    assert FILE not in manifest["files"]
    said = privacy_of_marts(candidate)
    for mart, model in MODELS.items():
        entry = manifest["marts"][mart]["privacy"]
        assert entry == said[mart] == privacy(meta_of(model)), mart


def test_no_mart_holds_an_address_or_a_telephone_number(candidate: Run) -> None:
    address = r"[a-z0-9._%+-]+@[a-z0-9-]+\.[a-z]{2,}"
    number = r"(^|[^0-9a-z])\+[1-9][0-9 ()-]{7,}[0-9]"
    looked_at = 0
    with duckdb.connect(str(candidate.warehouse), read_only=True) as warehouse:
        for mart, model in MODELS.items():
            texts = [c["name"] for c in model["columns"] if c["data_type"] == "string"]
            found = " + ".join(
                f"count(*) filter (regexp_matches(lower({name}), '{address}') "
                f"or regexp_matches({name}, '{number}'))"
                for name in texts
            )
            (count,) = warehouse.execute(f"select {found} from {mart}").fetchone() or ()
            assert count == 0, mart
            looked_at += len(texts)
        (hit,) = (
            warehouse.execute(
                f"select regexp_matches('to Anna.B@example.com', '(?i){address}') "
                f"and regexp_matches('call +49 30 1234567', '{number}')"
            ).fetchone()
            or ()
        )
    assert hit
    assert looked_at > 500
