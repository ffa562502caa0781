"""Shares of one voice add up to the whole and lie within their intervals."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Mentions of all subjects of a voice are all its mentions",
        CRITICAL,
        """
        select period_grain, month, breakdown, breakdown_value, voice
        from (
            select
                period_grain,
                month,
                breakdown,
                breakdown_value,
                case when subject_kind = 'brand' then 'brands' else 'rivals' end
                    as voice,
                mention_count,
                all_mention_count
            from {batch}
        ) as subjects
        group by period_grain, month, breakdown, breakdown_value, voice
        having sum(mention_count) <> min(all_mention_count)
            or min(all_mention_count) <> max(all_mention_count)
        """,
    ),
    no_rows(
        "Each mention is in each kind of period and breakdown",
        CRITICAL,
        """
        select counted, mentions
        from (select coalesce(sum(mention_count), 0) as counted from {batch}) as here
        cross join (
            select count(*) as mentions
            from satisfaction.mentions
            where subject_kind <> 'nobody'
        ) as there
        where counted <> 6 * mentions
        """,
    ),
    no_rows(
        "Each mention has one mood, and writers are no more than mentions",
        CRITICAL,
        """
        select period_grain, month, breakdown, breakdown_value, subject
        from {batch}
        where positive_count + neutral_count + negative_count <> n
            or n + unknown_count <> mention_count
            or writer_count not between 1 and mention_count
            or referral_count > mention_count
        """,
    ),
    no_rows(
        "A share lies within its interval, and a missing one has a reason",
        CRITICAL,
        """
        select period_grain, month, breakdown, breakdown_value, subject
        from {batch}
        where share_pct not between share_low_pct - 1e-9 and share_high_pct + 1e-9
            or negative_pct not between negative_low_pct - 1e-9
                and negative_high_pct + 1e-9
            or (share_pct is null) <> (share_missing_reason is not null)
            or (negative_pct is null) <> (missing_reason is not null)
        """,
    ),
]
