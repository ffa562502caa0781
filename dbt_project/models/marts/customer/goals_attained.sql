{#- What Kith computes of a period: how, and what n counts. -#}
{%- set measures = {
    'revenue': 'sum', 'orders': 'sum', 'new_customers': 'sum', 'new_members': 'sum',
    'members': 'stock', 'visits': 'sum', 'nps': 'net', 'csat': 'share',
} -%}
{#- By what a part of the company may be called. -#}
{%- set scopes = ['channel', 'place', 'place_name', 'city', 'region', 'department'] -%}
{#- From what, on which day and with what value a measure is counted, the columns by
    which its parts are called, and which rows count. -#}
{%- set facts_of = {
    'revenue': [
        'orders', 'order_date', 'revenue_amount',
        ['channel', 'place', 'place_name', 'city', 'region'], 'true',
    ],
    'orders': [
        'orders', 'order_date', 1,
        ['channel', 'place', 'place_name', 'city', 'region'], 'is_purchase',
    ],
    'new_customers': [
        'first_purchases', 'order_date', 1,
        ['channel', 'place', 'place_name', 'city', 'region'], 'position = 1',
    ],
    'new_members': [
        'members', 'registered_date', 1, ['registration_source', 'city', 'region'],
        'true',
    ],
    'members': [
        'members', 'registered_date', 1, ['registration_source', 'city', 'region'],
        'true',
    ],
    'visits': [
        'visits', 'visit_date', 1, ['place', 'place_name', 'city', 'region'], 'true',
    ],
    'nps': [
        'answers', 'answered_date', 'mark', ['touchpoint', 'region', 'department'],
        "standard = 'nps'",
    ],
    'csat': [
        'answers', 'answered_date', 'mark', ['touchpoint', 'region', 'department'],
        "standard = 'csat'",
    ],
} -%}
{%- set renamed = {'registration_source': 'channel', 'touchpoint': 'channel'} -%}
{%- set known_by = {} -%}
{%- for measure, part in facts_of.items() -%}
{%- set kinds = [] -%}
{%- for column in part[3] -%}
{%- do kinds.append(renamed.get(column, column)) -%}
{%- endfor -%}
{%- do known_by.update({measure: kinds}) -%}
{%- endfor -%}
{%- set fact = ['measure', 'day'] + scopes -%}
{%- set unknown = 'cast(null as string)' -%}
with

goals as (
    select
        *,
        {{ folded('measure') }} as folded_measure,
        case
            when {{ folded('scope') }} in ('', 'company', 'all', 'total') then null
            else {{ folded('scope') }}
        end as folded_scope
    from {{ ref('feed_goals') }}
),

places as (
    select * from {{ ref('places') }}
),

orders as (
    select
        orders.source,
        orders.order_id,
        orders.customer_id,
        orders.order_date,
        orders.ordered_at,
        orders.is_purchase,
        orders.purchase_kind,
        orders.revenue_amount,
        orders.channel,
        coalesce(places.place_id, orders.store_id) as place,
        places.name as place_name,
        coalesce(orders.city, places.city) as city,
        places.region
    from {{ ref('orders') }} as orders
    left join places on orders.place_key = places.place_key
),

first_purchases as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by
                ordered_at nulls last, source nulls last, order_id nulls last
        ) as position
    from orders
    where purchase_kind = 'new'
),

members as (
    select
        {{ business_date('registered_at') }} as registered_date,
        registration_source,
        city,
        region
    from {{ ref('customers') }}
    where registered_at is not null
),

visits as (
    select
        store_visits.visit_date,
        places.place_id as place,
        places.name as place_name,
        places.city,
        places.region
    from {{ ref('store_visits') }} as store_visits
    left join places on store_visits.place_key = places.place_key
    where store_visits.has_entered
),

answers as (
    select
        *,
        case
            when standard = 'csat' then case when score >= 4 then 1 else 0 end
            when score >= 9 then 1
            when score <= 6 then -1
            else 0
        end as mark
    from {{ ref('int_answers_judged') }}
    where
        standard in ('nps', 'csat')
        and score is not null
        and dimension = 'overall'
        and factor = 'not_stated'
),

facts as (
    {% for measure, part in facts_of.items() %}
    {%- set relation, day, value, parts, condition = part %}
    select
        '{{ measure }}' as measure,
        {{ day }} as day,
        {% for scope in scopes %}
        {%- set found = namespace(column=unknown) %}
        {%- for column in parts if renamed.get(column, column) == scope %}
        {%- set found.column = column %}
        {%- endfor %}
        {{ found.column }} as {{ scope }},
        {% endfor %}
        cast({{ value }} as decimal(18, 2)) as value,
        abs({{ value }}) as square
    from {{ relation }}
    where {{ condition }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

facts_summed as (
    select
        {{ fact | join(', ') }},
        sum(value) as total,
        sum(square) as square_total,
        count(*) as n
    from facts
    group by {{ fact | join(', ') }}
),

scoped as (
    select
        measure,
        'company' as scope_kind,
        cast(null as string) as scope,
        day,
        sum(total) as total,
        sum(square_total) as square_total,
        sum(n) as n
    from facts_summed
    group by measure, day
    {% for scope in scopes %}
    union all
    select
        measure,
        '{{ scope }}' as scope_kind,
        {{ folded(scope) }} as scope,
        day,
        sum(total) as total,
        sum(square_total) as square_total,
        sum(n) as n
    from facts_summed
    where {{ scope }} is not null
    group by measure, {{ folded(scope) }}, day
    {% endfor %}
),

scopes_known as (
    select distinct
        measure,
        scope_kind,
        scope
    from scoped
    where scope is not null
),

-- 'stores' is the channel store as well.
scopes_named as (
    select distinct
        goals.source,
        goals.goal_id,
        scopes_known.scope_kind,
        scopes_known.scope
    from goals
    inner join scopes_known
        on
            goals.folded_measure = {{ folded('scopes_known.measure') }}
            and (
                goals.folded_scope = scopes_known.scope
                or goals.folded_scope = scopes_known.scope || 's'
            )
    union all
    select
        source,
        goal_id,
        'company' as scope_kind,
        cast(null as string) as scope
    from goals
    where folded_scope is null
),

scopes_counted as (
    select
        source,
        goal_id,
        count(*) as scope_count,
        case when count(*) = 1 then min(scope_kind) end as scope_kind,
        min(scope) as scope,
        {{ sorted_list('scope_kind') }} as scope_kinds
    from scopes_named
    group by source, goal_id
),

measures as (
    {% for measure, kind in measures.items() %}
    select
        '{{ measure }}' as measure,
        '{{ kind }}' as kind
    {{ "union all" if not loop.last }}
    {% endfor %}
),

placed as (
    select
        goals.source,
        goals.goal_id,
        goals.measure,
        goals.scope,
        goals.period_start,
        goals.period_end,
        goals.target_value,
        measures.measure as known_measure,
        measures.kind,
        scopes_counted.scope_count,
        scopes_counted.scope_kinds,
        scopes_counted.scope_kind,
        scopes_counted.scope as known_scope,
        {{ days_between('goals.period_start', 'goals.period_end') }} + 1 as period_days,
        {{ days_between(
            'goals.period_start', 'least(goals.period_end, ' ~ as_of() ~ ')'
        ) }} + 1 as elapsed_days
    from goals
    left join measures on goals.folded_measure = {{ folded('measures.measure') }}
    left join scopes_counted
        on
            goals.source = scopes_counted.source
            and goals.goal_id = scopes_counted.goal_id
),

measured as (
    select
        placed.source,
        placed.goal_id,
        sum(scoped.total) as total,
        cast(sum(scoped.square_total) as double) as square_total,
        sum(scoped.n) as n
    from placed
    inner join scoped
        on
            placed.known_measure = scoped.measure
            and placed.scope_kind = scoped.scope_kind
            and coalesce(placed.known_scope, '') = coalesce(scoped.scope, '')
    where
        scoped.day <= placed.period_end
        and (placed.kind = 'stock' or scoped.day >= placed.period_start)
    group by placed.source, placed.goal_id
),

judged as (
    select
        placed.source,
        placed.goal_id,
        placed.measure,
        placed.scope,
        placed.scope_kind,
        placed.kind,
        placed.period_start,
        placed.period_end,
        placed.period_days,
        placed.elapsed_days,
        placed.target_value,
        cast(coalesce(measured.total, 0) as double) as total,
        coalesce(measured.square_total, 0) as square_total,
        cast(coalesce(measured.n, 0) as bigint) as n,
        case
            when placed.period_days < 1 then 'the period ends before it begins'
            when placed.known_measure is null
                then
                    'Kith does not compute this measure; it knows '
                    || '{{ measures | join(", ") }}'
            when placed.scope_count is null
                then
                    'nothing that was measured is called like this scope; '
                    || placed.known_measure || ' is known by '
                    || case placed.known_measure
                        {%- for measure, kinds in known_by.items() %}
                        when '{{ measure }}' then '{{ kinds | join(", ") }}'
                        {%- endfor %}
                    end
            when placed.scope_count > 1
                then 'several are called like this scope: ' || placed.scope_kinds
            when placed.elapsed_days < 1 then 'the period has not begun'
            when
                placed.kind != 'stock' and placed.period_start < {{ first_day() }}
                then 'the period begins before the first day of the data'
            when
                placed.kind in ('net', 'share')
                and coalesce(measured.n, 0) < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} valid answers'
        end as missing_reason
    from placed
    left join measured
        on
            placed.source = measured.source
            and placed.goal_id = measured.goal_id
),

valued as (
    select
        *,
        case
            when missing_reason is not null then null
            when kind in ('net', 'share') then 100 * total / n
            else total
        end as actual_value,
        case
            when missing_reason is not null then null
            when kind = 'net'
                then
                    100 * {{ normal_quantile() }} * nullif(
                        sqrt(
                            greatest(square_total / n - total * total / n / n, 0) / n
                        ),
                        0
                    )
        end as margin,
        case
            when kind = 'sum' and elapsed_days between 1 and period_days
                then target_value * elapsed_days / period_days
            else target_value
        end as expected_value
    from judged
),

final as (
    select
        source,
        goal_id,
        measure,
        scope,
        scope_kind,
        period_start,
        period_end,
        case when period_days > 0 then cast(period_days as bigint) end as period_days,
        case when period_days > 0 then cast(greatest(elapsed_days, 0) as bigint) end
            as elapsed_days,
        case when period_days > 0 then period_end <= {{ as_of() }} end as is_over,
        target_value,
        actual_value,
        case
            when missing_reason is null and kind = 'share'
                then
                    100 * {{ wilson_bound(
                        '(total / n)', 'cast(n as double)', '-'
                    ) }}
            when margin is not null then greatest(actual_value - margin, -100)
        end as interval_low,
        case
            when missing_reason is null and kind = 'share'
                then
                    100 * {{ wilson_bound(
                        '(total / n)', 'cast(n as double)', '+'
                    ) }}
            when margin is not null then least(actual_value + margin, 100)
        end as interval_high,
        case when target_value > 0 then 100 * actual_value / target_value end
            as attained_pct,
        case when missing_reason is null then expected_value end as expected_value,
        case
            when period_days < 1 then null
            when elapsed_days < 1 then 'not_begun'
            when actual_value is null then null
            when elapsed_days >= period_days and actual_value >= target_value
                then 'attained'
            when elapsed_days >= period_days then 'missed'
            when actual_value >= expected_value then 'ahead'
            else 'behind'
        end as state,
        case when missing_reason is null then n end as n,
        case kind
            when 'sum' then 'sum over the period'
            when 'stock' then 'number at the end of the period'
            when 'net' then 'promoters less detractors, all answers'
            when 'share' then 'share of the two best answers, all answers'
        end as method,
        missing_reason,
        {{ as_of() }} as as_of_date
    from valued
)

select * from final
