{%- set schemes = var('schemes') -%}
{%- set amounts = [
    'revenue_amount', 'previous_revenue_amount', 'revenue_amount_365d',
    'previous_revenue_amount_365d'
] -%}
with

customer_states as (
    select
        customer_id,
        1 as customer_count,
        revenue_amount,
        revenue_amount_365d,
        {% for scheme in schemes %}
        {{ segment_of(scheme) }} as in_{{ loop.index }},
        {% endfor %}
        state_on
    from {{ ref('int_customer_states') }}
),

-- Nobody's orders stay where they are, so that totals agree with the source.
unidentified as (
    select
        customer_id,
        0 as customer_count,
        revenue_amount,
        revenue_amount_365d,
        {% for scheme in schemes %}
        'unidentified' as in_{{ loop.index }},
        {% endfor %}
        state_on
    from {{ ref('int_customer_windows') }}
    where
        customer_id = 'unidentified'
        and (purchase_count > 0 or revenue_amount != 0)
),

classified as (
    select * from customer_states
    union all
    select * from unidentified
),

beginning as (
    select min(state_on) as first_state_on
    from classified
),

preceded as (
    select
        customer_count,
        revenue_amount,
        coalesce(
            lag(revenue_amount) over (
                partition by customer_id order by state_on nulls last
            ),
            0
        ) as previous_revenue_amount,
        revenue_amount_365d,
        coalesce(
            lag(revenue_amount_365d) over (
                partition by customer_id order by state_on nulls last
            ),
            0
        ) as previous_revenue_amount_365d,
        {% for scheme in schemes %}
        in_{{ loop.index }},
        coalesce(
            lag(in_{{ loop.index }}) over (
                partition by customer_id order by state_on nulls last
            ),
            'not_yet_known'
        ) as was_in_{{ loop.index }},
        {% endfor %}
        state_on
    from classified
),

moves as (
    {% for scheme in schemes %}
    select
        '{{ scheme.name }}' as scheme,
        state_on,
        was_in_{{ loop.index }} as from_segment,
        {% for amount in amounts %}
        sum({{ amount }}) as {{ amount }},
        {% endfor %}
        sum(customer_count) as customer_count,
        in_{{ loop.index }} as to_segment
    from preceded
    group by state_on, was_in_{{ loop.index }}, in_{{ loop.index }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        moves.scheme,
        {{ add_days(month_of('moves.state_on'), -1) }} as previous_state_on,
        moves.state_on,
        moves.from_segment,
        moves.to_segment,
        moves.from_segment != moves.to_segment as is_move,
        cast(moves.customer_count as bigint) as customer_count,
        {% for amount in amounts %}
        cast(moves.{{ amount }} as decimal(18, 2)) as {{ amount }},
        {% endfor %}
        {{ as_of() }} as as_of_date
    from moves
    cross join beginning
    where moves.state_on > beginning.first_state_on
)

select * from final
