"""Which identifiers belong to one person, and how that came about."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Integers = npt.NDArray[np.integer[Any]]
Booleans = npt.NDArray[np.bool_]

# Of each identifier its kind, whether it is shareable, and its birth date.
Nature = tuple[Integers, Booleans, Integers]


class Links(NamedTuple):
    """Links that count: both ends, number and first sight, at the same places."""

    left: Integers
    right: Integers
    number: Integers
    seen: Integers

    def where(self, chosen: npt.NDArray[Any] | slice) -> "Links":
        """Those of a mask, or at some places."""
        return Links(*(each[chosen] for each in self))


# Why an identifier stands for nobody, so that its links do not count.
RULES = ("blocked_value", "too_many_partners", "shared_by_several")
_BLOCKED, _TOO_MANY, _SHARED = range(len(RULES))
_NONE = -1

# What resolve reads.
IDENTIFIER_COLUMNS = (
    "identifier_number",
    "kind",
    "is_shareable",
    "is_partner",
    "partner_limit",
    "is_blocked",
    "first_seen_at",
    "birth_date",
)
LINK_COLUMNS = ("link_number", "left_number", "right_number", "first_seen_at")

_EVER = np.iinfo(np.int64).min
_NEVER = np.iinfo(np.int64).max


def resolve(identifiers: pa.Table, links: pa.Table) -> pa.Table:
    """Join identifiers into persons; one row per identifier.

    `identifiers`, in any order, has `identifier_number` (0 to n - 1, the oldest first),
    `kind` (a small whole number, the strongest kind 0), `is_shareable` (whether several
    people may use one of its kind, as a telephone), `is_partner` (whether those of its
    kind count as partners; browsers do not), `partner_limit`, `is_blocked`,
    `first_seen_at` (timestamp) and `birth_date` (date), the last two NULL where they
    are unknown. `links` has `link_number` (the earliest first), `left_number`,
    `right_number` and `first_seen_at`; each pair stands there once.

    Returned are `identifier_number`; `person_number`, the oldest identifier of the same
    person; `refused_by`, the one of RULES by which the identifier stands for nobody,
    NULL where none does; and of an identifier that was the oldest of a person before an
    older one joined them, `merged_by` (number of the link) and `merged_into` (the older
    one). The answer depends on the rows alone, not on their order.

    - The links of a blocked value do not count.
    - Nor do those of an identifier with more than `partner_limit` partners of one kind.
    - What the other links join are persons. A shareable identifier that is linked to
      several of them joins these, unless they contradict each other: by their birth
      dates, or, where these are not all known and equal, by two different identifiers
      of one kind. Then it is shared, and stands for nobody. So are those that were seen
      together, where they contradict each other and none alone does.
    """
    one = identifiers.sort_by("identifier_number")
    kind = _column(one, "kind").astype(np.int64)
    shareable = _column(one, "is_shareable").astype(bool)
    count = len(kind)
    left, right = _column(links, "left_number"), _column(links, "right_number")
    rule = np.full(count, _NONE, dtype=np.int8)
    rule[_column(one, "is_blocked").astype(bool)] = _BLOCKED
    counts = _counting(rule != _NONE, left, right)
    is_partner = _column(one, "is_partner").astype(bool)
    partners = _partners(kind, is_partner, left[counts], right[counts])
    rule[(rule == _NONE) & (partners > _column(one, "partner_limit"))] = _TOO_MANY

    nature = kind, shareable, _column(one, "birth_date", null=_NONE)
    person, is_shared = _persons(nature, rule != _NONE, left, right)
    rule[is_shared] = _SHARED
    counts = _counting(rule != _NONE, left, right)
    number = _column(links, "link_number")
    seen = _column(links, "first_seen_at", null=_EVER)
    counting = Links(left, right, number, seen).where(counts)
    merged_by, merged_into = _merges(
        nature,
        _column(one, "first_seen_at", null=_NEVER),
        person,
        counting.where(np.argsort(counting.number, kind="stable")),
    )
    return pa.table(
        {
            "identifier_number": pa.array(np.arange(count)),
            "person_number": pa.array(person),
            "refused_by": pa.array([*RULES]).take(pa.array(rule, mask=rule == _NONE)),
            "merged_by": pa.array(merged_by, mask=merged_by == _NONE),
            "merged_into": pa.array(merged_into, mask=merged_into == _NONE),
        }
    )


def _persons(
    nature: Nature, is_refused: Booleans, left: Integers, right: Integers
) -> tuple[Integers, Booleans]:
    """The person of each identifier, and which shareable ones stand for nobody."""
    kind, shareable, birth = nature
    refused = is_refused.copy()

    certain = _counting(refused, left, right) & ~shareable[left] & ~shareable[right]
    person = _joined(np.arange(len(kind)), left[certain], right[certain])
    for each in np.unique(kind[shareable]):
        is_of_kind = kind == each
        is_placed = ~shareable | (kind <= each)
        of_kind = is_placed[left] & is_placed[right]
        of_kind &= is_of_kind[left] | is_of_kind[right]
        both = of_kind & is_of_kind[left] & is_of_kind[right]
        group: Integers = np.arange(len(kind))
        # Each alone, then those together that were seen together and are left.
        for _ in range(2 if both.any() else 1):
            across = of_kind & ~both & _counting(refused, left, right)
            swaps = is_of_kind[right[across]]
            inner = np.where(swaps, right[across], left[across])
            outer = np.where(swaps, left[across], right[across])
            shared = _shared(
                *(group[inner], person[outer], person),
                *(np.where(shareable, _NONE, kind), birth),
            )
            refused[is_of_kind & np.isin(group, shared)] = True
            within = both & _counting(refused, left, right)
            group = _joined(group, left[within], right[within])
        reach = of_kind & _counting(refused, left, right)
        person = _joined(person, left[reach], right[reach])
    return person, refused & ~is_refused


def _column(table: pa.Table, name: str, null: int = 0) -> Integers:
    """Whole numbers of a column; times as microseconds, dates as days."""
    column = table.column(name).combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.int64()).fill_null(null))


def _counting(is_refused: Booleans, left: Integers, right: Integers) -> Booleans:
    """Which links count: those of two identifiers that no rule refuses."""
    return ~is_refused[left] & ~is_refused[right] & (left != right)


def _partners(
    kind: Integers, is_partner: Booleans, left: Integers, right: Integers
) -> Integers:
    """Of each identifier its partners of that kind of which it has the most."""
    most = np.zeros(len(kind), dtype=np.int64)
    for each in np.unique(kind[is_partner]):
        of_right, of_left = left[kind[right] == each], right[kind[left] == each]
        both = np.concatenate([of_right, of_left])
        np.maximum(most, np.bincount(both, minlength=len(kind)), out=most)
    return most


def _joined(group: Integers, left: Integers, right: Integers) -> Integers:
    """The groups after these links, each called by its least member."""
    ones = np.ones(len(left), dtype=np.int8)
    shape = (len(group), len(group))
    graph = coo_array((ones, (group[left], group[right])), shape=shape)
    _, component = connected_components(graph, directed=False)
    return _least(component)[group]


def _least(component: Integers) -> Integers:
    """Of each position the least position of the same component."""
    least = np.empty(len(component), dtype=np.int64)
    # Of several values for one place the last is kept: the least, backwards.
    least[component[::-1]] = np.arange(len(component))[::-1]
    return least[component]


def _shared(
    group: Integers,
    reached: Integers,
    person: Integers,
    kind: Integers,
    birth: Integers,
) -> Integers:
    """Groups of shareable identifiers whose persons contradict each other.

    `group` and `reached` say which group reaches which person; `person`, `kind` (-1 for
    shareable ones) and `birth` (-1 where unknown) describe each identifier.
    """
    differs = _several(group, reached)
    if not differs.any():
        return group[:0]
    reaches = differs[group]
    groups, persons = _pairs(group[reaches], reached[reaches])
    # The members of the persons who are reached, once for each group.
    members = np.flatnonzero(np.isin(person, persons))
    members = members[np.argsort(person[members], kind="stable")]
    first = np.searchsorted(person[members], persons)
    length = np.searchsorted(person[members], persons, side="right") - first
    offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    member = members[np.repeat(first, length) + offset]
    names, place = np.unique(groups, return_inverse=True)
    reaching = np.repeat(place, length)
    born = birth[member] != _NONE
    by_birth = _several(reaching[born], birth[member][born])
    # Whose birth dates are known is one person so far, as long as these are equal.
    is_known = np.isin(person[member], person[birth != _NONE])
    unit = np.where(is_known, _NONE, person[member])
    of_kind = kind[member] != _NONE
    kinds = kind.max() + 1
    by_kind = _several((reaching * kinds + kind[member])[of_kind], unit[of_kind])
    return names[np.union1d(np.flatnonzero(by_birth), np.flatnonzero(by_kind) // kinds)]


def _several(group: Integers, value: Integers) -> Booleans:
    """Of each group, from 0 to the last, whether it has more than one value."""
    length = group.max(initial=-1) + 1
    one = np.empty(length, dtype=np.int64)
    one[group] = value
    several = np.zeros(length, dtype=bool)
    several[group[value != one[group]]] = True
    return several


def _pairs(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    """Each pair of two numbers from 0 once, in their order."""
    width = second.max() + 1
    pairs = np.unique(first * width + second)
    return pairs // width, pairs % width


def _merges(
    nature: Nature,
    first_seen: Integers,
    person: Integers,
    links: Links,
) -> tuple[Integers, Integers]:
    """By which link, and into which older identifier, each oldest of a person went.

    The links stand in the order of their numbers; -1 where an
    identifier is nobody's oldest, or still is.
    """
    # Undated links stand before all days: who has one was there before they were seen.
    there_since = first_seen.copy()
    for side in (links.left, links.right):
        there_since[side[links.seen == _EVER]] = _EVER
    start = _at_first_sight(there_since, links)
    merged = _replayed(start, first_seen, person, links)
    doubtful = _doubtful(nature, there_since, person, links)
    if doubtful.any():
        of_them = links.where(doubtful[person[links.left]])
        day_by_day = _judged_day_by_day(nature, first_seen, person, of_them)
        members = doubtful[person]
        for each, new in zip(merged, day_by_day, strict=True):
            each[members] = new[members]
    return merged


def _replayed(
    start: Integers,
    first_seen: Integers,
    person: Integers,
    links: Links,
) -> tuple[Integers, Integers]:
    """The merges if each link joins two persons as soon as it is seen.

    `start` says as whom each identifier begins, see _at_first_sight.
    """
    apart = links.where(start[links.left] != start[links.right])
    of_person = person[apart.left]
    order = np.argsort(of_person, kind="stable")
    turn, _ = _steps(of_person[order], apart.number[order])
    # The first link of each person, then the second: those of one turn do not meet.
    apart = apart.where(order[np.argsort(turn, kind="stable")])
    ends = np.cumsum(np.bincount(turn))
    elder_of = start.copy()
    merged_by, merged_into = np.full((2, len(start)), _NONE)
    for begin, end in pairwise([0, *ends.tolist()]):
        left, right, number, seen = apart.where(slice(begin, end))
        one, other = _oldest(elder_of, left), _oldest(elder_of, right)
        elder, newer = np.minimum(one, other), np.maximum(one, other)
        elder_of[newer] = elder
        late = (elder != newer) & (seen > first_seen[newer])
        merged_by[newer[late]] = number[late]
        merged_into[newer[late]] = elder[late]
    return merged_by, merged_into


def _oldest(elder_of: Integers, member: Integers) -> Integers:
    """The end of each member's chain of elders, which is halved on the way."""
    oldest = elder_of[member]
    while np.any(oldest != (elder := elder_of[oldest])):
        elder_of[oldest] = oldest = elder_of[elder]
    return oldest


def _at_first_sight(there_since: Integers, links: Links) -> Integers:
    """Of each identifier the one that it was linked to when it was first seen.

    It was never a person of its own: it is that one. Most are, so that few are left to
    join one by one.
    """
    older = np.minimum(links.left, links.right)
    younger = np.maximum(links.left, links.right)
    start = np.arange(len(there_since))
    at_once = np.flatnonzero(links.seen <= there_since[younger])[::-1]
    start[younger[at_once]] = older[at_once]
    while np.any(start != start[start]):
        start = start[start]
    return start


def _doubtful(
    nature: Nature,
    there_since: Integers,
    person: Integers,
    links: Links,
) -> Booleans:
    """Which persons have two identifiers of a kind that were once apart.

    As long as they were, what both shared stood for nobody, so that its links did not
    count yet.
    """
    kind, shareable, _ = nature
    certain = ~shareable[links.left] & ~shareable[links.right]
    part = _at_first_sight(there_since, links.where(certain))
    doubtful = np.zeros(len(kind), dtype=bool)
    shares = np.zeros(len(kind), dtype=bool)
    shares[person[links.left[~certain]]] = True
    several = np.zeros(len(kind), dtype=bool)
    members = np.flatnonzero(~shareable & shares[person])
    a_part = np.empty(len(kind), dtype=np.int64)
    a_part[person[members]] = part[members]
    several[person[members[part[members] != a_part[person[members]]]]] = True
    members = members[several[person[members]]]
    # Sorted by person, kind and part: two parts of a kind stand side by side.
    members = members[np.lexsort((part[members], kind[members], person[members]))]
    one, next_one = members[:-1], members[1:]
    is_same = (person[one] == person[next_one]) & (kind[one] == kind[next_one])
    doubtful[person[one[is_same & (part[one] != part[next_one])]]] = True
    return doubtful


def _judged_day_by_day(
    nature: Nature,
    first_seen: Integers,
    person: Integers,
    links: Links,
) -> tuple[Integers, Integers]:
    """The merges that last, as each moment knew no more than the links seen so far."""
    kind, shareable, birth = nature
    of_person = person[links.left]
    order = np.lexsort((links.number, of_person))
    links, of_person = links.where(order), of_person[order]
    step, last_step = _steps(of_person, links.seen)
    merged_by, merged_into = np.full((2, len(kind)), _NONE)
    before, was_nobody = np.arange(len(kind)), np.zeros(len(kind), dtype=bool)
    now, by = np.full((2, len(kind)), _EVER)
    for each in range(int(step.max()) + 1):
        goes_on = last_step >= each
        links, of_person = links.where(goes_on), of_person[goes_on]
        step, last_step = step[goes_on], last_step[goes_on]
        # A link within a person tells nothing new.
        new = (step == each) & (before[links.left] != before[links.right])
        if not new.any():
            continue
        known = links.where((step <= each) & np.isin(of_person, of_person[new]))
        ends = np.stack([known.left, known.right])
        nodes, local = np.unique(ends, return_inverse=True)
        group, is_nobody = _persons(
            (kind[nodes], shareable[nodes], birth[nodes]),
            np.zeros(len(nodes), dtype=bool),
            *local.reshape(2, -1),
        )
        after = nodes[group]
        now[of_person[new]] = links.seen[new]
        gave_way = (before[nodes] == nodes) & (after != nodes) & ~was_nobody[nodes]
        newer = gave_way & (first_seen[nodes] < now[person[nodes]])
        # The first link that touches who gave way, or else the first of the person.
        latest = np.flatnonzero(new)[::-1]
        left, right, number, _ = links.where(latest)
        by[of_person[latest]] = number
        by[nodes] = by[person[nodes]]
        latest_first = np.argsort(-np.tile(number, 2), kind="stable")
        touched = np.concatenate([before[left], before[right]])[latest_first]
        by[touched] = np.tile(number, 2)[latest_first]
        merged_by[nodes[(after == nodes) & ~is_nobody]] = _NONE
        merged_by[nodes[newer]] = by[nodes[newer]]
        merged_into[nodes[newer]] = after[newer]
        before[nodes], was_nobody[nodes] = after, is_nobody
    merged_into[merged_by == _NONE] = _NONE
    return merged_by, merged_into


def _steps(owner: Integers, seen: Integers) -> tuple[Integers, Integers]:
    """How many moments of a person lie before each link, and before the last one.

    The links are sorted by person and moment.
    """
    is_first = np.diff(owner, prepend=_NONE) != 0
    step = np.cumsum(is_first | (np.diff(seen, prepend=0) != 0))
    edges = np.append(np.flatnonzero(is_first), len(owner))
    first, last = (
        np.repeat(step[places], np.diff(edges))
        for places in (edges[:-1], edges[1:] - 1)
    )
    return step - first, last - first
