"""One customer as the current release has them, and what to do next, in words."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from kith.company.folder import Company
from kith.errors import ConfigurationError
from kith.pull.pseudonyms import hashes_of
from kith.report.contacts import CARES, LEVELS, OWED
from kith.report.entries import Row
from kith.report.formats import fill, name
from kith.report.one_customer import attributes_of, interactions_of, measures_of
from kith.runs.marts import connect_release

_ID = re.compile("[0-9a-f]{8,32}")
_ASK = (
    "ask for one, CUSTOMER=<customer_id> or at least its first eight signs, or "
    "CUSTOMER=email:anna@example.com, as people write it"
)
_CHOSEN = """
with chosen as (
    select * from customer.customer_profiles where customer_id = $customer_id
)
"""


def show_customer(company: Company, state: Path, asked: str) -> str:
    """Say who a customer is, what they are worth and what to do next.

    `state` is the company's folder in KITH_HOME, `asked` a customer_id, how one begins,
    or kind and value of an identifier. Raises ConfigurationError where there is no
    release, or no such customer in it.
    """
    database = (state / "published" / "current").resolve() / "kith.duckdb"
    if not database.is_file():
        raise ConfigurationError(
            f"{database}: no release; publish one first: make run "
            f"COMPANY={company.folder}"
        )
    facts: Row = {"currency": company.currency}
    with (
        connect_release(database, scratch=state / "scratch") as marts,
        _told_to_run_again(database, company),
    ):

        def rows(query: str) -> list[Row]:
            answer = marts.execute(query, {"customer_id": customer_id})
            names = [column[0] for column in answer.description or []]
            return [
                facts | dict(zip(names, row, strict=True)) for row in answer.fetchall()
            ]

        customer_id = _found(marts, company, asked.strip())
        (plan,) = rows(
            "select plans.*, next_need, next_need_due_on, next_offer, "
            "next_offer_reason from customer.contact_plans as plans "
            "inner join customer.customer_profiles using (customer_id) "
            "where customer_id = $customer_id"
        )
        as_of = fill("as of {as_of_date:%-d %b %Y}", plan)
        parts = {
            f"Customer {customer_id}, {as_of}": [
                fill("{attribute}: {value}", row) + _told_by(row)
                for row in rows(
                    f"{attributes_of(_CHOSEN)} select attribute, value, source, "
                    "age_days from attributes order by position"
                )
                if row["value"] is not None
            ],
            "Known by": [
                fill("{identifier_type} {identifier_value}, from {sources}", row)
                for row in rows(
                    "select identifier_type, identifier_value, sources "
                    "from customer.customer_identifiers "
                    "where customer_id = $customer_id "
                    "order by identifier_type, identifier_value"
                )
            ],
            "What they did": [
                fill("{interaction_kind:name}: {kind_count:,}, ", row)
                + fill("{first_date} to {last_date}", row)
                for row in rows(interactions_of(_CHOSEN))
            ],
            "How they stand": [
                f"{row['measure']}: {fill(row['template'], row)}"
                for row in rows(measures_of(_CHOSEN))
                if row["is_listed"]
            ],
            "What to do next": next_steps(plan),
        }
    return "\n\n".join(
        "\n".join([title, *(f"  {line}" for line in lines or ["nothing is known"])])
        for title, lines in parts.items()
    )


@contextmanager
def _told_to_run_again(database: Path, company: Company) -> Iterator[None]:
    """Say what to do about a release that lacks a mart or a column."""
    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise ConfigurationError(
            f"{database}: made by an earlier Kith, which knew less "
            f"({str(error).splitlines()[0]}); run again: make run "
            f"COMPANY={company.folder}"
        ) from None


def next_steps(plan: Row) -> list[str]:
    """Say in sentences what a plan means, and what the profile says to offer."""
    next_day = plan["as_of_date"] + dt.timedelta(1)
    facts = plan | {"next_day": next_day}
    steps = []
    if plan["is_listed"]:
        steps.append(fill("Contact them on {next_day:%-d %b %Y}: ", facts))
        steps[0] += f"{CARES[plan['care']]}."
    elif plan["blocked_reason"]:
        words = "Do not contact them on {next_day:%-d %b %Y}: {blocked_reason}."
        steps.append(fill(words, facts))
        if "a complaint is open" in plan["blocked_reason"]:
            steps.append("Answer their complaint first.")
    else:
        words = "Nothing has to be done on {next_day:%-d %b %Y}."
        steps.append(fill(words, facts))
    is_left_alone = plan["blocked_reason"] and not plan["next_contact_on"]
    if is_left_alone and plan["care"] in OWED:
        words = "Due all the same, on {care_due_on:%-d %b %Y}: "
        steps.append(fill(words, facts) + f"{CARES[plan['care']]}.")
    if plan["next_contact_on"] and not plan["is_listed"]:
        words = "Contact them on {next_contact_on:%-d %b %Y}: "
        steps.append(fill(words, facts) + f"{CARES[plan['care']]}.")
    if plan["channel"] and not is_left_alone:
        words = "By {channel}"
        if plan["hour_from"] is not None:
            words += ", between {hour_from}:00 and {hour_until}:00"
        steps.append(fill(words, facts) + "." + _why(plan))
    if plan["next_need"]:
        words = "They need: {next_need}"
        if plan["next_need_due_on"]:
            words += ", due on {next_need_due_on:%-d %b %Y}"
        steps.append(fill(words, facts) + ".")
    if plan["next_offer"] and not is_left_alone:
        steps.append(fill("Offer {next_offer}: {next_offer_reason}.", facts))
    words = (
        "They had {contact_count} of at most {contact_cap} messages and calls within "
    )
    words += "{contact_cap_days} days"
    if plan["last_contact_on"]:
        words += "; the last of all was on {last_contact_on:%-d %b %Y}"
    steps.append(fill(words, facts) + ".")
    if plan["price_from_pct"] is not None:
        words = "Quote between {price_from_pct:percent} and {price_until_pct:percent} "
        words += "of the list price: the middle of {quote_won_count} quotes won and of "
        words += "{quote_lost_count} lost."
        steps.append(fill(words, facts))
    return steps


def _why(plan: Row) -> str:
    levels = {
        what: LEVELS[level]
        for what in ("channel", "hour")
        if (level := plan[f"{what}_level"])
    }
    told = ", ".join(f"the {what} by {words}" for what, words in levels.items())
    return f" Chosen: {told}." if told else ""


def _told_by(row: Row) -> str:
    words = [f"from {row['source']}"] if row["source"] else []
    if row["age_days"] is not None:
        words.append(f"{row['age_days']:,} days old")
    return f" ({', '.join(words)})" if words else ""


def _found(marts: duckdb.DuckDBPyConnection, company: Company, asked: str) -> str:
    """The customer whom an id, its beginning or an identifier names."""

    def ids(query: str, **values: Any) -> list[str]:
        return [row[0] for row in marts.execute(query, values).fetchall()]

    kind, colon, value = asked.partition(":")
    if colon and kind and value:
        kinds = ids(
            "select distinct identifier_type from customer.customer_identifiers"
        )
        if kind not in kinds:
            raise ConfigurationError(
                f"CUSTOMER: nobody is known by that kind of identifier; known are "
                f"{', '.join(sorted(kinds))}"
            )
        hashes = hashes_of(company.sources, {kind: [value]}, "CUSTOMER: ")
        found = ids(
            "select distinct customer_id from customer.customer_identifiers where "
            "identifier_type = $kind and customer_id is not null "
            "and identifier_value in (select unnest($values))",
            kind=kind,
            values=[value, *(digest for _, digest in hashes)],
        )
        asked = f"this {name(kind).lower()}"
    elif _ID.fullmatch(asked := asked.lower()):
        found = ids(
            "select customer_id from customer.customers "
            "where starts_with(customer_id, $asked) order by customer_id limit 2",
            asked=asked,
        )
        merged = ids(
            "select person_id from customer.customer_merges "
            "where person_id_before = $asked",
            asked=asked,
        )
        if merged and not found:
            raise ConfigurationError(
                f"CUSTOMER={asked}: turned out to be one with another customer; ask "
                f"for CUSTOMER={merged[0]}"
            )
    else:
        raise ConfigurationError(f"CUSTOMER: this is no customer_id; {_ASK}")
    if not found:
        raise ConfigurationError(
            f"CUSTOMER={asked}: no customer of the current release; {_ASK}"
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"CUSTOMER={asked}: several customers begin so, such as {found[0]} and "
            f"{found[1]}; give more signs"
        )
    return found[0]
