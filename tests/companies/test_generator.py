"""What the demo's generator plants is in its deliveries, and the truth says so."""

import gzip
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kith.settings import REPOSITORY

CUSTOMERS = 1000
MAKE = """
import datetime as dt, sys
from pathlib import Path
from generator.company import Plan, generate
days = dt.date(2024, 1, 1), dt.date(2024, 12, 31)
generate(Path(sys.argv[1]), Plan(int(sys.argv[2]), *days, 7))
"""
KINDS = {
    "email": "email",
    "phone": "phone",
    "device": "device",
    "handle": "handle",
    "author": "handle",
    **dict.fromkeys(("card", "card_number"), "card"),
}
# A row of its own beside the one that it copies: faulty, or later than the look-back.
COPY = r"-[56]00$"


def plain(kind: str, value: object) -> str | None:
    """An identifier as the truth spells it; None for what is none."""
    text = str(value) if isinstance(value, str) else ""
    if kind == "email":
        return text.lower() if re.fullmatch(r"\S+@[\w.]+", text) else None
    if kind == "phone":
        return re.sub(r"^(\+49 |0049|0)", "", text) if text[-1:].isdigit() else None
    return (text.replace("-", "") if kind == "card" else text.lstrip("@")) or None


class Planted:
    """The files of a generated company, and what the generator knows of them."""

    def __init__(self, folder: Path) -> None:
        self._delivered, self._truth = folder / "delivered", folder / "truth"
        known = json.loads((self._truth / "truth.json").read_text())
        self.totals: dict[str, int] = known["totals"]
        self.planted: dict[str, Any] = known["planted"]
        self.tables: dict[str, dict[str, int]] = known["tables"]

    def known(self, name: str) -> pd.DataFrame:
        return pq.read_table(self._truth / f"{name}.parquet").to_pandas()

    @cached_property
    def people(self) -> pd.DataFrame:
        return self.known("people")

    @cached_property
    def identifiers(self) -> pd.DataFrame:
        return self.known("identifiers")

    def crm(self, table: str) -> pd.DataFrame:
        """The rows of a table, each once, without faulty copies."""
        with sqlite3.connect(self._delivered / "crm.sqlite") as database:
            rows = pd.read_sql(f'select * from "{table}"', database)
        return own(rows)

    def api(self, table: str) -> pd.DataFrame:
        with sqlite3.connect(self._delivered / "api.sqlite") as database:
            found = database.execute(f'select body from "{table}"').fetchall()
        return own(pd.DataFrame([json.loads(body) for (body,) in found]))

    def parquet(self, pattern: str) -> pd.DataFrame:
        paths = sorted(self._delivered.glob(pattern))
        return pd.concat([pq.read_table(path).to_pandas() for path in paths])

    def text(self, pattern: str, delimiter: str) -> pd.DataFrame:
        frames = []
        for path in sorted(self._delivered.glob(pattern)):
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            header, *lines = (
                line.split(delimiter)
                for line in data.decode("cp1252", errors="replace").splitlines()
            )
            whole = [line for line in lines if len(line) == len(header)]
            frames.append(pd.DataFrame(whole, columns=header))
        return own(pd.concat(frames).replace("", None))

    @cached_property
    def orders(self) -> pd.DataFrame:
        rows = self.text("orders/orders_*.csv", ";").merge(
            self.known("orders"), on="order_number", suffixes=("", "_known")
        )
        assert len(rows) == self.tables["retail.orders"]["admitted"]
        return rows

    @cached_property
    def lines(self) -> pd.DataFrame:
        rows = self.parquet("orders/lines_*.parquet")
        rows = rows[rows["line_number"] < 500]
        return rows.drop_duplicates(["order_number", "line_number"])

    def inventory(self) -> set[str]:
        """Product numbers in the newest range."""
        *_, path = sorted(self._delivered.glob("inventory/products_*.xlsx"))
        rows = pd.read_excel(path, engine="calamine")
        return set(own(rows)["product_number"])

    @cached_property
    def events(self) -> pd.DataFrame:
        found = []
        for path in sorted(self._delivered.glob("web/events_*.gz")):
            for line in gzip.decompress(path.read_bytes()).decode().splitlines():
                if line.endswith("}"):
                    found.append(json.loads(line))
        return own(pd.DataFrame(found))

    def traces(self) -> Iterator[pd.DataFrame]:
        """All rows that bear identifiers."""
        yield self.orders
        yield self.events
        yield own(self.parquet("stores/presences_*.parquet"))
        yield own(self.parquet("club/traits.parquet"))
        yield self.text("web/account_links.csv.gz", ",")
        yield self.text("mailing/contacts.tsv.gz", "\t")
        for table in ("customers", "children", "care", "quotes", "cases", "promises"):
            yield self.crm(table)
        yield self.crm("leads")
        for table in ("club_consents", "community_posts", "survey_answers"):
            yield self.api(table)


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table without copies, by its first column, the key."""
    key = rows[rows.columns[0]].astype(str)
    return rows[rows.iloc[:, 0].notna() & ~key.str.contains(COPY)].drop_duplicates(
        subset=rows.columns[0]
    )


@pytest.fixture(scope="module")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("demo_files")
    subprocess.run(
        [sys.executable, "-c", MAKE, str(folder), str(CUSTOMERS)],
        cwd=REPOSITORY / "companies/demo",
        check=True,
    )
    return Planted(folder)


def test_contacts_share_the_telephone_of_their_organisation_and_act_for_it(
    demo_files: Planted,
) -> None:
    people, identifiers = demo_files.people, demo_files.identifiers
    contacts = people[people["organisation"].notna()]
    customers = people[people["organisation"].isna()]
    assert len(customers) == demo_files.totals["customers"] == CUSTOMERS
    assert customers["customer"].max() < CUSTOMERS < contacts["customer"].min()
    assert len(contacts) == demo_files.totals["contacts_of_organisations"]
    per_account = contacts["organisation"].value_counts()
    organisations = customers.loc[customers["is_organisation"], "customer"]
    assert set(per_account.index) == set(organisations)
    assert set(per_account) == {1, 2, 3}

    records = demo_files.crm("customers")
    records["phone"] = [plain("phone", phone) for phone in records["phone"]]
    records["email"] = [plain("email", email) for email in records["email"]]
    of_contacts = records[records["account"].notna()].merge(
        records, left_on="account", right_on="customer_number"
    )
    assert len(of_contacts) == len(contacts)
    assert set(of_contacts["kind_x"]) == {"person"}
    assert set(of_contacts["kind_y"]) == {"organisation"}
    assert (of_contacts["phone_x"] == of_contacts["phone_y"]).all()
    addresses = identifiers.merge(contacts, on="customer").query("kind == 'email'")
    assert sorted(addresses["value"]) == sorted(of_contacts["email_x"])
    switchboards = identifiers[identifiers["value"].isin(of_contacts["phone_x"])]
    assert switchboards.groupby("value")["customer"].nunique().min() == 2
    assert not switchboards["is_linked"].any()

    asked = {
        "quotes": demo_files.crm("quotes"),
        "cases": demo_files.crm("cases"),
        "answers": demo_files.api("survey_answers"),
    }
    for name, rows in asked.items():
        emails = rows["email"].map(lambda email: plain("email", email))
        assert emails.isin(addresses["value"]).any(), name
    assert (contacts["acts"] > 0).mean() > 0.5


def test_staff_type_values_of_nobody_beside_those_of_many_people(
    demo_files: Planted,
) -> None:
    orders, cases = demo_files.orders, demo_files.crm("cases")
    blocked = demo_files.planted["blocked_values"]
    assert blocked["email"] == "test@wiesenkind.example"
    for kind, column in (("email", "email"), ("card", "card_number")):
        assert blocked[kind] not in set(demo_files.identifiers["value"])
        typed = [rows[rows[column] == blocked[kind]] for rows in (orders, cases)]
        counts = [len(rows) for rows in typed]
        assert min(counts) > 0
        assert sum(counts) == demo_files.totals[f"blocked_{kind}_rows"]
        others = {"email", "card_number", "phone"} - {column}
        both = pd.concat(typed)
        assert both[list(others)].notna().any(axis=1).all()
        assert typed[0]["customer"].nunique() > 20


def test_whoever_refers_or_recommends_is_somebody_else(demo_files: Planted) -> None:
    customers, posts = demo_files.crm("customers"), demo_files.api("community_posts")
    named = customers[customers["recommended_by"].notna()].assign(
        friend=lambda rows: rows["recommended_by"].str.lower(),
        customer=lambda rows: rows["customer_number"].str[1:].astype(int),
    )
    assert len(named) == demo_files.totals["recommended"] > CUSTOMERS / 25
    friends = named.merge(demo_files.identifiers, left_on="friend", right_on="value")
    assert len(friends) == len(named)
    assert (friends["customer_x"] != friends["customer_y"]).all()
    assert posts["referred"].notna().sum() == demo_files.totals["posts_that_refer"] > 10


def test_cancelled_orders_keep_their_lines_and_bring_nothing(
    demo_files: Planted,
) -> None:
    orders, totals, people = demo_files.orders, demo_files.totals, demo_files.people
    assert (orders["status"] == orders["status_known"]).all()
    cancelled = orders[orders["status"] == "storniert"]
    assert len(cancelled) == totals["orders_cancelled"]
    assert 0.015 < len(cancelled) / len(orders) < 0.025
    assert cancelled["delivered_at"].isna().all()
    assert (
        not ("R" + cancelled["order_number"].str[1:]).isin(orders["order_number"]).any()
    )
    lines = demo_files.lines
    assert set(cancelled["order_number"]) <= set(lines["order_number"])

    # The sums of the truth, by hand and three times over: orders, people and totals.
    amounts = lines["amount"].astype(float).groupby(lines["order_number"]).sum()
    vouchers = orders["voucher"].str.replace(",", ".").astype(float)
    cents = orders["order_number"].map(amounts).sub(vouchers).mul(100).round()
    assert (cents == orders["line_cents"] - orders["voucher_cents"]).all()
    kept, back = orders["status"] != "storniert", orders["status"] == "returned"
    named = orders[["card_number", "email", "phone"]].notna().any(axis=1)
    assert (orders["is_identified"] == named).all()
    by_customer = {
        "order_count": orders[kept & ~back].groupby("customer").size(),
        "cancelled_count": cancelled.groupby("customer").size(),
        "return_count": orders[back].groupby("customer").size(),
        "gross_cents": cents[kept & ~back].groupby(orders["customer"]).sum(),
        "returned_cents": -cents[back].groupby(orders["customer"]).sum(),
        "net_cents": cents[kept].groupby(orders["customer"]).sum(),
    }
    for name, expected in by_customer.items():
        found = people.set_index("customer")[name]
        assert (found == expected.reindex(found.index, fill_value=0)).all(), name
    counts = ["order_count", "cancelled_count", "return_count"]
    assert people[counts].to_numpy().sum() == len(orders) == totals["orders"]
    assert people["net_cents"].sum() == totals["line_cents"] - totals["voucher_cents"]


def test_the_inventory_lacks_some_products_that_the_shop_sells(
    demo_files: Planted,
) -> None:
    sold = demo_files.lines.merge(demo_files.orders, on="order_number")
    held = demo_files.inventory()
    missing = demo_files.planted["not_in_inventory"]
    lacking = sold[~sold["product_number"].isin(held)]
    assert set(lacking["product_number"]) == set(missing)
    assert len(missing) == 4
    assert len(held) == demo_files.tables["inventory.products"]["admitted"]
    per_order = lacking.groupby("order_number").size()
    orders = demo_files.known("orders").set_index("order_number")["lines_without_cost"]
    assert (orders == per_order.reindex(orders.index, fill_value=0)).all()


def test_the_answers_of_a_questionnaire_are_one_response(demo_files: Planted) -> None:
    answers = demo_files.api("survey_answers")
    for column in ("email", "card_number"):
        answers[column] = answers[column].fillna("").str.lower()
    responses = answers.groupby("response")
    assert len(responses) == demo_files.totals["responses"]
    assert responses["survey"].nunique().max() == 1
    assert responses["question"].nunique().eq(responses.size()).all()
    assert responses["email"].nunique().max() == 1
    assert set(responses.size()) == {2, 18}


def test_the_truth_knows_who_is_erased_who_acts_and_who_is_no_customer(
    demo_files: Planted,
) -> None:
    people, identifiers = demo_files.people, demo_files.identifiers
    records = demo_files.crm("customers")
    deleted = records[records["deleted_at"].notna() & records["account"].isna()]
    days = pd.to_datetime(deleted["deleted_at"]) - pd.Timestamp(2024, 1, 1)
    found = days.dt.days.groupby(deleted["customer_number"].str[1:].astype(int)).max()
    known = people.set_index("customer")["erased_day"].dropna()
    assert known.to_dict() == found.to_dict()
    assert len(known) == demo_files.totals["erased"] > 5

    leads = demo_files.crm("leads")["email"].dropna()
    of_leads = identifiers[identifiers["value"].isin(leads)]
    assert len(of_leads) == leads.nunique()
    prospects = of_leads[~of_leads["customer"].isin(people["customer"])]
    assert (prospects["owner"] == prospects["customer"]).all()
    kinds = ("near", "refusing", "unexplored")
    assert len(prospects) == sum(demo_files.totals[f"leads_{kind}"] for kind in kinds)

    acts = [
        *(demo_files.orders, demo_files.events, demo_files.api("community_posts")),
        *(demo_files.crm(table) for table in ("quotes", "cases", "promises")),
        *(
            own(demo_files.parquet("stores/*.parquet")),
            demo_files.api("survey_answers"),
        ),
    ]
    strangers = demo_files.events["device"].isin(identifiers["value"])
    named = sum(
        rows[[name for name in KINDS if name in rows]].notna().any(axis=1).sum()
        for rows in acts
    )
    assert people["acts"].sum() == named - (~strangers).sum()
    unknown = demo_files.events.loc[~strangers, "device"].nunique()
    assert unknown == demo_files.totals["devices_of_strangers"]


def test_what_is_shared_aside_the_deliveries_show_who_is_who(
    demo_files: Planted,
) -> None:
    known = demo_files.identifiers
    several = known.groupby(["kind", "value"])["customer"].transform("nunique") > 1
    shared = known[several | (known["owner"] == -1)]
    nobodys = set(zip(shared["kind"], shared["value"], strict=True))
    nobodys |= set(demo_files.planted["blocked_values"].items())
    number: dict[tuple[str, str], int] = {}
    links = []
    for rows in demo_files.traces():
        columns = [name for name in KINDS if name in rows]
        for values in rows[columns].drop_duplicates().itertuples(index=False):
            seen = [
                number.setdefault((KINDS[name], text), len(number))
                for name, value in zip(columns, values, strict=True)
                if (text := plain(KINDS[name], value))
                and (KINDS[name], text) not in nobodys
            ]
            links += [(seen[0], other) for other in seen[1:]]
    shape = (len(number), len(number))
    graph = coo_array((np.ones(len(links)), np.array(links).T), shape=shape)
    _, group = connected_components(graph, directed=False)
    keys = list(zip(known["kind"], known["value"], strict=True))
    is_seen = [key in number for key in keys]
    found = known[is_seen].assign(
        group=[group[number[key]] for key in keys if key in number]
    )
    assert found.groupby("group")["customer"].nunique().max() == 1
    linked = found[found["is_linked"]]
    assert linked.groupby("customer")["group"].nunique().max() == 1
    assert len(linked) > 0.9 * len(found)
    unknown = set(number) - set(keys)
    assert {kind for kind, _ in unknown} == {"device"}
