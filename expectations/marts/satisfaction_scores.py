"""Scores within their limits, from all answers and from the last of each person."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        (
            "Each breakdown holds every answer of the feed up to the as-of date, in "
            "each kind of period"
        ),
        CRITICAL,
        """
        with answers as (
            select count(*) as answer_count
            from feeds.survey_answers
            where measure is not null
                and answered_at < (select as_of_at from kith.run)
        ),

        counted as (
            select
                breakdown,
                period_grain,
                sum(n + invalid_count) as counted
            from {batch}
            where answers = 'all'
                -- counted as shares
                and measure not in ('csat_mean', 'ces_mean')
            group by breakdown, period_grain
        )

        select breakdown, period_grain, counted, answer_count
        from answers
        left join counted on true
        where coalesce(counted, 0) <> answer_count
        """,
    ),
    no_rows(
        "Promoters, passives and detractors are all who answered",
        CRITICAL,
        """
        select breakdown, period_grain, period_start, n
        from {batch}
        where measure = 'nps'
            and n is distinct from promoter_count + passive_count + detractor_count
        """,
    ),
    no_rows(
        "Of each person who answered, one answer counts as the last",
        CRITICAL,
        """
        select period_grain, period_start, measure, persons, last_answers
        from (
            select
                period_grain, period_start, measure,
                sum(case when answers = 'all' then person_count else 0 end)
                    as persons,
                sum(case when answers = 'last_of_person' then n else 0 end)
                    as last_answers
            from {batch}
            where breakdown = 'total'
            group by period_grain, period_start, measure
        ) as counted
        where persons <> last_answers
        """,
    ),
    no_rows(
        (
            "NPS from -100 to 100, shares from 0 to 100, means on their scale, each "
            "within its interval"
        ),
        CRITICAL,
        """
        select measure, breakdown, period_grain, period_start, score
        from {batch}
        where score < case
                when measure = 'nps' then -100
                when measure like '%_pct' then 0
                else scale_min
            end
            or score > case
                when measure = 'nps' or measure like '%_pct' then 100
                else scale_max
            end
            or score < interval_low
            or score > interval_high
        """,
    ),
    no_rows(
        "At most one answer in five of a question is no score",
        WARNING,
        """
        select measure, dimension, n, invalid_count
        from {batch}
        where breakdown = 'total'
            and period_grain = 'all'
            and answers = 'all'
            and n + invalid_count >= 30
            and 4 * invalid_count > n
        """,
    ),
]
