"""Identity against a plain computation over Python sets, and against chosen cases."""

import datetime as dt
import random
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.models.identity import resolve

KINDS = ["number", "card", "email", "phone", "device"]
SHAREABLE = {"phone", "device"}
BROWSER = "device"  # of which anybody may have any number
START = dt.datetime(2024, 1, 1)


def at(hour: int | None) -> dt.datetime | None:
    return None if hour is None else START + dt.timedelta(hours=hour)


class Case:
    """Identifiers in the order of their age, by name: kind and a number, as card1."""

    def __init__(
        self,
        links: list[tuple[str, str] | tuple[str, str, int | None]],
        seen: dict[str, int | None] | None = None,
        births: dict[str, dt.date] | None = None,
        blocked: set[str] | None = None,
        limit: int = 5,
    ) -> None:
        seen, births, blocked = seen or {}, births or {}, blocked or set()
        timed = [(*link, None)[:3] for link in links]
        names = {*seen, *births, *blocked, *(n for a, b, _ in timed for n in (a, b))}
        first = {
            name: min(
                [h for h in [seen.get(name)] if h is not None]
                + [h for a, b, h in timed if name in (a, b) and h is not None],
                default=None,
            )
            for name in names
        }
        self.names = sorted(
            names,
            key=lambda n: (
                first[n] is None,
                first[n] or 0,
                KINDS.index(kind_of(n)),
                n,
            ),
        )
        self.number = {name: number for number, name in enumerate(self.names)}
        self.links = sorted(
            {(min(a, b), max(a, b)): h for a, b, h in timed}.items(),
            key=lambda link: (link[1] is not None, link[1] or 0, link[0]),
        )
        self.links_by_pair = dict(self.links)
        self.births, self.blocked, self.limit = births, blocked, limit
        self.first = first
        self.identifiers = pa.Table.from_pylist(
            [
                {
                    "identifier_number": number,
                    "kind": KINDS.index(kind_of(name)),
                    "is_shareable": kind_of(name) in SHAREABLE,
                    "is_partner": kind_of(name) != BROWSER,
                    "partner_limit": limit,
                    "is_blocked": name in blocked,
                    "first_seen_at": at(first[name]),
                    "birth_date": births.get(name),
                }
                for number, name in enumerate(self.names)
            ],
            pa.schema(
                {
                    "identifier_number": pa.int64(),
                    "kind": pa.int64(),
                    "is_shareable": pa.bool_(),
                    "is_partner": pa.bool_(),
                    "partner_limit": pa.int64(),
                    "is_blocked": pa.bool_(),
                    "first_seen_at": pa.timestamp("us"),
                    "birth_date": pa.date32(),
                }
            ),
        )
        self.table = pa.Table.from_pylist(
            [
                {
                    "link_number": number,
                    "left_number": self.number[a],
                    "right_number": self.number[b],
                    "first_seen_at": at(hour),
                }
                for number, ((a, b), hour) in enumerate(self.links)
            ],
            pa.schema(
                {
                    "link_number": pa.int64(),
                    "left_number": pa.int64(),
                    "right_number": pa.int64(),
                    "first_seen_at": pa.timestamp("us"),
                }
            ),
        )

    def resolved(self) -> list[dict[str, Any]]:
        return resolve(self.identifiers, self.table).to_pylist()

    def persons(self) -> set[frozenset[str]]:
        persons: dict[int, set[str]] = {}
        for name, row in zip(self.names, self.resolved(), strict=True):
            if row["refused_by"] is None:
                persons.setdefault(row["person_number"], set()).add(name)
        for oldest, members in persons.items():
            assert self.names[oldest] == min(members, key=self.number.__getitem__)
        return {frozenset(each) for each in persons.values()}

    def refused(self) -> dict[str, str]:
        rows = zip(self.names, self.resolved(), strict=True)
        return {name: row["refused_by"] for name, row in rows if row["refused_by"]}

    def merges(self) -> set[tuple[str, str, tuple[str, str]]]:
        """The identifier that gave way, the older one, the link."""
        return {
            (name, self.names[row["merged_into"]], self.links[row["merged_by"]][0])
            for name, row in zip(self.names, self.resolved(), strict=True)
            if row["merged_by"] is not None
        }


def kind_of(name: str) -> str:
    return name.rstrip("0123456789")


def people(*members: str) -> set[frozenset[str]]:
    return {frozenset(each.split()) for each in members}


def test_links_join_whoever_stands_at_either_end_of_a_chain() -> None:
    case = Case(
        [("card1", "email1"), ("email1", "device1"), ("card2", "email2")],
        seen={"number9": 1},
    )
    assert case.persons() == people("card1 email1 device1", "card2 email2", "number9")
    assert case.refused() == {}


@pytest.mark.parametrize("kind", ["phone", "device"])
def test_what_two_people_share_joins_nobody(kind: str) -> None:
    shared = f"{kind}1"
    case = Case(
        [
            *(("card1", "email1"), ("card2", "email2")),
            *(("card1", shared), ("email2", shared)),
        ]
    )
    assert case.persons() == people("card1 email1", "card2 email2")
    assert case.refused() == {shared: "shared_by_several"}


def test_two_records_of_one_person_are_joined_by_telephone_and_birth_date() -> None:
    born = dt.date(1980, 2, 29)
    links = [("card1", "phone1"), ("card2", "phone1")]
    same = Case(links, births={"card1": born, "card2": born})
    assert same.persons() == people("card1 card2 phone1")
    other = Case(links, births={"card1": born, "card2": dt.date(1980, 3, 1)})
    assert other.refused() == {"phone1": "shared_by_several"}
    unknown = Case(links, births={"card1": born})
    assert unknown.refused() == {"phone1": "shared_by_several"}


def test_a_telephone_joins_a_card_and_an_address_that_do_not_contradict_it() -> None:
    links = [("card1", "phone1"), ("email1", "phone1")]
    assert Case(links).persons() == people("card1 email1 phone1")
    born = {"card1": dt.date(1980, 1, 1), "email1": dt.date(1990, 1, 1)}
    assert Case(links, births=born).refused() == {"phone1": "shared_by_several"}


def test_a_shared_telephone_makes_no_tablet_shared() -> None:
    case = Case(
        [
            *(("card1", "phone1"), ("card2", "phone1")),
            *(("card1", "device1"), ("device1", "phone1")),
        ]
    )
    assert case.persons() == people("card1 device1", "card2")
    assert case.refused() == {"phone1": "shared_by_several"}


def test_two_devices_that_were_seen_together_are_shared_together() -> None:
    case = Case(
        [("device1", "device2"), ("card1", "device1"), ("card2", "device2")],
    )
    assert case.persons() == people("card1", "card2")
    assert set(case.refused()) == {"device1", "device2"}


def test_who_gives_the_familys_telephone_too_keeps_their_own() -> None:
    families = [
        *(("card1", "phone1"), ("card1", "phone9"), ("phone1", "phone9")),
        *(("card2", "phone2"), ("card2", "phone9"), ("phone2", "phone9")),
    ]
    case = Case(families)
    assert case.refused() == {"phone9": "shared_by_several"}
    assert case.persons() == people("card1 phone1", "card2 phone2")


def test_a_blocked_value_joins_nobody() -> None:
    case = Case([("card1", "email1"), ("card2", "email1")], blocked={"email1"})
    assert case.persons() == people("card1", "card2")
    assert case.refused() == {"email1": "blocked_value"}


def test_an_identifier_of_many_partners_of_one_kind_joins_nobody() -> None:
    links = [(f"card{n}", "email9") for n in range(3)]
    assert len(Case(links, limit=3).persons()) == 1
    case = Case(links, limit=2)
    assert case.refused() == {"email9": "too_many_partners"}
    assert len(case.persons()) == 3
    # Of each kind its own number counts, and of browsers anybody may have any number.
    several = [
        *links,
        ("number1", "email9"),
        *((f"device{n}", "email9") for n in "456"),
    ]
    assert Case(several, limit=3).refused() == {}


def test_a_card_of_many_telephones_is_suspected_before_the_telephones_are() -> None:
    links = [("card9", f"phone{n}") for n in range(4)]
    own = [(f"card{n}", f"phone{n}") for n in range(4)]
    case = Case([*links, *own], limit=3)
    assert case.refused() == {"card9": "too_many_partners"}
    assert case.persons() == people(*(f"card{n} phone{n}" for n in range(4)))


def test_a_merge_tells_the_link_and_who_gave_way() -> None:
    case = Case(
        [("card1", "email1", 50), ("email1", "number1", 60), ("card2", "device2", 9)],
        seen={"email1": 10, "card1": 20, "number1": 5, "card2": 9, "device2": 9},
    )
    assert case.merges() == {
        ("card1", "email1", ("card1", "email1")),
        ("email1", "number1", ("email1", "number1")),
    }


def test_an_identifier_that_comes_with_its_link_was_nobody_before() -> None:
    case = Case([("card1", "email1", 50)], seen={"card1": 20})
    assert case.persons() == people("card1 email1")
    assert case.merges() == set()
    # Undated links stand before all days.
    assert Case([("card1", "email1")], seen={"card1": 1, "email1": 2}).merges() == set()
    # So that who is linked by one was there before they were seen.
    case = Case(
        [("card1", "email1"), ("email1", "number1"), ("card2", "number1", 9)],
        seen={"card1": 1, "card2": 2, "number1": 9},
    )
    assert case.merges() == {("card2", "card1", ("card2", "number1"))}
    # Even if that link is to something shared, which is what contradicts for a while.
    case = Case(
        [
            ("device1", "email2"),
            ("device1", "email1", 2),
            ("device1", "number0", 4),
            ("email1", "email2", 5),
        ]
    )
    assert case.merges() == {("number0", "email1", ("email1", "email2"))}


def test_a_merge_dates_from_the_day_on_which_all_that_it_needs_was_seen() -> None:
    # Two cards contradict each other until an address makes them one.
    links: list[tuple[str, str, int | None]] = [
        ("card1", "phone1", 1),
        ("card2", "phone1", 20),
        ("card1", "email1", 30),
        ("card2", "email1", 40),
    ]
    merge = {("card2", "card1", ("card2", "email1"))}
    assert Case(links, seen={"card2": 10}).merges() == merge
    # One that came with its link to the telephone was somebody for a while, too.
    assert Case(links).merges() == merge
    # A telephone whose owners never contradicted each other joins them at once.
    links[1] = ("number2", "phone1", 20)
    links[3] = ("number2", "email1", 40)
    assert Case(links, seen={"number2": 10}).merges() == {
        ("number2", "card1", ("number2", "phone1"))
    }


def test_nothing_and_no_link_are_legal() -> None:
    assert Case([]).resolved() == []
    assert Case([], seen={"card1": 1}).persons() == people("card1")


# --- the same from the definition ----------------------------------------------------


def plainly(case: Case) -> tuple[dict[str, str], set[frozenset[str]]]:
    """Refused identifiers and persons, over sets of names."""
    refused = dict.fromkeys(case.blocked, "blocked_value")
    pairs = [pair for pair, _ in case.links]

    def counting() -> list[tuple[str, str]]:
        return [pair for pair in pairs if not refused.keys() & set(pair)]

    partners: dict[tuple[str, str], set[str]] = {}
    for one, other in counting():
        for here, there in ((one, other), (other, one)):
            if kind_of(there) != BROWSER:
                partners.setdefault((here, kind_of(there)), set()).add(there)
    for (name, _), found in partners.items():
        if len(found) > case.limit:
            refused[name] = "too_many_partners"

    def grown(groups: list[set[str]], pairs: list[tuple[str, str]]) -> list[set[str]]:
        for pair in pairs:
            touched = [group for group in groups if group & set(pair)]
            groups = [group for group in groups if group not in touched]
            groups.append(set().union(*touched))
        return groups

    persons = grown(
        [{name} for name in case.names],
        [p for p in counting() if not {kind_of(n) for n in p} & SHAREABLE],
    )
    placed = set(KINDS) - SHAREABLE
    for kind in [each for each in KINDS if each in SHAREABLE]:
        for are_alone in (True, False):
            of_kind = [p for p in counting() if {kind_of(n) for n in p} == {kind}]
            groups = grown(
                [{n} for n in case.names if kind_of(n) == kind],
                [] if are_alone else of_kind,
            )
            across = [
                p
                for p in counting()
                if kind in {kind_of(n) for n in p}
                and {kind_of(n) for n in p} - {kind} <= placed
                and {kind_of(n) for n in p} != {kind}
            ]
            for group in groups:
                reached = [
                    person
                    for person in persons
                    if any(set(p) & group and (set(p) - group) & person for p in across)
                ]
                if any(not agree(case, a, b) for a, b in combinations(reached, 2)):
                    refused |= dict.fromkeys(
                        group - refused.keys(), "shared_by_several"
                    )
        placed |= {kind}
        persons = grown(
            persons, [p for p in counting() if {kind_of(n) for n in p} <= placed]
        )
    return refused, {
        frozenset(person - refused.keys())
        for person in persons
        if person - refused.keys()
    }


def agree(case: Case, one: set[str], other: set[str]) -> bool:
    births = [
        {case.births[n] for n in group & case.births.keys()} for group in (one, other)
    ]
    if all(births):
        return len(births[0] | births[1]) == 1
    kinds = [{kind_of(n) for n in group} - SHAREABLE for group in (one, other)]
    return not kinds[0] & kinds[1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = [f"{kind}{n}" for kind in KINDS for n in range(4)]
    name = st.sampled_from(names)
    hours = st.none() | st.integers(0, 20)
    links = draw(
        st.dictionaries(
            st.tuples(name, name).filter(lambda pair: pair[0] < pair[1]),
            hours,
            max_size=14,
        )
    )
    births = draw(
        st.dictionaries(
            name.filter(lambda n: kind_of(n) not in SHAREABLE),
            st.sampled_from([dt.date(1980, 1, 1), dt.date(1990, 1, 1)]),
            max_size=5,
        )
    )
    return Case(
        [(*pair, hour) for pair, hour in links.items()],
        seen=draw(st.dictionaries(name, hours, max_size=10)),
        births=births,
        blocked=draw(st.sets(name, max_size=1)),
        limit=draw(st.integers(1, 3)),
    )


def is_consistent(case: Case) -> bool:
    """Whether nobody has two birth dates, of which the definition does not speak."""
    _, persons = plainly(case)
    return all(
        len({case.births[n] for n in person & case.births.keys()}) < 2
        for person in persons
    )


@given(cases().filter(is_consistent))
@settings(max_examples=120, deadline=None)
def test_persons_are_those_of_the_definition(case: Case) -> None:
    refused, persons = plainly(case)
    assert case.refused() == refused
    assert case.persons() == persons


@given(cases())
@settings(max_examples=100, deadline=None)
def test_merges_replay_the_links_in_their_order(case: Case) -> None:
    refused = case.refused()
    oldest = {name: name for name in case.names}
    expected = set()
    for pair, hour in case.links:
        if refused.keys() & set(pair):
            continue
        older, younger = sorted(
            {oldest[name] for name in pair}, key=case.number.__getitem__
        ) * (2 if oldest[pair[0]] == oldest[pair[1]] else 1)
        if older == younger:
            continue
        was_somebody = hour is not None and (
            case.first[younger] is not None and case.first[younger] < hour
        )
        if was_somebody:
            expected.add((younger, older, pair))
        oldest = {
            name: older if before == younger else before
            for name, before in oldest.items()
        }
    # Who has two of a kind may have contradicted themselves for a while: see below.
    kinds = [(oldest[n], kind_of(n)) for n in case.names if kind_of(n) not in SHAREABLE]
    doubtful = {person for person, kind in kinds if kinds.count((person, kind)) > 1}
    assert {each for each in case.merges() if oldest[each[0]] not in doubtful} == {
        each for each in expected if oldest[each[0]] not in doubtful
    }


@given(cases().filter(is_consistent))
@settings(max_examples=100, deadline=None)
def test_each_merge_lasts_from_its_day_on_and_could_be_told_on_it(case: Case) -> None:
    refused = case.refused()
    links = [link for link in case.links if not refused.keys() & set(link[0])]
    days = sorted({-1 if hour is None else hour for _, hour in links})
    expected: dict[str, int] = {}
    before: dict[str, str | None] = {name: name for name in case.names}
    for day in days:
        known = [(*p, hour) for p, hour in links if hour is None or hour <= day]
        nobody, persons = plainly(Case(known, births=case.births, limit=99))
        oldest: dict[str, str | None] = {name: name for name in case.names}
        for each in persons:
            elder = min(each, key=case.number.__getitem__)
            oldest |= dict.fromkeys(each, elder)
        oldest |= dict.fromkeys(nobody, None)
        for name in case.names:
            first = case.first[name]
            if oldest[name] == name:
                expected.pop(name, None)
            elif (
                oldest[name]
                and before[name] == name
                and first is not None
                and first < day
            ):
                expected[name] = day
        before = oldest
    told = {name: case.links_by_pair[pair] for name, _, pair in case.merges()}
    assert told == expected


@given(cases(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_changes_nothing(case: Case, chance: random.Random) -> None:
    before = case.resolved()
    for name in ("identifiers", "table"):
        rows = getattr(case, name).to_pylist()
        chance.shuffle(rows)
        setattr(case, name, pa.Table.from_pylist(rows, getattr(case, name).schema))
    assert case.resolved() == before
