"""Pairs of the survey's own answers, and gaps that add up."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Each questionnaire's pairs are in one row of each breakdown",
        CRITICAL,
        """
        select source, survey, scale_max, dimension, n, touchpoint_n, segment_n, year_n
        from {batch}
        inner join (
            select
                source, survey, scale_min, scale_max, dimension,
                sum(case when period_grain = 'all' and touchpoint <> 'all' then n end)
                    as touchpoint_n,
                sum(case when period_grain = 'all' and segment <> 'all' then n end)
                    as segment_n,
                sum(
                    case
                        when period_grain = 'year' and touchpoint = 'all'
                            and segment = 'all'
                            then n
                    end
                ) as year_n
            from {batch}
            where dimension <> 'total'
            group by source, survey, scale_min, scale_max, dimension
        ) using (source, survey, scale_min, scale_max, dimension)
        where period_grain = 'all' and touchpoint = 'all' and segment = 'all'
            and (n <> touchpoint_n or n <> segment_n or n <> year_n)
        """,
    ),
    no_rows(
        "The gap is perception less expectation, within the scale and its interval",
        CRITICAL,
        """
        select source, survey, dimension, period_start, touchpoint, gap
        from {batch}
        where abs(gap - (perception_mean - expectation_mean)) > 0.000001
            or abs(gap) > scale_max - scale_min
            or gap not between interval_low and interval_high
            or (gap is null) = (missing_reason is null)
        """,
    ),
    no_rows(
        "At most one item in five that is asked for both has only one",
        WARNING,
        """
        select source, survey, dimension, n, unpaired_count
        from {batch}
        where period_grain = 'all' and touchpoint = 'all' and segment = 'all' and n > 0
            and 4 * unpaired_count > n
        """,
    ),
]
