"""Spikes are rare, and told with their nature."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "A spike lies above what is usual, and each value within all of its period",
        CRITICAL,
        """
        select signal, grain, period_start_at, dimension, value, n, usual_count
        from {batch}
        left join (
            select
                signal as all_signal, grain as all_grain,
                period_start_at as all_start_at, n as all_n
            from {batch}
            where dimension = 'all'
        ) as totals
            on signal = all_signal
            and grain = all_grain
            and period_start_at = all_start_at
        where n > all_n
            or abs(rise_count - (n - usual_count)) > 0.000001
            or (is_spike and n < 1.5 * usual_count)
            or (is_new and not is_spike)
            or week_count not between 4 and 8
        """,
    ),
    no_rows(
        "No period is told that was not over at the as-of date",
        CRITICAL,
        """
        select signal, grain, period_start_at, first_event_at
        from {batch}
        cross join kith.run as run
        where period_start_at >= run.as_of_at or first_event_at >= run.as_of_at
        """,
    ),
    no_rows(
        "On at most one day in ten of the last thirty complaints or mentions spike",
        WARNING,
        """
        select signal, count(distinct period_date) as days
        from {batch}
        where dimension = 'all' and is_spike
            and period_date > as_of_date - interval '30' day
        group by signal
        having count(distinct period_date) > 3
        """,
    ),
]
