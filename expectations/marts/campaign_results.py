"""Campaigns: credit adds up to revenue, and an effect is called so by its interval."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Each kind of credit adds up to the revenue of all orders, in all and by month",
        CRITICAL,
        """
        select period_start, linear_amount, revenue_amount
        from (
            select
                period_start,
                sum(first_amount) as first_amount,
                sum(last_amount) as last_amount,
                sum(linear_amount) as linear_amount,
                sum(time_decay_amount) as time_decay_amount,
                sum(revenue_amount) as revenue_amount
            from (
                select
                    period_start, first_amount, last_amount, linear_amount,
                    time_decay_amount, 0 as revenue_amount
                from {batch}
                union all
                select
                    cast(date_trunc('month', order_date) as date) as period_start,
                    0, 0, 0, 0, revenue_amount
                from customer.orders
                union all
                select cast(null as date) as period_start, 0, 0, 0, 0, revenue_amount
                from customer.orders
            ) as both_sides
            group by period_start
        ) as compared
        where first_amount <> revenue_amount
            or last_amount <> revenue_amount
            or linear_amount <> revenue_amount
            or time_decay_amount <> revenue_amount
        """,
    ),
    no_rows(
        "What no campaign has a share in is the same by each kind of credit",
        CRITICAL,
        """
        select period_grain, period_start, linear_amount, time_decay_amount
        from {batch}
        where campaign_key = 'unattributed'
            and (
                first_amount <> last_amount
                or first_amount <> linear_amount
                or first_amount <> time_decay_amount
            )
        """,
    ),
    no_rows(
        "Messages of campaigns are those of the feed, in all and by month",
        CRITICAL,
        """
        select parts.period_grain, results.messages, sent.messages as messages_sent
        from (select 'all' as period_grain union all select 'month') as parts
        left join (
            select period_grain, sum(contact_count) as messages
            from {batch}
            group by period_grain
        ) as results on parts.period_grain = results.period_grain
        cross join (
            select count(campaign_id) as messages from feeds.contacts
        ) as sent
        where coalesce(results.messages, 0) <> sent.messages
        """,
    ),
    no_rows(
        "Nobody opened or answered who was not reached, or bought who was not compared",
        CRITICAL,
        """
        select campaign_key, period_grain, period_start
        from {batch}
        where opened_count > reached_count
            or response_known_count > reached_count
            or responded_count > coalesce(response_known_count, 0)
            or compared_count > reached_count
            or bought_count > compared_count
            or held_out_bought_count > held_out_count
            or held_out_reached_count > held_out_count
        """,
    ),
    no_rows(
        "A campaign is called effective or harmful by its whole interval alone",
        CRITICAL,
        """
        select campaign_key, purchase_uplift_low, purchase_uplift_high, verdict
        from {batch}
        where coalesce(verdict, 'none') <> case
            when purchase_uplift is null then 'none'
            when purchase_uplift_low > 0 then 'effective'
            when purchase_uplift_high < 0 then 'harmful'
            else 'not_shown'
        end
        """,
    ),
    no_rows(
        "Each campaign from which somebody was held out is known",
        WARNING,
        """
        select source, attribute_id
        from feeds.attributes
        where lower(replace(replace(replace(attribute, '_', ''), '-', ''), ' ', ''))
            = 'holdout'
            and exists (select 1 from {batch})
            and not exists (
                select 1
                from customer.campaigns
                where campaigns.campaign_id = attributes.value_text
            )
        """,
    ),
    no_rows(
        "At most one customer in a hundred who was held out was reached all the same",
        WARNING,
        """
        select campaign_key, held_out_count, held_out_reached_count
        from {batch}
        where 100 * held_out_reached_count > held_out_count
        """,
    ),
]
