"""Entries on how segments grow and shrink, and who moves from one to another."""

from collections import Counter
from typing import Any

import altair as alt

from kith.report import marks
from kith.report.entries import FEWEST, Cell, Entry, Groups, Row, Section, Series
from kith.report.formats import fill, name, sentences
from kith.report.language import term, translated

ACTIVITY = {
    "active": ("Active", marks.GOOD),
    "drowsy": ("Drowsy", marks.FAIR),
    "half_asleep": ("Half asleep", marks.DOUBTFUL),
    "asleep": ("Asleep", marks.BAD),
    "never_purchased": ("Never purchased", marks.GREY),
}
_TIERS = {
    "VIP": ("VIP", "#0f3a63"),
    "High": ("High", marks.ACCENT),
    "Middle": ("Middle", "#6b9bc9"),
    "Low": ("Low", marks.SOFT),
    "No revenue in 365 days": ("No revenue in a year", marks.GREY),
}
_REST = {
    "not_permitted": ("Not permitted", "#d3c4dd"),
    "other": ("Other", "#8d8473"),
}
_COLUMNS_DRAWN = 6  # Ends of months beside each other: more do not fit a telephone.
_BAR, _STEPS = 0.07, 14


def _folded(column: str, segments: Series) -> str:
    """The name of a drawn segment: a company may have renamed some of a scheme."""
    known = ", ".join(f"'{segment}'" for segment in [*segments, "not_permitted"])
    return f"case when {column} in ({known}) then {column} else 'other' end"


def _by_month(scheme: str, title: str, segments: Series, note: str) -> Entry:
    """Customers of each segment at the end of each month."""
    drawn = segments | _REST
    names = [f"segment_{at}" for at in range(len(drawn))]
    counts = ",\n    ".join(
        f"coalesce(sum(customer_count) filter (where folded = '{segment}'), 0) "
        f"as {column}"
        for segment, column in zip(drawn, names, strict=True)
    )
    columns: dict[str, Cell] = {"End of": "{month:%b %Y}"}
    for (label, _), column in zip(drawn.values(), names, strict=True):
        columns[label] = f"{{{column}:,}}"
    return Entry(
        f"{scheme}-by-month",
        title,
        f"""
with states as (
    select *, {_folded("segment", segments)} as folded
    from segment.segments
    where scheme = '{scheme}' and segment <> 'unidentified'
)
select
    cast(date_trunc('month', state_on) as date) as month,
    last_day(state_on) = state_on as is_complete,
    {counts}
from states
where (select sum(customer_count) from states) > 0
group by state_on
order by state_on
""",
        columns=columns,
        note=note,
        absent="There is no customer yet.",
        marks=marks.month_bars,
        series=dict(zip(names, drawn.values(), strict=True)),
    )


def _flows(scheme: str, title: str, segments: Series) -> Entry:
    """Who moved between segments over the last ends of months, as ribbons."""
    drawn = segments | _REST
    listed = " ".join(f"when '{segment}' then {at}" for at, segment in enumerate(drawn))

    def marked(chart: Any, rows: list[Row], series: Series) -> Any:
        return _alluvial(chart, rows, drawn)

    return Entry(
        f"{scheme}-flows",
        title,
        f"""
with moves as (
    select
        previous_state_on, state_on,
        case
            when from_segment = 'not_yet_known' then from_segment
            else {_folded("from_segment", segments)}
        end as from_segment,
        {_folded("to_segment", segments)} as to_segment,
        customer_count, revenue_amount_365d, previous_revenue_amount_365d
    from segment.segment_transitions
    where scheme = '{scheme}' and from_segment <> 'unidentified'
        and to_segment <> 'unidentified' and state_on = last_day(state_on)
),
summed as (
    select
        previous_state_on, state_on, from_segment, to_segment,
        sum(customer_count) as customer_count,
        sum(revenue_amount_365d) as revenue_amount,
        sum(previous_revenue_amount_365d) as previous_amount
    from moves
    where customer_count > 0
    group by previous_state_on, state_on, from_segment, to_segment
),
ranked as (
    select
        *, dense_rank() over (order by state_on desc) as age,
        from_segment <> to_segment as is_move
    from summed
)
select *, age = 1 and is_move as is_listed, max(state_on) over () as last_state_on
from ranked
where age < {_COLUMNS_DRAWN}
order by
    state_on, case from_segment {listed} else 99 end, case to_segment {listed} end
""",
        columns={
            "From": lambda row: _label(row["from_segment"], drawn),
            "To": lambda row: _label(row["to_segment"], drawn),
            "Customers": _size,
            "Their revenue of a year, before": _of_enough("{previous_amount:,.2f}"),
            "And at the end of {last_state_on:%b %Y}": _of_enough(
                "{revenue_amount:,.2f}"
            ),
        },
        note=lambda rows: _flows_note(rows, drawn),
        absent="Moves are known once two months have ended.",
        marks=marked,
        series=drawn,
        caption=f"{title} in the last month",
    )


def _size(row: Row) -> str:
    is_enough = row["customer_count"] >= FEWEST
    facts = row | {"fewest": FEWEST}
    return fill("{customer_count:,}" if is_enough else "under {fewest}", facts)


def _of_enough(template: str) -> Cell:
    """A cell of groups; of a few customers it would tell what one of them spends."""

    def cell(row: Row) -> str:
        is_enough = row["customer_count"] >= FEWEST
        return fill(template if is_enough else "not shown", row)

    return cell


def _label(segment: str, drawn: Series) -> str:
    if segment == "not_yet_known":
        return fill("New to us", {})
    return translated(drawn[segment][0])


def _flows_note(rows: list[Row], drawn: Series) -> str:
    last = [row for row in rows if row["age"] == 1]
    known = [row for row in last if row["from_segment"] != "not_yet_known"]
    moved = [row for row in known if row["is_move"]]
    total = sum(row["customer_count"] for row in known)
    facts = rows[0] | {
        "moved": sum(row["customer_count"] for row in moved),
        "total": total,
        "new": sum(row["customer_count"] for row in last) - total,
    }
    if moved:
        most = max(moved, key=lambda row: row["customer_count"])
        facts |= {
            "most": most["customer_count"],
            "left": _label(most["from_segment"], drawn),
            "entered": _label(most["to_segment"], drawn),
        }
    return sentences(
        facts,
        "In {last_state_on:%b %Y}, {moved:,} of {total:,} customers moved.",
        "Most often, {most:,} times, from {left} to {entered}."
        if moved and facts["most"] >= FEWEST
        else "",
        "{new:,} became known." if facts["new"] else "",
        "Pale ribbons stay where they were.",
    )


def _alluvial(chart: Any, rows: list[Row], drawn: Series) -> Any:
    """Bars of the segments at each end of a month, ribbons for who goes where."""
    ends = ("previous_state_on", "state_on")
    days = sorted({row[end] for row in rows for end in ends})
    place = {day: at for at, day in enumerate(days)}
    # All who are there arrived or stayed; on the first day only who leaves is known.
    sizes: Counter[tuple[str, str]] = Counter()
    for row in rows:
        sizes[row["state_on"], row["to_segment"]] += row["customer_count"]
        if row["previous_state_on"] == days[0]:
            sizes[days[0], row["from_segment"]] += row["customer_count"]
    bars = []
    lower: dict[tuple[str, str], float] = {}
    for day in days:
        height = 0.0
        for segment, (label, _) in reversed(drawn.items()):
            size = sizes[day, segment]
            if size:
                lower[day, segment] = height
                words = f"{translated(label)}: {size:,}"
                bars.append(_box(place[day], height, size, segment, words))
                height += size
    ribbons = _ribbons(rows, drawn, place, lower)
    highest = max(bar["high"] for bar in bars)
    x = alt.Scale(domain=[-0.35, len(days) - 1 + 0.35], nice=False)
    y = alt.Y("low:Q", axis=None, scale=alt.Scale(domain=[0, highest], nice=False))
    color = alt.Color(**marks.color_of(drawn, "segment"))
    at = alt.X("x:Q", axis=None, scale=x)
    told = alt.Tooltip("words:N", title=" ")
    texts = [{"x": place[day], "text": marks.month_name(day)} for day in days]
    return alt.layer(
        alt.Chart(alt.Data(values=ribbons))
        .mark_area()
        .encode(
            at,
            y,
            alt.Y2("high:Q"),
            color,
            detail="flow:N",
            opacity=alt.Opacity("strength:Q", scale=None),
            tooltip=told,
        ),
        alt.Chart(alt.Data(values=bars))
        .mark_rect()
        .encode(at, y, alt.X2("x2:Q"), alt.Y2("high:Q"), color, tooltip=told),
        alt.Chart(alt.Data(values=texts))
        .mark_text(baseline="top", fontSize=11)
        .encode(at, y=alt.value("height"), text="text:N"),
    ).properties(height=260)


def _box(at: int, low: float, size: float, segment: str, words: str) -> Row:
    return {
        "x": at - _BAR,
        "x2": at + _BAR,
        "low": low,
        "high": low + size,
        "segment": segment,
        "words": words,
    }


def _ribbons(
    rows: list[Row],
    drawn: Series,
    place: dict[str, int],
    lower: dict[tuple[str, str], float],
) -> list[Row]:
    """Points along each ribbon. Those of one bar lie in the order of the segments."""
    leaving, entering = dict(lower), dict(lower)
    order = {segment: at for at, segment in enumerate(reversed(drawn))}
    points = []

    def from_below(row: Row) -> tuple[Any, int, int]:
        # Newcomers enter at the top of their segment.
        return (
            row["state_on"],
            order.get(row["from_segment"], 99),
            order[row["to_segment"]],
        )

    for flow, row in enumerate(sorted(rows, key=from_below)):
        size, target = row["customer_count"], (row["state_on"], row["to_segment"])
        end = entering[target]
        entering[target] += size
        right = place[row["state_on"]] - _BAR
        words = f"{_label(row['from_segment'], drawn)} → "
        words += f"{_label(row['to_segment'], drawn)}: {_size(row)}"
        if row["from_segment"] == "not_yet_known":
            left, start, width = right - 0.2, end + size / 2, 0.0
        else:
            source = row["previous_state_on"], row["from_segment"]
            left, start, width = place[source[0]] + _BAR, leaving[source], size
            leaving[source] += size
        for step in range(_STEPS + 1):
            share = step / _STEPS
            bend = share * share * (3 - 2 * share)
            low = start + (end - start) * bend
            points.append(
                {
                    "x": left + (right - left) * share,
                    "low": low,
                    "high": low + width + (size - width) * bend,
                    "flow": flow,
                    "segment": row["to_segment"] if not width else row["from_segment"],
                    "strength": 0.6 if row["is_move"] else 0.22,
                    "words": words,
                }
            )
    return points


def _segment_of_scheme(row: Row) -> str:
    # A segment that is translated needs no second name.
    has_other = row["other_name"] and term(row["segment"]) == row["segment"]
    return fill(
        "{scheme}: {segment:name} ({other_name})"
        if has_other
        else "{scheme}: {segment:name}",
        row | {"scheme": name(row["scheme"]).replace("Rfm", "RFM")},
    )


_EVERY_SCHEME = Entry(
    "schemes",
    "All segments today",
    """
with today as (
    select * from segment.segments
    where state_on = as_of_date and segment <> 'unidentified'
),
moves as (
    select scheme, from_segment, to_segment, customer_count
    from segment.segment_transitions
    where state_on = as_of_date and is_move
),
entered as (
    select scheme, to_segment as segment, sum(customer_count) as entered_count
    from moves group by scheme, to_segment
),
departed as (
    select scheme, from_segment as segment, sum(customer_count) as left_count
    from moves group by scheme, from_segment
)
select
    today.scheme, today.segment, today.other_name, today.customer_count,
    today.customer_share_pct,
    coalesce(entered_count, 0) as entered_count, coalesce(left_count, 0) as left_count,
    today.revenue_amount_365d, today.revenue_index, today.satisfaction_score,
    today.satisfaction_answer_count
from today
left join entered
    on today.scheme = entered.scheme and today.segment = entered.segment
left join departed
    on today.scheme = departed.scheme and today.segment = departed.segment
left join segment.schemes as schemes
    on today.scheme = schemes.scheme and today.segment = schemes.segment
where (select sum(customer_count) from today) > 0
order by
    min(coalesce(schemes.owner, 'kith') = 'kith') over (partition by today.scheme),
    today.scheme, schemes.position nulls last, today.segment
""",
    columns={
        "Scheme and segment": _segment_of_scheme,
        "Customers": "{customer_count:,}",
        "Share": "{customer_share_pct:percent}",
        "Came in this month": "{entered_count:,}",
        "Left it": "{left_count:,}",
        "Revenue of a year, {currency}": "{revenue_amount_365d:,.2f}",
        "Index": "{revenue_index:times}",
        "Satisfaction": "{satisfaction_score:.1f}",
    },
    note="Each scheme divides all known customers, those of the company first.",
    absent="There is no customer yet.",
    groups=Groups(
        "segment",
        (
            *("customer_share_pct", "entered_count", "left_count"),
            "revenue_amount_365d",
        ),
        within="scheme",
    ),
    is_folded=True,
)
SECTION = Section(
    charts=[
        [
            _by_month(
                "activity",
                "Activity of customers by month",
                ACTIVITY,
                "All known customers by the time since their last purchase, as it was "
                "at the end of each month.",
            ),
            _flows("activity", "Who woke up and who fell asleep", ACTIVITY),
        ],
        [
            _by_month(
                "tier",
                "Tiers of customers by month",
                _TIERS,
                "All known customers by what they brought in the year before the end "
                "of each month.",
            ),
            _flows("tier", "Who rose and who fell between tiers", _TIERS),
        ],
    ],
    tables=[_EVERY_SCHEME],
    definitions={
        "Tier": "By revenue of the last 365 days among customers who brought any: VIP "
        "are the best 5%, high those up to 20%, middle those up to 50%.",
        "Moves": "A customer’s segment at the end of a month against that at the end "
        "of the month before, each as it was known on that day. New to us: became "
        "known in between.",
    },
)
