"""The demo's two years as pandas frames, from the files and databases it delivers.

What the generator spoilt is known by the numbers of the copies that it spoilt; all else
is read as somebody reads it who knows what the columns mean. Money is in whole cents,
days are business days.
"""

import gzip
import hashlib
import hmac
import json
import re
import sqlite3
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tests.companies.definitions import UNIDENTIFIED, Shop

ZONE = "Europe/Berlin"
# How the numbers of copies end that have a fault, or came later than the look-back.
_SPOILT = ("-500", "-600")
_PLAIN: dict[str, Callable[[str], str]] = {
    "email": str.lower,
    "card": lambda value: re.sub(r"[^0-9A-Z]", "", value.upper()),
    "phone": lambda value: re.sub(r"^(\+49|0049|0)", "", re.sub(r"[ /()-]", "", value)),
    "handle": lambda value: value.lower().removeprefix("@"),
    "device": str,
}


class Demo:
    """What lies in the demo's folder source_systems: deliveries and truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth = json.loads((folder / "truth" / "truth.json").read_text())

    def known(self, name: str) -> pd.DataFrame:
        """A table of the truth."""
        return pd.read_parquet(self.folder / "truth" / f"{name}.parquet")

    # --- tables: each row that was neither spoilt nor double, and its day -------------

    def _sound(
        self, table: str, frame: pd.DataFrame, key: str, at: str, is_utc: bool = True
    ) -> pd.DataFrame:
        names = frame[key].astype("string")
        frame = frame[names.notna() & ~names.str.endswith(_SPOILT)]
        day_first = bool(re.match(r"\d\d\.", str(frame[at].iloc[0])))
        times = pd.to_datetime(frame[at], dayfirst=day_first, utc=is_utc)
        frame = frame.assign(at=times).sort_values("at", kind="stable")
        frame = frame.drop_duplicates(key, keep="last")
        assert len(frame) == self.truth["tables"][table]["admitted"], table
        local = frame["at"].dt.tz_convert(ZONE) if is_utc else frame["at"]
        return frame.assign(
            at=frame["at"].dt.tz_localize(None),
            day=local.dt.tz_localize(None).dt.normalize(),
        )

    def _lines(self, pattern: str, encoding: str = "utf-8") -> list[list[str]]:
        contents = {
            path: path.read_bytes()
            for path in sorted((self.folder / "delivered").glob(pattern))
        }
        return [
            (gzip.decompress(content) if path.suffix == ".gz" else content)
            .decode(encoding, errors="replace")
            .splitlines()
            for path, content in contents.items()
        ]

    def _text_table(self, pattern: str, delimiter: str, encoding: str) -> pd.DataFrame:
        parts = []
        for header, *lines in self._lines(pattern, encoding):
            names = header.split(delimiter)
            rows = [line.split(delimiter) for line in lines]
            whole = [row for row in rows if len(row) == len(names)]
            parts.append(pd.DataFrame(whole, columns=names))
        return pd.concat(parts, ignore_index=True).replace("", None)

    def _parquet(self, pattern: str) -> pd.DataFrame:
        paths = sorted((self.folder / "delivered").glob(pattern))
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)

    def _database_table(self, name: str) -> pd.DataFrame:
        with sqlite3.connect(self.folder / "delivered" / "crm.sqlite") as database:
            return pd.read_sql(f"select * from {name}", database)

    def _service_table(self, name: str) -> pd.DataFrame:
        with sqlite3.connect(self.folder / "delivered" / "api.sqlite") as database:
            rows = database.execute(f"select body from {name}").fetchall()
        return pd.DataFrame([json.loads(body) for (body,) in rows])

    @cached_property
    def receipts(self) -> pd.DataFrame:
        """Orders and returns as the shop delivers them."""
        rows = self._text_table("orders/orders_*.csv", ";", "cp1252")
        return self._sound("retail.orders", rows, "order_number", "ordered_at", False)

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Lines of orders, with cents."""
        rows = self._parquet("orders/lines_*.parquet")
        rows = rows[rows["line_number"] < 500]  # what is spoilt has other numbers
        rows["line"] = rows["order_number"] + "-" + rows["line_number"].astype(str)
        return self._sound("retail.order_lines", rows, "line", "ordered_at").assign(
            amount=lambda frame: _cents(frame["amount"]),
            discount=lambda frame: _cents(frame["discount"]),
        )

    @cached_property
    def records(self) -> pd.DataFrame:
        """Records of customers that are not deleted, with their day of registration."""
        rows = self._database_table("customers")
        rows = self._sound("crm.customers", rows, "customer_number", "registered_at")
        return rows[rows["deleted_at"].isna()]

    # --- who is meant: the strongest identifier on the row that is not blocked --------

    @cached_property
    def identifiers(self) -> pd.DataFrame:
        """Identifiers of the truth with what Kith stores of them: keyed hashes."""
        key = (self.folder / "identifier.key").read_text().strip().encode()
        known = self.known("identifiers")
        known["identifier_value"] = [
            hmac.new(
                key,
                f"{kind}:{'+49' * (kind == 'phone')}{_PLAIN[kind](value)}".encode(),
                hashlib.sha256,
            ).hexdigest()
            for kind, value in zip(known["kind"], known["value"], strict=True)
        ]
        return known

    def names(self, marts: pd.DataFrame) -> dict[tuple[str, str], str]:
        """The customer whom each plain identifier names.

        Where identity found a person of the truth whole, and nobody with them, it is
        that person, known or not. Only the few others are taken as
        `customer_identifiers` has them.
        """
        found = self.identifiers.merge(marts, on="identifier_value", how="left")
        is_shared = found["identifier_value"].duplicated(keep=False)
        own = found["is_linked"] & (found["owner"] == found["customer"]) & ~is_shared
        by_person = found[own].groupby("customer")["person_id"]
        persons = by_person.agg(["nunique", "first"])
        alone = found.groupby("person_id")["customer"].nunique() == 1
        whole = persons[(persons["nunique"] == 1) & persons["first"].map(alone)]
        assert len(whole) >= 0.99 * len(persons)
        customers = marts.groupby("person_id")["customer_id"].first()
        is_whole = own & found["customer"].isin(whole.index)
        named = found["customer"].map(whole["first"]).map(customers)
        found["name"] = named.where(is_whole, found["customer_id"])
        keys = zip(found["kind"], found["value"], strict=True)
        return dict(zip(keys, found["name"].fillna(UNIDENTIFIED), strict=True))

    def _named(
        self, rows: pd.DataFrame, names: dict[tuple[str, str], str], **columns: str
    ) -> pd.Series:
        """The customer of each row; `columns` by kind of identifier."""
        blocked = self.truth["planted"]["blocked_values"]
        found = pd.Series(None, index=rows.index, dtype=object)
        for kind, column in reversed(columns.items()):
            plain = rows[column].map(_PLAIN[kind], na_action="ignore")
            is_own = plain.notna() & (plain != blocked.get(kind))
            customers = [names.get((kind, value), UNIDENTIFIED) for value in plain]
            found = found.mask(is_own, pd.Series(customers, index=rows.index))
        return found.fillna(UNIDENTIFIED)

    def shop(self, names: dict[tuple[str, str], str]) -> Shop:
        """What the customers did, who are known by these plain identifiers."""
        named = names.values()
        registered = self.records.assign(
            customer_id=self._named(
                self.records, names, card="card_number", email="email", phone="phone"
            )
        )
        return Shop(
            orders=self._orders(names),
            traces=self._traces(names),
            customers=frozenset(named) - {UNIDENTIFIED},
            first_day=pd.Timestamp(self.truth["plan"]["first_day"]),
            as_of=pd.Timestamp(self.truth["plan"]["last_day"]),
            registered=registered.groupby("customer_id")["day"]
            .min()
            .drop(UNIDENTIFIED, errors="ignore"),
        )

    def _orders(self, names: dict[tuple[str, str], str]) -> pd.DataFrame:
        orders = self.receipts.set_index("order_number")
        lines = self.lines.groupby("order_number").agg(
            amount=("amount", "sum"),
            discount=("discount", "sum"),
            most=("quantity", "max"),
        )
        lines = lines.reindex(orders.index)
        known = self.known("orders").set_index("order_number").reindex(orders.index)
        voucher = _cents(orders["voucher"].str.replace(",", "."))
        is_cancelled = orders["status"] == "storniert"
        net = (lines["amount"] - voucher).where(~is_cancelled, 0)
        cost = known["cost_cents"].where(known["lines_without_cost"] == 0)
        return pd.DataFrame(
            {
                "order_id": orders.index,
                "customer_id": self._named(
                    orders, names, card="card_number", email="email", phone="phone"
                ),
                "day": orders["day"],
                "is_purchase": ~is_cancelled & (net >= 0) & (lines["most"] >= 0),
                "has_return": net < 0,
                "is_cancelled": is_cancelled,
                "gross": net.clip(lower=0),
                "returned": (-net).clip(lower=0),
                "revenue": net,
                "discount": (lines["discount"] + voucher).where(~is_cancelled, 0),
                "cost": cost.where(~is_cancelled, 0),
            }
        ).reset_index(drop=True)

    def _traces(self, names: dict[tuple[str, str], str]) -> pd.DataFrame:
        """One row per contact: a stay, not each reading, a questionnaire, no answer."""
        events = pd.DataFrame(
            row
            for lines in self._lines("web/events_*.jsonl.gz")
            for row in map(_json, lines)
            if row
        )
        stays = self._sound(
            "stores.presences",
            self._parquet("stores/presences_*.parquet"),
            "reading",
            "read_at",
        )
        stays = _stays(stays)
        answers = self._sound(
            "survey.answers",
            self._service_table("survey_answers"),
            "answer",
            "answered_at",
        )
        contacts = self._text_table("mailing/contacts.tsv.gz", "\t", "utf-8")
        three = {"card": "card_number", "email": "email", "phone": "phone"}
        two = {"email": "email", "phone": "phone"}

        def from_database(name: str, key: str, at: str) -> pd.DataFrame:
            return self._sound(f"crm.{name}", self._database_table(name), key, at)

        posts = self._service_table("community_posts")
        visited = _visits(self._sound("web.events", events, "event_id", "occurred_at"))
        told: list[tuple[str, pd.DataFrame, str | None, dict[str, str]]] = [
            ("order", self.receipts, "channel", three),
            ("event", visited, "touchpoint", {"email": "email", "device": "device"}),
            ("presence", stays, None, {"device": "device"}),
            (
                "post",
                self._sound("community.posts", posts, "post", "posted_at"),
                "platform",
                {"handle": "author"},
            ),
            (
                "survey_response",
                answers.groupby("response").first(),
                "method",
                {"card": "card_number", "email": "email"},
            ),
            (
                "contact",
                self._sound("mailing.contacts", contacts, "contact", "sent_at", False),
                "channel",
                two,
            ),
            (
                "ticket",
                from_database("cases", "case_number", "opened_at"),
                "channel",
                three,
            ),
            (
                "lead",
                from_database("leads", "lead", "created_at"),
                "source_of_lead",
                two,
            ),
            (
                "quote",
                from_database("quotes", "quote", "quoted_at"),
                None,
                {"email": "email"},
            ),
        ]
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "customer_id": self._named(rows, names, **columns),
                        "day": rows["day"],
                        "kind": kind,
                        "channel": [
                            re.sub("[ _-]", "", (word or kind).lower())
                            for word in (
                                rows[channel] if channel else [kind] * len(rows)
                            )
                        ],
                        "visit": rows.get("visit"),
                    }
                )
                for kind, rows, channel, columns in told
            ],
            ignore_index=True,
        )


def _stays(readings: pd.DataFrame) -> pd.DataFrame:
    """First reading of each stay of a device in a store: two planted on each other are
    one, since nobody can be there twice at once."""
    rows = readings.sort_values(["device", "store_number", "at"], kind="stable")
    of_device = rows.groupby(["device", "store_number"], dropna=False)
    is_over = of_device["state"].shift().eq("leave") & rows["state"].ne("leave")
    pause = rows["at"] - of_device["at"].shift()
    return rows[~(pause <= pd.Timedelta(hours=1)) | is_over]


def _visits(events: pd.DataFrame) -> pd.DataFrame:
    """Events with their `visit`: those of a device without a pause over 30 minutes."""
    at, device = events["at"], events["device"]
    pause = at - at.groupby(device, dropna=False).shift()
    is_start = pause.isna() | (pause > pd.Timedelta(minutes=30)) | device.isna()
    return events.assign(
        visit=[
            f"{name}-{number}"
            for name, number in zip(
                device,
                is_start.groupby(device, dropna=False).cumsum(),
                strict=True,
            )
        ]
    )


def _json(line: str) -> dict[str, Any] | None:
    """The row of a line; None where it breaks off."""
    try:
        row: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row


def _cents(amounts: pd.Series) -> pd.Series:
    return (amounts.astype(float) * 100).round().astype("int64")
