"""What is published has been judged, and what is not says why."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "A model is published, refused with a reason, or switched off with a reason",
        CRITICAL,
        """
        select model, population, metric, status
        from {batch}
        where status not in ('published', 'refused', 'switched_off')
            or (status = 'published') <> (reason is null)
        """,
    ),
    no_rows(
        "What is published was off by no more than allowed on days it did not see",
        CRITICAL,
        """
        select
            model,
            population,
            max(case when metric like 'held_out%error_pct' then value end) as error_pct
        from {batch}
        where status = 'published' and model in ('bg_nbd', 'gamma_gamma')
        group by model, population
        having sum(
            case
                when metric like 'held_out%error_pct'
                    and value between -limit_value and limit_value
                    then 1
                else 0
            end
        ) <> 1
        """,
    ),
    no_rows(
        "What is published is wrong, and misses, no more often than allowed, and is "
        "better than its baseline",
        CRITICAL,
        """
        select
            model,
            max(case when metric = 'error_rate' then value end) as error_rate,
            max(case when metric = 'miss_rate' then value end) as miss_rate,
            max(case when metric = 'auc_gained' then lower_bound end) as least_gained
        from {batch}
        where status = 'published'
            and model in ('buys_again', 'pays_again', 'becomes_vip')
        group by model
        having sum(
            case
                when metric in ('error_rate', 'miss_rate') and value <= limit_value
                    then 1
                when metric = 'auc_gained' and lower_bound > limit_value then 1
                else 0
            end
        ) <> 3
        """,
    ),
    no_rows(
        "Offers that are published are bought by more than what most buy",
        CRITICAL,
        """
        select model, lower_bound
        from {batch}
        where model = 'recommendations'
            and metric = 'hit_rate_gained_at_10'
            and (status = 'published') <> (n >= 100 and lower_bound > limit_value)
        """,
    ),
    no_rows(
        "No value lies outside of its interval",
        CRITICAL,
        """
        select model, population, metric, value, lower_bound, upper_bound
        from {batch}
        where value < lower_bound or value > upper_bound
        """,
    ),
    no_rows(
        "What customers pay hardly hangs on how often they buy, as gamma_gamma assumes",
        WARNING,
        """
        select model, population, value as correlation
        from {batch}
        where metric = 'correlation' and abs(value) > limit_value
        """,
    ),
]
