"""Conversions: each breakdown holds all leads, and each lead is in one state."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Won, lost and open leads are all that reached the stage",
        CRITICAL,
        """
        select cohort_grain, cohort_start, breakdown, part, stage, lead_count
        from {batch}
        where won_count + lost_count + open_count <> lead_count
            or lead_count > created_count
            or n <> won_count + lost_count
        """,
    ),
    no_rows(
        "Each breakdown holds every lead of customer.leads",
        CRITICAL,
        """
        with counted as (
            select
                cohort_grain,
                breakdown,
                sum(lead_count) as leads,
                sum(won_count) as won
            from {batch}
            where stage = 'created'
            group by cohort_grain, breakdown
        ),

        found as (
            select
                count(*) as leads_known,
                count(*) filter (where outcome = 'won') as won_known
            from customer.leads
        )

        select cohort_grain, breakdown, leads, leads_known, won, won_known
        from found
        left join counted on true
        where leads_known <> coalesce(leads, 0) or won_known <> coalesce(won, 0)
        """,
    ),
    no_rows(
        "A rate lies within its interval, and a missing one has a reason",
        CRITICAL,
        """
        select cohort_start, breakdown, part, stage, win_rate_pct, missing_reason
        from {batch}
        where win_rate_pct not between win_rate_low_pct - 1e-9
            and win_rate_high_pct + 1e-9
            or (win_rate_pct is null) <> (missing_reason is not null)
        """,
    ),
]
