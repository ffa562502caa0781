"""The customers: who they are, by what they can be known, and how they behave."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .draws import Draws, Floats, Integers
from .plan import (
    CHANNEL_SHARES,
    CHURN_DRIVERS,
    CITIES,
    CONTACTS_PER_ORGANISATION,
    DEPARTMENTS,
    END_OF_CHILDHOOD,
    ERASED_SHARE,
    LEAVERS,
    LEAVES_WITH_EMPLOYEE,
    LIFE_STAGES,
    MONTHLY_CHURN,
    RECOMMENDED_SHARE,
    UNMET_NEEDS,
    UNMET_SHARE,
    Plan,
)
from .texts import either, hexadecimal, joined, padded, picked, where

Booleans = npt.NDArray[np.bool_]

FIRST_NAMES = [
    "anna",
    "lena",
    "marie",
    "sophie",
    "emma",
    "mia",
    "hannah",
    "lea",
    "johanna",
    "clara",
    "paul",
    "jonas",
    "leon",
    "finn",
    "luca",
    "elias",
    "noah",
    "ben",
    "felix",
    "moritz",
    "fatma",
    "ayse",
    "mehmet",
    "emre",
    "olga",
    "pavel",
    "linh",
    "minh",
]
LAST_NAMES = [
    "mueller",
    "schmidt",
    "schneider",
    "fischer",
    "weber",
    "meyer",
    "wagner",
    "becker",
    "schulz",
    "hoffmann",
    "koch",
    "richter",
    "klein",
    "wolf",
    "schroeder",
    "neumann",
    "schwarz",
    "braun",
    "krueger",
    "hartmann",
    "lange",
    "werner",
    "krause",
    "lehmann",
    "koehler",
    "yilmaz",
    "kaya",
    "demir",
    "nowak",
    "nguyen",
]
# Leads who never buy, and contacts of organisations, are numbered from here on, so that
# customers are those below `Plan.customers`.
PROSPECTS, CONTACTS = 600_000_000, 700_000_000
INDUSTRIES = ["kindergarten", "school", "hospital", "hotel", "association"]
YEAR = 365.25

# Numbers that the Federal Network Agency keeps free for stories.
_FREE_NUMBERS = ["3023125", "6990009", "4066969", "2214710", "8999998"]


class Identifiers:
    """By what a customer can be known. Functions of the customer's number only."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    def email(self, i: Integers) -> pa.Array:
        """First address."""
        return joined(self._first(i), ".", self._last(i), i, self._domain(i))

    def second_email(self, i: Integers) -> pa.Array:
        """Address on a second record of the same person."""
        return joined(self._last(i), "-", self._first(i), i, "@example.net")

    def handle(self, i: Integers) -> pa.Array:
        """Name in the community."""
        return joined(self._first(i), "_", self._last(i), "_", i)

    def card(self, i: Integers) -> pa.Array:
        """Number of the club's card."""
        return joined("WK0", padded(i, 9))

    def second_card(self, i: Integers) -> pa.Array:
        """Card on a second record of the same person."""
        return joined("WK1", padded(i, 9))

    def device(self, i: Integers, number: Integers) -> pa.Array:
        """Telephone or browser."""
        return hexadecimal(self._draws.bits("device", i, number))

    def phone(self, i: Integers) -> pa.Array:
        """National number without the leading zero.

        The first five thousand are numbers that nobody has; the reserve has no more.
        """
        i = self.phone_owner(i)
        reserved = np.minimum(i // 1000, len(_FREE_NUMBERS) - 1)
        free = joined(picked(_FREE_NUMBERS, reserved), padded(i % 1000, 3))
        return either(i < 1000 * len(_FREE_NUMBERS), free, joined("1590", padded(i, 7)))

    def phone_owner(self, i: Integers) -> Integers:
        """Some neighbours share the number of one of them, but no organisation's."""
        together = self._draws.uniform("shared phone", i // 4) < 0.04
        together &= ~is_organisation(i - i % 4 + np.arange(4)[:, None]).any(axis=0)
        return np.where(together, i - i % 4, i)

    def shares_phone(self, i: Integers) -> Booleans:
        """Whether the number may be a neighbour's too, or is an organisation's."""
        last = i - i % 4 + 3
        return (self.phone_owner(last) != last) | is_organisation(i)

    def family_device(self, i: Integers) -> Integers:
        """Owner of the tablet that a customer signs in on."""
        together = self._draws.uniform("shared device", i // 3) < 0.05
        return np.where(together, i - i % 3, i)

    def _first(self, i: Integers) -> pa.Array:
        return picked(FIRST_NAMES, self._draws.below(len(FIRST_NAMES), "first", i))

    def _last(self, i: Integers) -> pa.Array:
        return picked(LAST_NAMES, self._draws.below(len(LAST_NAMES), "last", i))

    def _domain(self, i: Integers) -> pa.Array:
        return picked(["@example.com", "@example.org"], self._draws.below(2, "host", i))


def is_organisation(i: Integers) -> Booleans:
    """Key accounts."""
    return i % 50 == 7


def spelled_phone(draws: Draws, national: pa.Array, *keys: Integers) -> pa.Array:
    """A number as people write it, begun with +49, 0049 or 0."""
    starts = ["+49 ", "0049", "0"]
    return joined(picked(starts, draws.below(3, "phone spelling", *keys)), national)


def spelled_email(draws: Draws, email: pa.Array, *keys: Integers) -> pa.Array:
    """An address as people write it: some in capitals."""
    loud = draws.uniform("email spelling", *keys) < 0.05
    return either(loud, pa.compute.utf8_upper(email), email)


def spelled_card(draws: Draws, card: pa.Array, *keys: Integers) -> pa.Array:
    """A card's number as people type it: some with a dash."""
    dashed = draws.uniform("card spelling", *keys) < 0.1
    spaced = pa.compute.utf8_replace_slice(card, 2, 2, "-")
    return either(dashed, spaced, card)


@dataclass(frozen=True)
class People:
    """The customers numbered `i`. Days count from the plan's first midnight."""

    plan: Plan
    draws: Draws
    i: Integers

    def _uniform(self, purpose: str) -> Floats:
        return self.draws.uniform(purpose, self.i)

    def _has(self, purpose: str, share: float) -> Booleans:
        return self._uniform(purpose) < share

    @cached_property
    def identifiers(self) -> Identifiers:
        """What they can be known by."""
        return Identifiers(self.draws)

    @cached_property
    def is_organisation(self) -> Booleans:
        """Key accounts."""
        return is_organisation(self.i)

    @cached_property
    def contact_count(self) -> Integers:
        """Contact persons of an organisation, each known by an address of their own."""
        count = self.draws.below(CONTACTS_PER_ORGANISATION, "contacts", self.i)
        return np.where(self.is_organisation, 1 + count, 0)

    def contact(self, owner: Integers, number: Integers) -> Integers:
        """The person who is an organisation's contact of that number, from 0."""
        return CONTACTS + CONTACTS_PER_ORGANISATION * self.i[owner] + number

    def acting(self, purpose: str, owner: Integers, *keys: Integers) -> Integers:
        """The person who acts for a customer: the customer, or one of the contacts."""
        i = self.i[owner]
        which = self.draws.below(self.contact_count[owner] + 1, purpose, i, *keys)
        return np.where(which > 0, self.contact(owner, which - 1), i)

    @cached_property
    def city(self) -> Integers:
        """Position in CITIES."""
        return self.draws.choice([share for *_, share in CITIES], "city", self.i)

    @cached_property
    def registered(self) -> Floats:
        """Day of registration, for most of them before the first day."""
        old = self._has("old customer", 0.6)
        ago = -1500 * self._uniform("registered before")
        since = (self.plan.days - 30) * self._uniform("registered since")
        return np.asarray(np.where(old, ago, since))

    @cached_property
    def start(self) -> Floats:
        """First day on which they can be seen."""
        return np.maximum(self.registered, 0.0)

    @cached_property
    def has_card(self) -> Booleans:
        """Whether they have the club's card."""
        return ~self.is_organisation & self._has("card", 0.8)

    @cached_property
    def has_email(self) -> Booleans:
        """Whether an address is known."""
        return ~self.has_card | self._has("email", 0.85)

    @cached_property
    def has_phone(self) -> Booleans:
        """Whether a number is known."""
        return self.is_organisation | self._has("phone", 0.75)

    @cached_property
    def has_second_record(self) -> Booleans:
        """Whether the service centre holds them twice."""
        return ~self.is_organisation & self._has("second record", 0.04)

    @cached_property
    def drivers(self) -> dict[str, Booleans]:
        """Who has which driver of churn."""
        return {
            name: self._has(f"driver {name}", share)
            & ((name != "app_user") | ~self.is_organisation)
            for name, (share, _) in CHURN_DRIVERS.items()
        }

    @cached_property
    def employee(self) -> Integers:
        """Number of the employee in charge from the start; 0 for none."""
        key, advice = DEPARTMENTS["key accounts"], DEPARTMENTS["family advice"]
        cared = self._has("care", 0.08)
        of_key = 1 + self.draws.below(key, "key account manager", self.i)
        of_advice = 1 + key + self.draws.below(advice, "adviser", self.i)
        chosen = np.where(self.is_organisation, of_key, np.where(cared, of_advice, 0))
        # Who comes after an employee has left goes to the next one.
        for name, left in LEAVERS.items():
            chosen += (chosen == int(name[1:])) & (self.start >= left)
        return np.asarray(chosen)

    @cached_property
    def employee_left(self) -> Floats:
        """Day on which the employee in charge leaves; infinite where none does."""
        day = np.full(len(self.i), np.inf)
        for name, left in LEAVERS.items():
            day[self.employee == int(name[1:])] = left
        return day

    @cached_property
    def follows_employee(self) -> Booleans:
        """Whether they go where that employee goes."""
        return np.isfinite(self.employee_left) & self._has(
            "follows", LEAVES_WITH_EMPLOYEE
        )

    @cached_property
    def upset(self) -> Floats:
        """Day of the complaint that drives away those whom one drives away.

        Early for newcomers, some day of two thirds of a year for the others.
        """
        since = np.where(self.start > 0, 0.0, 240 * self._uniform("upset"))
        return self.start + 3 + since + 15 * self._uniform("angry")

    @cached_property
    def churn(self) -> Floats:
        """Day after which they never come again; may lie after the last day."""
        strength = np.zeros(len(self.i))
        for name, (_, weight) in CHURN_DRIVERS.items():
            strength += weight * self.drivers[name]
        odds = MONTHLY_CHURN * np.exp(strength) / 30
        angry = self.drivers["unanswered_complaint"]
        onset = np.where(angry, self.upset + 2, self.start + 20)
        own = onset - np.log(self._uniform("churn")) / odds
        gone = self.employee_left + 20 * self._uniform("gone with employee")
        return np.where(
            self.follows_employee, np.minimum(own, np.maximum(gone, 20)), own
        )

    @cached_property
    def end(self) -> Floats:
        """End of the time in which they can be seen."""
        return np.minimum(self.churn, float(self.plan.days))

    @property
    def span(self) -> Floats:
        """Days in which they can be seen."""
        return np.maximum(self.end - self.start, 0.0)

    @cached_property
    def erased_day(self) -> Floats:
        """Day on which the service centre deletes their records; infinite: never."""
        is_erased = self._has("erased", ERASED_SHARE)
        is_erased &= self.churn + 30 < self.plan.days
        return np.where(is_erased, np.floor(self.churn + 20), np.inf)

    @cached_property
    def was_lead(self) -> Booleans:
        """Whether they were a lead before they registered."""
        return (self.registered > 15) & self._has("won lead", 0.2)

    @cached_property
    def knows_prospect(self) -> Booleans:
        """Whether there is a lead beside them who never becomes a customer."""
        return self._has("lead", 0.12)

    @cached_property
    def recommender(self) -> Integers:
        """The customer who recommended us to them; -1 for nobody known."""
        others = max(self.plan.customers - 1, 1)
        away = 1 + self.draws.below(others, "recommender", self.i)
        other = (self.i + away) % self.plan.customers
        is_known = self._has("recommended", RECOMMENDED_SHARE)
        is_known &= People(self.plan, self.draws, other).has_email & (other != self.i)
        return np.where(is_known, other, -1)

    @cached_property
    def orders_per_month(self) -> Floats:
        """Orders expected in 30 days."""
        rate = np.exp(0.6 * self.draws.normal("rate", self.i) - 0.3)
        return np.asarray(rate * np.where(self.is_organisation, 2.0, 1.0))

    @cached_property
    def satisfaction(self) -> Floats:
        """What colours every answer, 0 in the middle."""
        return np.asarray(
            0.5 * self.draws.normal("satisfaction", self.i)
            - 0.7 * self.drivers["late_deliveries"]
            - 0.9 * self.drivers["unanswered_complaint"]
        )

    @cached_property
    def best_hour(self) -> Integers:
        """Hour of the day around which they open letters and take calls."""
        return 8 + self.draws.below(13, "best hour", self.i)

    @cached_property
    def main_channel(self) -> Integers:
        """Position in CHANNELS of what they use most."""
        chosen = self.draws.choice(CHANNEL_SHARES, "main channel", self.i)
        return np.where(self.is_organisation, 5, chosen)

    @cached_property
    def level(self) -> pa.Array:
        """Level as the club has it."""
        steps = np.searchsorted([0.6, 1.1, 1.8], self.orders_per_month)
        return picked(["basic", "bronze", "silver", "gold"], steps)

    @cached_property
    def child_count(self) -> Integers:
        """Children, born and expected."""
        parents = ~self.is_organisation & self._has("parent", 0.55)
        return np.where(
            parents, 1 + self.draws.choice([6, 3, 1], "children", self.i), 0
        )

    def child_birth(self, owner: Integers, number: Integers) -> Integers:
        """Day of birth; one after the last day is a due date."""
        i = self.i[owner]
        chance = self.draws.uniform("birth", i, number)
        latest = self.plan.days + 210
        return (latest - chance**1.2 * (END_OF_CHILDHOOD * YEAR + 210)).astype(np.int64)

    @cached_property
    def first_birth(self) -> Integers:
        """Day of birth of the first child."""
        position = np.arange(len(self.i))
        return self.child_birth(position, np.zeros_like(position))

    @cached_property
    def unmet_need(self) -> Integers:
        """Position in UNMET_NEEDS; -1 for none."""
        chosen = self.draws.below(len(UNMET_NEEDS), "unmet need", self.i)
        return np.where(self._has("has unmet need", UNMET_SHARE), chosen, -1)

    @cached_property
    def digital(self) -> Booleans:
        """Whether they use web or app."""
        return self.drivers["app_user"] | (self._has("digital", 0.6))

    @cached_property
    def at_kiosk(self) -> Booleans:
        """Whether they have signed in on the kiosk of a store in their city."""
        return self.has_email & self._has("kiosk", 0.02)

    def kiosk(self, owner: Integers) -> pa.Array:
        """The device that belongs to nobody."""
        return joined("kiosk-", padded(self.city[owner], 2))

    # --- what is written on records ---------------------------------------------------

    def shown_card(self, owner: Integers, *keys: Integers) -> pa.Array:
        """Card as written on a record of these owners; NULL where they have none."""
        card = self.identifiers.card(self.i[owner])
        spelled = spelled_card(self.draws, card, self.i[owner], *keys)
        return where(self.has_card[owner], spelled)

    def shown_email(
        self, owner: Integers, *keys: Integers, by: Integers | None = None
    ) -> pa.Array:
        """Address as written on a record; NULL where they have none.

        It is that of the person `by`, who acts for the owner.
        """
        email = self.identifiers.email(self.i[owner] if by is None else by)
        spelled = spelled_email(self.draws, email, self.i[owner], *keys)
        return where(self.has_email[owner], spelled)

    def shown_phone(self, owner: Integers, *keys: Integers) -> pa.Array:
        """Number as written on a record; NULL where they have none."""
        national = self.identifiers.phone(self.i[owner])
        spelled = spelled_phone(self.draws, national, self.i[owner], *keys)
        return where(self.has_phone[owner], spelled)


def life_stage(age_years: Floats) -> Integers:
    """Position in LIFE_STAGES of an age; -1 before and after childhood."""
    starts = [start for _, start, _ in LIFE_STAGES]
    stage = np.searchsorted(starts, age_years, side="right") - 1
    return np.where(age_years < END_OF_CHILDHOOD, stage, -1)
