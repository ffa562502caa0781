{#- Data test of int_orders_valued: each delivered order line is in it, or belongs to an
    order after the as-of date. A line whose order never came would vanish from revenue
    without a word. Counts only, since a join of all lines would cost as much as the
    model. -#}
{% test no_order_line_is_lost(model) %}
    with delivered as (
        select count(*) as line_count from {{ ref('feed_order_lines') }}
    ),

    valued as (
        select coalesce(sum(line_count), 0) as line_count from {{ model }}
    ),

    later_orders as (
        select
            orders.source,
            orders.order_id
        from {{ ref('feed_orders') }} as orders
        cross join {{ source('kith', 'run') }} as run
        where orders.ordered_at >= run.as_of_at
    ),

    later as (
        select count(*) as line_count
        from {{ ref('feed_order_lines') }} as order_lines
        inner join later_orders
            on
                order_lines.source = later_orders.source
                and order_lines.order_id = later_orders.order_id
    )

    select delivered.line_count - valued.line_count - later.line_count as lost_count
    from delivered
    cross join valued
    cross join later
    where delivered.line_count != valued.line_count + later.line_count
{% endtest %}
