{#- Data test of int_orders_valued: each line of the feed is in it. A line whose order
    never came would vanish from revenue without a word. Counts only, since a join of
    all lines would cost as much as the model. -#}
{% test no_order_line_is_lost(model) %}
    with delivered as (
        select count(*) as line_count from {{ ref('feed_order_lines') }}
    ),

    valued as (
        select coalesce(sum(line_count), 0) as line_count from {{ model }}
    )

    select delivered.line_count - valued.line_count as lost_count
    from delivered
    cross join valued
    where delivered.line_count != valued.line_count
{% endtest %}
