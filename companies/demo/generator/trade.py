"""Orders, their lines, and the visits to stores on which some of them were made."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from .catalogue import (
    is_missing,
    list_price,
    product_number,
    sold_instead,
    store_number,
    unit_cost,
)
from .draws import Floats, Integers, repeated
from .people import YEAR, Booleans, People, life_stage
from .plan import (
    BLOCKED_SHARE,
    BLOCKED_VALUES,
    CAMPAIGN_DAYS,
    CAMPAIGN_HOLD_OUT,
    CAMPAIGN_LIFTS,
    CAMPAIGN_TARGETED,
    CAMPAIGNS,
    CANCELLED_SHARE,
    CANCELLED_STATUS,
    CHANNEL_SHARES,
    CHANNELS,
    CITIES,
    LIFE_STAGE_SHARE,
    LIFE_STAGES,
    PRODUCTS_PER_CATEGORY,
    STORES_PER_CITY,
    VISITS_WITHOUT_PURCHASE,
)
from .rows import DAY, Rows, row_ids, stacked
from .texts import decimals, either, joined, local_times, padded, picked, where

_BY_CAMPAIGN, _RETURN = 8000, 4000  # orders of a customer are numbered below
_STORE, _WEB, _APP, _CALL, _COMMUNITY, _KEY = range(6)
_HOURS = np.array([(9, 10), (8, 14), (7, 15), (8, 10), (10, 11), (8, 9)])
_PAYMENTS = ["cash", "card", "invoice", "wallet"]


def category_wanted(
    people: People, owner: Integers, day: Integers, purpose: str, *keys: Integers
) -> Integers:
    """Category of interest on a day: the stage of one of the children, or any."""
    i, draws = people.i[owner], people.draws
    children = people.child_count[owner]
    child = draws.below(np.maximum(children, 1), f"{purpose} child", i, *keys)
    age = (day - people.child_birth(owner, child)) / YEAR
    stage = life_stage(age)
    for_child = (
        (children > 0)
        & (stage >= 0)
        & (draws.uniform(f"{purpose} for child", i, *keys) < LIFE_STAGE_SHARE)
    )
    general = len(LIFE_STAGES) + draws.choice(
        [5, 3, 2, 2, 3], f"{purpose} category", i, *keys
    )
    return np.where(for_child, stage, general)


def product_wanted(
    people: People, owner: Integers, day: Integers, purpose: str, *keys: Integers
) -> Integers:
    """Product of interest on a day."""
    category = category_wanted(people, owner, day, purpose, *keys)
    chance = people.draws.uniform(f"{purpose} product", people.i[owner], *keys)
    place = (chance**1.5 * PRODUCTS_PER_CATEGORY).astype(np.int64)
    return sold_instead(category * PRODUCTS_PER_CATEGORY + place, day)


@dataclass(frozen=True)
class Targets:
    """Who was chosen for which campaign. Arrays of equal length."""

    owner: Integers
    campaign: Integers
    held_out: Booleans
    buys: Booleans  # only because of the campaign


def campaign_targets(people: People) -> Targets:
    """Draw the targets of all campaigns, and the hold-out among them."""
    starts = np.array([day for *_, day in CAMPAIGNS])
    known = np.flatnonzero(starts + CAMPAIGN_DAYS < people.plan.days)
    owner = np.repeat(np.arange(len(people.i)), len(known))
    campaign = np.tile(known, len(people.i))
    i, draws = people.i[owner], people.draws
    reachable = (
        people.has_email[owner]
        & (people.start[owner] < starts[campaign])
        & (people.end[owner] > starts[campaign] + CAMPAIGN_DAYS)
    )
    chosen = draws.uniform("target", i, campaign) < CAMPAIGN_TARGETED
    owner, campaign = owner[reachable & chosen], campaign[reachable & chosen]
    i = people.i[owner]
    held_out = draws.uniform("hold-out", i, campaign) < CAMPAIGN_HOLD_OUT
    lift = np.array(CAMPAIGN_LIFTS)[campaign % len(CAMPAIGN_LIFTS)]
    buys = ~held_out & (draws.uniform("lift", i, campaign) < lift)
    return Targets(owner, campaign, held_out, buys)


@dataclass(frozen=True)
class Trade:
    """All orders of some customers; returns are orders of their own."""

    people: People
    targets: Targets

    @cached_property
    def _numbered(self) -> tuple[Integers, Integers, Floats]:
        """Owner, number and day of each order that is no return."""
        people = self.people
        mean = people.orders_per_month * people.span / 30
        owner, number = repeated(people.draws.poisson(mean, "orders", people.i))
        chance = people.draws.uniform("order day", people.i[owner], number)
        day = people.start[owner] + people.span[owner] * chance
        buys, targets = self.targets.buys, self.targets
        starts = np.array([start for *_, start in CAMPAIGNS])
        led_owner, led = targets.owner[buys], targets.campaign[buys]
        wait = people.draws.uniform("campaign wait", people.i[led_owner], led)
        return (
            np.concatenate([owner, led_owner]),
            np.concatenate([number, _BY_CAMPAIGN + led]),
            np.concatenate([day, starts[led] + 0.2 + (CAMPAIGN_DAYS - 1) * wait]),
        )

    @property
    def owner(self) -> Integers:
        """Position of the customer among `people`."""
        return self._numbered[0]

    @property
    def number(self) -> Integers:
        """Number of the order among those of its customer."""
        return self._numbered[1]

    @cached_property
    def i(self) -> Integers:
        """The customer's number."""
        return self.people.i[self.owner]

    @cached_property
    def channel(self) -> Integers:
        """Position in CHANNELS."""
        people, draws = self.people, self.people.draws
        any_channel = draws.choice(CHANNEL_SHARES, "channel", self.i, self.number)
        usual = draws.uniform("usual channel", self.i, self.number) < 0.7
        channel = np.where(usual, people.main_channel[self.owner], any_channel)
        has_app = people.drivers["app_user"][self.owner]
        channel = np.where((channel == _APP) & ~has_app, _WEB, channel)
        channel = np.where(people.is_organisation[self.owner], _KEY, channel)
        unreachable = ~people.has_email[self.owner] & (channel != _CALL)
        return np.where(unreachable, _STORE, channel)

    @cached_property
    def seconds(self) -> Integers:
        """When it was ordered, after the plan's first midnight."""
        hours = _HOURS[self.channel]
        chance = self.people.draws.uniform("order time", self.i, self.number)
        within = (hours[:, 0] + 0.01 + chance * (hours[:, 1] - 0.02)) * 3600
        return self._numbered[2].astype(np.int64) * DAY + within.astype(np.int64)

    @property
    def day(self) -> Integers:
        """Business day of the order."""
        return self.seconds // DAY

    @cached_property
    def names(self) -> pa.Array:
        """Numbers of the orders as the shop writes them."""
        return joined("A", padded(self.i, 7), "-", padded(self.number, 4))

    @cached_property
    def cancelled(self) -> Booleans:
        """Whether it was called off before it was delivered."""
        chance = self.people.draws.uniform("cancelled", self.i, self.number)
        may_be = (self.channel != _STORE) & (self.number < _BY_CAMPAIGN)
        return may_be & (chance < CANCELLED_SHARE)

    @cached_property
    def returned(self) -> Booleans:
        """Whether the first line comes back some days later."""
        chance = self.people.draws.uniform("returned", self.i, self.number)
        comes_back = (chance < 0.04) & ~self.cancelled
        return comes_back & (self.return_seconds < self.people.plan.days * DAY)

    @cached_property
    def return_seconds(self) -> Integers:
        """When it would come back."""
        days = 3 + self.people.draws.below(9, "return day", self.i, self.number)
        return self.seconds + days * DAY

    @cached_property
    def store(self) -> Integers:
        """One of the stores in the customer's city."""
        which = self.people.draws.below(STORES_PER_CITY, "store", self.i, self.number)
        return self.people.city[self.owner] * STORES_PER_CITY + which

    def orders(self) -> Rows:
        """Rows of `retail.orders`, returns included."""
        people, draws, owner = self.people, self.people.draws, self.owner
        keys = (self.i, self.number)
        channel = self.channel
        in_store = channel == _STORE
        shows_card = draws.uniform("shows card", *keys) < 0.85
        card = people.shown_card(owner, self.number)
        email = people.shown_email(owner, self.number)
        phone = people.shown_phone(owner, self.number)
        by_phone = (channel == _CALL) & people.has_phone[owner]
        online = ~in_store & ~by_phone
        typed = draws.uniform("typed by staff", *keys) < BLOCKED_SHARE
        typed_email = typed & in_store & shows_card & people.has_card[owner]
        # Without a card of theirs the house's own, and a receipt by e-mail.
        receipt = typed & in_store & ~typed_email & people.has_email[owner]
        typed_card = receipt | (typed & by_phone)
        cheap = people.drivers["price_hunter"][owner]
        discounted = cheap & (draws.uniform("voucher", *keys) < 0.3)
        shipped = np.isin(channel, [_WEB, _APP, _CALL])
        pays_shipping = shipped & (draws.uniform("shipping", *keys) < 0.5)
        late_share = np.where(people.drivers["late_deliveries"][owner], 0.4, 0.06)
        is_late = draws.uniform("late delivery", *keys) < late_share
        promised = (self.day + 3) * DAY + 18 * 3600
        shift = np.where(
            is_late,
            1 + draws.below(5, "delay", *keys),
            -draws.below(2, "early", *keys),
        )
        delivered = promised + shift * DAY - draws.below(6 * 3600, "minute", *keys)
        arrived = shipped & ~self.cancelled & (delivered < people.plan.days * DAY)
        first = people.plan.first_day
        status = np.where(in_store, 0, np.where(arrived | (channel >= 4), 1, 2))
        status = np.where(self.cancelled, 3, status)
        sold = Rows(
            {
                "order_number": self.names,
                "ordered_at": local_times(first, self.seconds),
                "channel": picked(CHANNELS, channel),
                "store_number": where(in_store, store_number(self.store)),
                "city": picked([name for name, *_ in CITIES], people.city[owner]),
                "status": picked(
                    ["completed", "delivered", "shipped", CANCELLED_STATUS], status
                ),
                "card_number": either(
                    typed_card,
                    BLOCKED_VALUES["card"],
                    where(in_store & shows_card, card),
                ),
                "email": either(
                    typed_email, BLOCKED_VALUES["email"], where(online | receipt, email)
                ),
                "phone": where(by_phone, phone),
                "payment_method": picked(
                    _PAYMENTS, draws.choice([2, 5, 2, 3], "payment", *keys)
                ),
                "voucher": decimals(np.where(discounted, 200, 0)),
                "shipping": decimals(np.where(pays_shipping, 490, 0)),
                "promised_at": where(shipped, local_times(first, promised)),
                "delivered_at": where(arrived, local_times(first, delivered)),
            },
            row_ids(draws, "orders", *keys),
            self.seconds,
            person=self.i,
        )
        back = sold.take(self.returned)
        seconds = self.return_seconds[self.returned]
        keys = (self.i[self.returned], self.number[self.returned] + _RETURN)
        nothing = decimals(np.zeros(len(back), dtype=np.int64))
        never = pa.nulls(len(back), pa.timestamp("s"))
        returned = Rows(
            back.columns
            | {
                "order_number": self.return_names,
                "ordered_at": local_times(first, seconds),
                "status": pa.array(["returned"] * len(back), pa.string()),
                "voucher": nothing,
                "shipping": nothing,
                "promised_at": never,
                "delivered_at": never,
            },
            row_ids(draws, "orders", *keys),
            seconds,
            person=back.person,
        )
        return stacked([sold, returned])

    @cached_property
    def return_names(self) -> pa.Array:
        """Numbers of the returns."""
        return joined(
            "R",
            padded(self.i[self.returned], 7),
            "-",
            padded(self.number[self.returned], 4),
        )

    @cached_property
    def lines(self) -> tuple[Rows, dict[str, Integers]]:
        """Rows of `retail.order_lines`, and for each row of `orders` their sums.

        `line_cents` is what the lines bring, `cost_cents` what they cost the company,
        both below 0 for a return; `lines_without_cost` counts those of products that
        the inventory system does not know.
        """
        people, draws = self.people, self.people.draws
        count = 1 + draws.poisson(np.full(len(self.i), 1.2), "lines", *self._keys)
        order, line = repeated(count)
        keys = (self.i[order], self.number[order], line)
        owner, day = self.owner[order], self.day[order]
        product = product_wanted(people, owner, day, "line", *keys[1:])
        quantity = 1 + draws.choice([7, 2, 1], "quantity", *keys)
        quantity = quantity * np.where(people.is_organisation[owner], 5, 1)
        hunts = people.drivers["price_hunter"][owner]
        reduced = draws.uniform("reduced", *keys) < np.where(hunts, 0.5, 0.1)
        price = list_price(product)
        paid = np.where(reduced, price * 9 // 10, price)
        first_day = people.plan.first_day

        def rows(names: pa.Array, seconds: Integers, sign: int, mask: Booleans) -> Rows:
            return Rows(
                {
                    "order_number": names,
                    "line_number": pa.array(line[mask] + 1),
                    "ordered_at": local_times(first_day, seconds),
                    "product_number": product_number(product[mask]),
                    "quantity": pa.array(sign * quantity[mask]),
                    "unit_price": decimals(paid[mask]),
                    "discount": decimals(
                        (price - paid)[mask] * quantity[mask] * (sign > 0)
                    ),
                    "amount": decimals(sign * (paid * quantity)[mask]),
                },
                row_ids(draws, f"lines {sign}", *(key[mask] for key in keys)),
                seconds,
            )

        every = np.ones(len(order), dtype=bool)
        comes_back = self.returned[order] & (line == 0)
        rows_sold = rows(
            self.names.take(pa.array(order)), self.seconds[order], 1, every
        )
        rows_back = rows(
            self.return_names, self.return_seconds[self.returned], -1, comes_back
        )

        def summed(values: Integers, sign: int) -> Integers:
            of_sold = np.bincount(order, values, len(self.i)).astype(np.int64)
            return np.concatenate([of_sold, sign * values[comes_back]])

        return stacked([rows_sold, rows_back]), {
            "line_cents": summed(paid * quantity, -1),
            "cost_cents": summed(unit_cost(product) * quantity, -1),
            "lines_without_cost": summed(is_missing(product).astype(np.int64), 1),
        }

    @property
    def _keys(self) -> tuple[Integers, Integers]:
        return self.i, self.number

    def presences(self) -> tuple[Rows, dict[str, int]]:
        """Rows of `stores.presences` and the number of visits, with a purchase or not.

        Only telephones with the app are seen.
        """
        people, draws = self.people, self.people.draws
        has_device = people.drivers["app_user"]
        bought = np.flatnonzero((self.channel == _STORE) & has_device[self.owner])
        mean = (
            people.orders_per_month
            * people.span
            / 30
            * (0.5 * VISITS_WITHOUT_PURCHASE / (1 - VISITS_WITHOUT_PURCHASE))
            * has_device
        )
        looker, number = repeated(draws.poisson(mean, "visits", people.i))
        i = people.i[looker]
        chance = draws.uniform("visit day", i, number)
        looked = (people.start[looker] + people.span[looker] * chance).astype(np.int64)
        time = 9.5 * 3600 + 9 * 3600 * draws.uniform("visit time", i, number)
        which = draws.below(STORES_PER_CITY, "visited store", i, number)
        owner = np.concatenate([self.owner[bought], looker])
        key = np.concatenate([self.number[bought], 10000 + number])
        at = np.concatenate(
            [self.seconds[bought], looked * DAY + time.astype(np.int64)]
        )
        store = np.concatenate(
            [self.store[bought], people.city[looker] * STORES_PER_CITY + which]
        )
        buys = np.arange(len(owner)) < len(bought)
        steps = [  # state, minutes before the till, zone
            ("near", -26, "street"),
            ("enter", -22, "door"),
            ("floor", -20, "ground floor"),
            ("dwell", -11, "shelf"),
            ("bag", 1, "till"),
            ("leave", 4, "door"),
        ]
        parts = []
        for position, (state, minutes, zone) in enumerate(steps):
            seen = buys if state == "bag" else np.ones(len(owner), dtype=bool)
            i, k = people.i[owner[seen]], key[seen]
            step = np.full(len(i), position)
            seconds = at[seen] + 60 * minutes + draws.below(50, "sensor", i, k, step)
            parts.append(
                Rows(
                    {
                        "reading": joined("V", padded(i, 7), "-", k, "-", step),
                        "read_at": local_times(people.plan.first_day, seconds),
                        "store_number": store_number(store[seen]),
                        "floor": picked(["0", "1"], (store[seen] % 2)),
                        "zone": pa.array([zone] * len(i), pa.string()),
                        "state": pa.array([state] * len(i), pa.string()),
                        "device": people.identifiers.device(i, np.zeros_like(i)),
                    },
                    row_ids(draws, "presences", i, k, step),
                    seconds,
                    person=i,
                )
            )
        counts = {"visits": len(owner), "visits_with_purchase": int(buys.sum())}
        return stacked(parts), counts
