"""The call centre's cases, promises, and what customers answer when asked."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from .catalogue import CRISIS_PRODUCT, product_number
from .draws import Floats, Integers, repeated
from .people import Booleans, People
from .plan import (
    ANSWERED_IN_TIME,
    BLOCKED_SHARE,
    BLOCKED_VALUES,
    CHANNELS,
    COMPLAINT_HOURS,
    CRISIS,
    DIMENSIONS,
    NEVER_ANSWERED,
    PROMISES,
    SATISFACTION_NOISE,
    SURVEY_WAVES,
    TOUCHPOINTS,
    Plan,
)
from .registry import employee_name
from .rows import DAY, Rows, row_ids, stacked
from .texts import either, joined, local_times, padded, picked, where
from .trade import Trade, product_wanted

HOUR = 3600
_KINDS = ["question", "complaint", "claim", "repair"]
_REASONS = {
    "question": ["opening_hours", "product_advice", "club_points"],
    "complaint": ["late_delivery", "rude_staff", "defect"],
    "claim": ["defect", "wrong_item", "missing_part"],
    "repair": ["wheel", "zip", "electronics"],
}
_CASE_CHANNELS = ["phone", "email", "chat", "store"]
_EXTRA, _CRISIS_CASE = 5000, 6000  # cases of a customer are numbered below


def crisis_start(plan: Plan) -> int | None:
    """Seconds after the first midnight; None when it lies outside of the days."""
    at = dt.datetime.fromisoformat(str(CRISIS["starts_at"]))
    midnight = dt.datetime.combine(plan.first_day, dt.time())
    end = at + dt.timedelta(hours=float(CRISIS["hours"]))
    inside = at.date() >= plan.first_day and end.date() <= plan.last_day
    return int((at - midnight).total_seconds()) if inside else None


def in_crisis(people: People) -> Booleans:
    """Whom the crisis makes complain."""
    start = crisis_start(people.plan)
    if start is None:
        return np.zeros(len(people.i), dtype=bool)
    wanted = float(CRISIS["minimum_complaints"])
    present = (people.start * DAY < start) & (people.end * DAY > start + 2 * DAY)
    # About a third of the customers are there that day.
    share = max(
        float(CRISIS["complaints_per_customer"]), 3.5 * wanted / people.plan.customers
    )
    return present & (people.draws.uniform("crisis", people.i) < share)


@dataclass(frozen=True)
class Service:
    """All cases of some customers."""

    people: People

    @cached_property
    def _numbered(self) -> tuple[Integers, Integers, Integers]:
        """Owner, number and opening of each case."""
        people, draws, days = self.people, self.people.draws, self.people.plan.days
        mean = 0.055 * people.span / 30
        owner, number = repeated(draws.poisson(mean, "cases", people.i))
        chance = draws.uniform("case day", people.i[owner], number)
        day = people.start[owner] + people.span[owner] * chance
        # Whoever is driven away by an unanswered complaint has one to begin with.
        angry = np.flatnonzero(people.drivers["unanswered_complaint"])
        first = people.upset[angry]
        crisis = np.flatnonzero(in_crisis(people))
        at = crisis_start(people.plan) or 0
        wait = draws.uniform("crisis wait", people.i[crisis]) ** 2
        i = np.concatenate([people.i[owner], people.i[angry]])
        k = np.concatenate([number, np.full(len(angry), _EXTRA)])
        days_of = np.floor(np.minimum(np.concatenate([day, first]), days - 1))
        seconds = days_of.astype(np.int64) * DAY + 8 * HOUR
        seconds += draws.below(11 * HOUR, "case time", i, k)
        in_first_day = (wait * float(CRISIS["hours"]) * HOUR).astype(np.int64)
        return (
            np.concatenate([owner, angry, crisis]),
            np.concatenate([k, np.full(len(crisis), _CRISIS_CASE)]),
            np.concatenate([seconds, at + in_first_day]),
        )

    @property
    def owner(self) -> Integers:
        """Position of the customer among `people`."""
        return self._numbered[0]

    @property
    def number(self) -> Integers:
        """Number of the case among those of its customer."""
        return self._numbered[1]

    @property
    def seconds(self) -> Integers:
        """When it was opened, after the plan's first midnight."""
        return self._numbered[2]

    @cached_property
    def _keys(self) -> tuple[Integers, Integers]:
        return self.people.i[self.owner], self.number

    @cached_property
    def person(self) -> Integers:
        """Who opened it: the customer, or a contact of the organisation."""
        return self.people.acting("case by", self.owner, self.number)

    @cached_property
    def kind(self) -> Integers:
        """Position in the kinds of case."""
        drawn = self.people.draws.choice([50, 25, 10, 15], "case kind", *self._keys)
        return np.where(self.number >= _EXTRA, 1, drawn)

    @cached_property
    def response(self) -> Integers:
        """Seconds until the first answer; -1 where none came by the last day.

        No answer of a complaint comes near the limit: a change of the clocks in
        between decides nothing.
        """
        people, draws, keys = self.people, self.people.draws, self._keys
        chance = draws.uniform("response", *keys)
        in_time = draws.uniform("in time", *keys) < ANSWERED_IN_TIME
        in_time &= self.number != _EXTRA
        within = 0.3 + chance * (COMPLAINT_HOURS - 4)
        after = COMPLAINT_HOURS + 3 + chance * 70
        hours = np.where(in_time, within, after)
        never = draws.uniform("never", *keys) < np.where(
            self.number == _EXTRA, 0.3, NEVER_ANSWERED
        )
        seconds = (hours * HOUR).astype(np.int64)
        # An hour to spare: the clocks may change in between.
        known = self.seconds + seconds + HOUR < people.plan.days * DAY
        return np.where(never | ~known, -1, seconds)

    @cached_property
    def names(self) -> pa.Array:
        """Numbers of the cases."""
        i, number = self._keys
        return joined("H", padded(i, 7), "-", padded(number, 4))

    def cases(self) -> tuple[Rows, dict[str, int]]:
        """Rows of `crm.cases` and the complaints by what became of them."""
        people, draws, keys = self.people, self.people.draws, self._keys
        first, end = people.plan.first_day, people.plan.days * DAY
        owner, seconds = self.owner, self.seconds
        crisis = self.number == _CRISIS_CASE
        answered = self.response >= 0
        wait = DAY * (1 + draws.below(9, "resolved", *keys))
        resolved = answered & (seconds + self.response + wait < end)
        wish = product_wanted(people, owner, seconds // DAY, "case", self.number)
        product = np.where(crisis, CRISIS_PRODUCT, wish)
        reasons = [reason for kind in _KINDS for reason in _REASONS[kind]]
        drawn = draws.below(3, "reason", *keys)
        position = np.where(crisis, len(reasons), 3 * self.kind + drawn)
        channel = draws.choice([6, 3, 2, 1], "case channel", *keys)
        channel = np.where(
            crisis, _CASE_CHANNELS.index(str(CRISIS["channel"])), channel
        )
        by_phone = (channel == 0) & people.has_phone[owner]
        typed = draws.uniform("typed by agent", *keys)
        typed_email = by_phone & (typed < BLOCKED_SHARE)
        typed_card = by_phone & ~typed_email & (typed < 2 * BLOCKED_SHARE)
        email = people.shown_email(owner, self.number, by=self.person)
        card = people.shown_card(owner, self.number)
        rows = Rows(
            {
                "case_number": self.names,
                "phone": where(by_phone, people.shown_phone(owner, self.number)),
                "email": either(
                    typed_email, BLOCKED_VALUES["email"], where(~by_phone, email)
                ),
                "card_number": either(
                    typed_card, BLOCKED_VALUES["card"], where(~by_phone, card)
                ),
                "opened_at": local_times(first, seconds),
                "first_response_at": where(
                    answered, local_times(first, seconds + self.response)
                ),
                "resolved_at": where(
                    resolved, local_times(first, seconds + self.response + wait)
                ),
                "channel": picked(_CASE_CHANNELS, channel),
                "kind": picked(_KINDS, self.kind),
                "reason": picked([*reasons, str(CRISIS["reason"])], position),
                "product_number": where(self.kind > 0, product_number(product)),
                "employee": employee_name(9 + draws.below(4, "agent", *keys)),
                "reopened": pa.array(
                    resolved & (draws.uniform("reopened", *keys) < 0.05)
                ),
            },
            row_ids(draws, "cases", *keys),
            seconds,
            person=self.person,
        )
        complaints = self.kind == 1
        in_time = complaints & answered & (self.response <= COMPLAINT_HOURS * HOUR)
        counts = {
            "complaints": int(complaints.sum()),
            "complaints_answered_in_time": int(in_time.sum()),
            "complaints_answered_late": int((complaints & answered & ~in_time).sum()),
            "complaints_unanswered": int((complaints & ~answered).sum()),
            "crisis_complaints": int(crisis.sum()),
        }
        return rows, counts

    def promises(self) -> tuple[Rows, dict[str, int]]:
        """Rows of `crm.promises` and how many of each kind were kept."""
        people, draws = self.people, self.people.draws
        end = people.plan.days * DAY
        chance = draws.uniform("promise", *self._keys)
        repair = self.kind == 3
        some = np.flatnonzero(repair | (chance < 0.4))
        owner, number = self.owner[some], self.number[some]
        keys = (people.i[owner], number)
        person = self.person[some]
        delivery = draws.uniform("promise kind", *keys) < 0.3
        kind = np.where(repair[some], 2, np.where(delivery, 0, 1))
        names = ["delivery", "call_back", "repair"]
        made = self.seconds[some] + 600
        due = made + np.array([4 * DAY, DAY, 10 * DAY])[kind]
        shares = np.array([PROMISES[name] for name in names])[kind]
        draw = draws.uniform("kept", *keys)
        outcome = (draw >= shares[:, 0]) * 1 + (draw >= shares.sum(axis=1)) * 1
        shift = (draws.uniform("kept at", *keys) * 0.8 + 0.1) * (due - made)
        kept_at = np.where(outcome == 0, due - shift, due + shift).astype(np.int64)
        known = (outcome < 2) & (kept_at + HOUR < end)
        rows = Rows(
            {
                "promise": joined("G", padded(keys[0], 7), "-", padded(number, 4)),
                "email": people.shown_email(owner, number, by=person),
                "card_number": people.shown_card(owner, number),
                "kind": picked(names, kind),
                "promised_at": local_times(people.plan.first_day, made),
                "due_at": local_times(people.plan.first_day, due),
                "kept_at": where(known, local_times(people.plan.first_day, kept_at)),
            },
            row_ids(draws, "promises", *keys),
            made,
            person=person,
        )
        outcomes = np.where(known, outcome, 2)
        counts: Counter[str] = Counter()
        for position, name in enumerate(names):
            for code, word in enumerate(["in_time", "late", "not"]):
                met = (kind == position) & (outcomes == code)
                counts[f"promises_{name}_kept_{word}"] = int(met.sum())
        return rows, dict(counts)


def _standing(people: People, owner: Integers, purpose: str, *keys: Integers) -> Floats:
    """Rank of an answer among all, evenly in (0, 1): 1 for the most satisfied."""
    from scipy.special import ndtr

    spread, middle = 0.75, -0.27  # of People.satisfaction
    mood = (people.satisfaction[owner] - middle) / spread
    noise = people.draws.normal(purpose, people.i[owner], *keys)
    return np.asarray(ndtr(0.6 * mood + 0.8 * noise))


def _spread(
    rank: Floats, ends: list[Floats], groups: list[tuple[int, int]]
) -> Integers:
    """A score for each rank: group g, from low to high, up to the share ends[g]."""
    score = np.zeros(len(rank), dtype=np.int64)
    lower = np.zeros(len(rank))
    for upper, (low, high) in zip([*ends, np.ones(len(rank))], groups, strict=True):
        inside = (rank >= lower) & (rank < upper)
        place = (rank - lower) / np.maximum(upper - lower, 1e-9)
        drawn = low + (place * (high - low + 1)).astype(np.int64)
        score[inside] = np.minimum(drawn, high)[inside]
        lower = upper
    return score


_METHODS = ["email", "app", "phone", "kiosk"]
_SCALES = {
    **{"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)},
    **dict.fromkeys(("perception", "expectation", "importance"), (1, 7)),
}
_FACTORS = {
    "tangibles": "product",
    "reliability": "channel",
    "responsiveness": "channel",
    "assurance": "price",
    "empathy": "competitor",
}


def answers(
    people: People, trade: Trade, service: Service
) -> tuple[Rows, dict[str, int]]:
    """Rows of `survey.answers`; answers by touchpoint and survey, questionnaires."""
    draws, plan = people.draws, people.plan
    after_order = draws.uniform("asked", people.i[trade.owner], trade.number) < 0.06
    after_order &= ~trade.cancelled
    after_case = (
        draws.uniform("asked after", people.i[service.owner], service.number) < 0.35
    )
    wave = draws.choice([1] * len(SURVEY_WAVES), "wave", people.i)
    day = np.array(SURVEY_WAVES)[wave] + draws.below(14, "wave day", people.i)
    present = (people.start + 20 < day) & (day < people.end)
    asked = np.flatnonzero(present & (draws.uniform("yearly", people.i) < 0.5))
    orders, cases = np.flatnonzero(after_order), np.flatnonzero(after_case)
    answered = [  # survey, owner, person, number, seconds, touchpoint
        (
            "after_order",
            trade.owner[orders],
            trade.i[orders],
            trade.number[orders],
            trade.seconds[orders] + DAY,
            trade.channel[orders],
        ),
        (
            "after_case",
            service.owner[cases],
            service.person[cases],
            service.number[cases],
            service.seconds[cases] + 4 * DAY,
            np.full(len(cases), CHANNELS.index("call_centre")),
        ),
        (
            "relationship",
            asked,
            people.acting("answered by", asked),
            np.zeros_like(asked),
            day[asked] * DAY + 18 * HOUR,
            people.main_channel[asked],
        ),
    ]
    questions = {
        "after_order": [("nps", None), ("csat", None)],
        "after_case": [("csat", None), ("ces", None)],
        "relationship": [("nps", None), ("csat", None), ("ces", None)]
        + [
            (measure, dimension)
            for measure in ("perception", "expectation", "importance")
            for dimension in DIMENSIONS
        ],
    }
    shares = np.array([TOUCHPOINTS[channel] for channel in CHANNELS])
    counts: Counter[str] = Counter()
    parts = []
    for survey, *of_survey in answered:
        owner, person, number, seconds, touchpoint = (
            values[of_survey[3] < plan.days * DAY] for values in of_survey
        )
        i = people.i[owner]
        sheet = joined(
            {"after_order": "YO", "after_case": "YH"}.get(survey, "YR"),
            padded(i, 7),
            "-",
            padded(number, 4),
        )
        counts["responses"] += len(i)
        perceived = {
            dimension: _perceived(people, owner, dimension, number)
            for dimension in DIMENSIONS
        }
        for position, (measure, dimension) in enumerate(questions[survey]):
            key = np.full(len(i), position)
            rank = _standing(people, owner, f"{survey} {measure}", number)
            share = shares[touchpoint]
            if measure == "nps":
                ends = [share[:, 0], share[:, 0] + share[:, 1]]
                score = _spread(rank, ends, [(0, 6), (7, 8), (9, 10)])
                for name, low, high in (
                    ("detractors", 0, 6),
                    ("passives", 7, 8),
                    ("promoters", 9, 10),
                ):
                    _count(counts, f"nps_{name}", touchpoint, score, low, high)
            elif measure == "csat":
                if survey == "relationship":
                    total = sum(w * perceived[d] for d, w in DIMENSIONS.items())
                    noise = draws.normal("overall", i, number) * SATISFACTION_NOISE
                    overall = 1 + (np.asarray(total) + noise - 1) * 4 / 6
                    score = np.clip(np.rint(overall), 1, 5).astype(np.int64)
                else:
                    score = _spread(rank, [share[:, 2]], [(1, 3), (4, 5)])
                _count(counts, "csat_satisfied", touchpoint, score, 4, 5)
                _count(counts, "csat_answers", touchpoint, score, 1, 5)
                counts[f"csat_satisfied_{survey}"] += int((score >= 4).sum())
                counts[f"csat_answers_{survey}"] += len(score)
            elif measure == "ces":
                score = _spread(rank, [share[:, 3]], [(1, 4), (5, 7)])
                _count(counts, "ces_easy", touchpoint, score, 5, 7)
                _count(counts, "ces_answers", touchpoint, score, 1, 7)
            elif measure == "perception":
                score = perceived[str(dimension)]
            else:
                height = 5.7 if measure == "expectation" else 3.2
                if measure == "importance":
                    height += 9 * DIMENSIONS[str(dimension)]
                noise = draws.normal(f"{measure} {dimension}", i, number)
                score = np.clip(np.rint(height + 0.7 * noise), 1, 7).astype(np.int64)
            low, high = _SCALES[measure]
            unhappy = (measure == "nps") & (score <= 6)
            words = picked(
                ["zu lange gewartet", "zu teuer", "niemand antwortet", "falsche Ware"],
                draws.below(4, "words", i, number),
            )
            method = draws.choice([5, 3, 2, 1], "method", i, number)
            parts.append(
                Rows(
                    {
                        "answer": joined(sheet, "-", padded(key, 2)),
                        "response": sheet,
                        "email": people.shown_email(owner, number, by=person),
                        "card_number": people.shown_card(owner, number),
                        "answered_at": local_times(
                            plan.first_day, seconds + 60 * position
                        ),
                        "survey": pa.array([survey] * len(i), pa.string()),
                        "question": pa.array(
                            [f"{measure} {dimension or 'overall'}"] * len(i),
                            pa.string(),
                        ),
                        "measure": pa.array([measure] * len(i), pa.string()),
                        "dimension": pa.array([dimension] * len(i), pa.string()),
                        "factor": pa.array(
                            [_FACTORS.get(str(dimension))] * len(i), pa.string()
                        ),
                        "score": pa.array(score),
                        "scale_min": pa.array(np.full(len(i), low)),
                        "scale_max": pa.array(np.full(len(i), high)),
                        "method": picked(_METHODS, method),
                        "touchpoint": picked(CHANNELS, touchpoint),
                        "text": where(unhappy, words),
                    },
                    row_ids(draws, f"answers {survey}", i, number, key),
                    seconds + 60 * position,
                    person=person,
                )
            )
    return stacked(parts), dict(counts)


def _perceived(
    people: People, owner: Integers, dimension: str, number: Integers
) -> Integers:
    """Answer from 1 to 7: the customer's mood, what drives it, and noise."""
    height = 5.0 + 0.8 * people.satisfaction[owner]
    if dimension == "reliability":
        height = height - 0.8 * people.drivers["late_deliveries"][owner]
    if dimension == "responsiveness":
        height = height - 1.0 * people.drivers["unanswered_complaint"][owner]
    noise = people.draws.normal(f"perceived {dimension}", people.i[owner], number)
    return np.clip(np.rint(height + 0.9 * noise), 1, 7).astype(np.int64)


def _count(
    counts: Counter[str],
    name: str,
    touchpoint: Integers,
    score: Integers,
    low: int,
    high: int,
) -> None:
    inside = (score >= low) & (score <= high)
    found = np.bincount(touchpoint[inside], minlength=len(CHANNELS))
    for channel, count in zip(CHANNELS, found, strict=True):
        counts[f"{name}_{channel}"] += int(count)
