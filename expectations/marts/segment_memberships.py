"""Each customer is in exactly one segment of each scheme, at any time."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "In each scheme each customer is in one segment now",
        CRITICAL,
        """
        select
            schemes.scheme,
            count(distinct current_ones.customer_id) as placed,
            count(current_ones.customer_id) as placements,
            max(known.customers) as customers
        from (select distinct scheme from segment.schemes) as schemes
        cross join (
            select count(*) as customers from customer.customers
            where customer_id <> 'unidentified'
        ) as known
        left join (select * from {batch} where is_current) as current_ones
            on schemes.scheme = current_ones.scheme
        group by schemes.scheme
        having count(distinct current_ones.customer_id) <> max(known.customers)
            or count(current_ones.customer_id) <> max(known.customers)
        """,
    ),
    no_rows(
        "Memberships follow one another without gap and overlap",
        CRITICAL,
        """
        select customer_id, scheme, valid_from, valid_to, next_valid_from
        from (
            select
                customer_id,
                scheme,
                valid_from,
                valid_to,
                is_current,
                lead(valid_from) over (
                    partition by customer_id, scheme order by valid_from nulls last
                ) as next_valid_from
            from {batch}
        )
        where (next_valid_from is null) <> is_current
            or (valid_to is null) <> is_current
            or valid_to < valid_from
            or valid_to + interval '1' day <> next_valid_from
        """,
    ),
    no_rows(
        "Each segment is one of its scheme",
        CRITICAL,
        """
        select memberships.scheme, memberships.segment, count(*) as customers
        from {batch} as memberships
        left join segment.schemes as schemes
            on memberships.scheme = schemes.scheme
            and memberships.segment = schemes.segment
        where schemes.segment is null
            and memberships.segment not in ('other', 'not_permitted')
        group by memberships.scheme, memberships.segment
        """,
    ),
]
