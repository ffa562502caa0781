"""Flows of visitors are those of the visits, by place and by zone."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Places, and zones, each add up to the readings, seconds and entries of visits",
        CRITICAL,
        """
        select parts.breakdown, flows.readings, visits.readings as readings_of_visits
        from (select 'place' as breakdown union all select 'zone') as parts
        left join (
            select
                breakdown,
                sum(reading_count) as readings,
                sum(inside_seconds) as inside_seconds,
                sum(dwell_seconds) as dwell_seconds,
                sum(entered_count) as entered,
                sum(bought_count) as bought
            from {batch}
            group by breakdown
        ) as flows on parts.breakdown = flows.breakdown
        cross join (
            select
                sum(reading_count) as readings,
                sum(inside_seconds) as inside_seconds,
                sum(dwell_seconds) as dwell_seconds,
                count(entered_at) as entered,
                sum(
                    case when outcome = 'bought' and entered_at is not null then 1 end
                ) as bought
            from customer.store_visits
        ) as visits
        where coalesce(flows.readings, 0) <> coalesce(visits.readings, 0)
            or coalesce(flows.inside_seconds, 0) <> coalesce(visits.inside_seconds, 0)
            or coalesce(flows.dwell_seconds, 0) <> coalesce(visits.dwell_seconds, 0)
            or coalesce(flows.entered, 0) <> coalesce(visits.entered, 0)
            or coalesce(flows.bought, 0) <> coalesce(visits.bought, 0)
        """,
    ),
    no_rows(
        "No hour has more visitors, entries or dwelling visits than visits within",
        CRITICAL,
        """
        select place_key, flow_date, flow_hour, visitor_count, inside_count
        from {batch}
        where visitor_count > inside_count
            or entered_count > inside_count
            or dwell_count > inside_count
            or bought_count > entered_count
            or flow_hour not between 0 and 23
        """,
    ),
]
