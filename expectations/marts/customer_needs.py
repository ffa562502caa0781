"""Needs are in one state, fall due in their own time, and no trace of them is lost."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "A need is met, or has ended, or is open",
        CRITICAL,
        """
        select need_id, state, met_on, ends_on
        from {batch}
        where state <> case
            when met_on is not null then 'met'
            when ends_on <= as_of_date then 'lapsed'
            else 'open'
        end
        """,
    ),
    no_rows(
        "Each search of a customer who has needs is told by one of them",
        CRITICAL,
        """
        select told.customer_id, told.told_count, searched.search_count
        from (
            select customer_id, sum(evidence_count) as told_count
            from {batch}
            where need_kind = 'searched'
            group by customer_id
        ) as told
        inner join (
            select identities.customer_id, count(*) as search_count
            from feeds.events
            inner join intermediate.identities
                on events.identifier_type = identities.identifier_type
                and events.identifier_value = identities.identifier_value
            inner join intermediate.int_searches_matched as matches
                on events.query = matches.query
            where matches.need is not null
            group by identities.customer_id
        ) as searched
            on told.customer_id = searched.customer_id
        where told.told_count <> searched.search_count
        """,
    ),
    no_rows(
        "Nothing was seen after the as-of date, and only what is told by age or by "
        "gaps falls due later",
        CRITICAL,
        """
        select need_id, need_kind, last_seen_at, due_on, due_from, due_until
        from {batch}
        where first_seen_at > last_seen_at
            or last_seen_at >= as_of_date + interval 2 day
            or due_on not between coalesce(due_from, due_on)
                and coalesce(due_until, due_on)
            or need_kind in ('searched', 'chosen', 'quoted') and due_on > as_of_date
        """,
    ),
    no_rows(
        "The range holds the category of each stage in life_stages of company.yml",
        WARNING,
        """
        select need, count(*) as needs
        from {batch}
        where need_kind = 'life_stage' and not is_in_range
        group by need
        """,
    ),
    no_rows(
        "Where dependants are known, life_stages of company.yml say what some need",
        WARNING,
        """
        select dependant_count, stage_count
        from (
            select count(*) as dependant_count
            from feeds.dependants
            inner join intermediate.identities
                on dependants.identifier_type = identities.identifier_type
                and dependants.identifier_value = identities.identifier_value
            where dependants.birth_date is not null
                and identities.customer_id in (select customer_id from {batch} as needs)
        ) as dependants
        cross join (
            select count(*) as stage_count
            from {batch} as stages
            where need_kind = 'life_stage'
        ) as told
        where dependant_count > 0 and stage_count = 0
        """,
    ),
]
