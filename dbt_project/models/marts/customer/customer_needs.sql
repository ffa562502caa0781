{#- What somebody did who showed a need, by its kind. -#}
{%- set shown_by = {
    'searched': 'searched', 'chosen': 'put on a list or in a basket',
    'quoted': 'asked for the price', 'complaint': 'complained'
} -%}
with

-- Numbers are grouped and joined in half the time of ids.
customers as (
    select
        customer_id,
        row_number() over (order by customer_id nulls last) as customer_number,
        greatest({{ first_day() }}, {{ business_date('registered_at') }})
            as since_date
    from {{ ref('customers') }}
    where customer_id != 'unidentified' and {{ may_be_scored('may_be_profiled') }}
),

identities as (
    select
        identities.identifier_type,
        identities.identifier_value,
        customers.customer_number
    from {{ ref('identities') }} as identities
    inner join customers on identities.customer_id = customers.customer_id
),

products as (
    select
        product_key,
        coalesce(name, product_id) as name,
        category,
        lower(trim(category)) as category_word,
        is_listed,
        {{ business_date('launched_at') }} as launched_date
    from {{ ref('products') }}
),

categories as (
    select
        category_word,
        min(category) as category
    from products
    where category_word is not null
    group by category_word
),

matches as (
    select * from {{ ref('int_searches_matched') }}
),

-- Products that meet a need told in words.
answers as (
    select
        matches.need,
        products.product_key,
        products.category,
        coalesce(products.launched_date <= {{ as_of() }}, true) as is_sold
    from matches
    inner join products on matches.product_key = products.product_key
),

needs_answered as (
    select
        need,
        max(case when is_sold then 1 else 0 end) = 1 as is_in_range,
        case when min(category) = max(category) then min(category) end as category
    from answers
    group by need
),

range_known as (
    select {{ is_range_known() }} as is_known
    from products
),

quoted as (
    select
        customers.customer_number,
        interactions.product_key as need_key,
        interactions.interaction_id,
        interactions.occurred_at,
        case
            when quotes.outcome = 'accepted'
                then
                    {{ business_date('coalesce(quotes.decided_at, quotes.quoted_at)') }}
        end as accepted_on
    from {{ ref('interactions') }} as interactions
    inner join customers on interactions.customer_id = customers.customer_id
    inner join {{ ref('feed_quotes') }} as quotes
        on
            interactions.source = quotes.source
            and interactions.record_id = quotes.quote_id
    where
        interactions.interaction_kind = 'quote'
        and interactions.product_key is not null
),

traces as (
    select
        identities.customer_number,
        'searched' as need_kind,
        matches.need as need_key,
        'event:' || events.source || ':' || events.event_id as interaction_id,
        events.occurred_at,
        cast(null as date) as met_on
    from {{ ref('feed_events') }} as events
    inner join identities
        on
            events.identifier_type = identities.identifier_type
            and events.identifier_value = identities.identifier_value
    inner join matches on events.query = matches.query
    where matches.need is not null
    union all
    select
        customers.customer_number,
        'chosen' as need_kind,
        interactions.product_key as need_key,
        interactions.interaction_id,
        interactions.occurred_at,
        cast(null as date) as met_on
    from {{ ref('interactions') }} as interactions
    inner join customers on interactions.customer_id = customers.customer_id
    inner join {{ ref('int_words_classed') }} as words
        on interactions.detail = words.word
    where
        interactions.interaction_kind = 'event'
        and interactions.product_key is not null
        and words.kind = 'event_name'
        and words.meaning in ('cart', 'wishlist')
    union all
    select
        customer_number,
        'quoted' as need_kind,
        need_key,
        interaction_id,
        occurred_at,
        cast(null as date) as met_on
    from quoted
    union all
    select
        customers.customer_number,
        'complaint' as need_kind,
        coalesce(complaints.reason, complaints.kind) as need_key,
        'ticket:' || complaints.source || ':' || complaints.ticket_id
            as interaction_id,
        complaints.opened_at as occurred_at,
        {{ business_date('complaints.resolved_at') }} as met_on
    from {{ ref('complaints') }} as complaints
    inner join customers on complaints.customer_id = customers.customer_id
    where complaints.is_complaint
),

-- `words` and `product_key`: whichever of them the need is told by.
shown as (
    select
        customer_number,
        need_kind,
        need_key,
        case when need_kind = 'searched' then need_key end as words,
        case when need_kind in ('chosen', 'quoted') then need_key end as product_key,
        count(*) as evidence_count,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        {{ business_date('max(occurred_at)') }} as last_seen_date,
        {{ add_days(business_date('max(occurred_at)'), var('need_days')) }}
            as ends_date,
        min_by(interaction_id, {{ ordering(['occurred_at', 'interaction_id']) }})
            as first_interaction_id,
        max_by(interaction_id, {{ ordering(['occurred_at', 'interaction_id']) }})
            as last_interaction_id,
        -- Of complaints about one thing none may be open.
        case when count(met_on) = count(*) then max(met_on) end as all_met_on
    from traces
    group by customer_number, need_kind, need_key
),

lines as (
    select
        customers.customer_number,
        order_lines.product_key,
        products.category_word,
        order_lines.order_date,
        order_lines.source,
        order_lines.order_id
    from {{ ref('order_lines') }} as order_lines
    inner join customers on order_lines.customer_id = customers.customer_id
    inner join products on order_lines.product_key = products.product_key
    where order_lines.is_purchase and order_lines.quantity > 0
),

-- What has lapsed is not met by what is bought later. First what each customer bought,
-- then what of it meets the search: the other way round, each search would be joined
-- with all products that meet it.
bought_after_searches as (
    select
        shown.customer_number,
        shown.words,
        lines.product_key,
        min(lines.order_date) as met_on
    from shown
    inner join needs_answered on shown.words = needs_answered.need
    inner join lines
        on
            shown.customer_number = lines.customer_number
            and shown.last_seen_date <= lines.order_date
            and shown.ends_date > lines.order_date
    group by shown.customer_number, shown.words, lines.product_key
),

met_each as (
    select
        shown.customer_number,
        shown.need_kind,
        shown.need_key,
        min(lines.order_date) as met_on
    from shown
    inner join lines
        on
            shown.customer_number = lines.customer_number
            and shown.product_key = lines.product_key
            and shown.last_seen_date <= lines.order_date
            and shown.ends_date > lines.order_date
    group by shown.customer_number, shown.need_kind, shown.need_key
    union all
    select
        bought_after_searches.customer_number,
        'searched' as need_kind,
        bought_after_searches.words as need_key,
        min(bought_after_searches.met_on) as met_on
    from bought_after_searches
    inner join answers
        on
            bought_after_searches.words = answers.need
            and bought_after_searches.product_key = answers.product_key
    group by bought_after_searches.customer_number, bought_after_searches.words
    union all
    select
        shown.customer_number,
        shown.need_kind,
        shown.need_key,
        min(quoted.accepted_on) as met_on
    from shown
    inner join quoted
        on
            shown.customer_number = quoted.customer_number
            and shown.product_key = quoted.need_key
            and shown.last_seen_date <= quoted.accepted_on
            and shown.ends_date > quoted.accepted_on
    where shown.need_kind = 'quoted'
    group by shown.customer_number, shown.need_kind, shown.need_key
),

met_since as (
    select
        customer_number,
        need_kind,
        need_key,
        min(met_on) as met_on
    from met_each
    group by customer_number, need_kind, need_key
),

shown_needs as (
    select
        shown.customer_number,
        shown.need_kind,
        shown.need_key,
        coalesce(products.name, shown.need_key) as need,
        coalesce(products.category, needs_answered.category) as category,
        products.product_key,
        case
            when shown.words is not null and range_known.is_known
                then coalesce(needs_answered.is_in_range, false)
            when products.is_listed then true
        end as is_in_range,
        shown.evidence_count,
        case shown.need_kind
            {%- for kind, act in shown_by.items() %}
            when '{{ kind }}' then '{{ act }}'
            {%- endfor %}
        end || case
            when shown.evidence_count = 1 then ' once'
            else ' ' || cast(shown.evidence_count as string) || ' times'
        end as evidence,
        shown.first_interaction_id,
        shown.last_interaction_id,
        shown.first_seen_at,
        shown.last_seen_at,
        case
            when shown.need_kind = 'complaint'
                then {{ business_date(
                    "shown.last_seen_at + interval '1' hour * "
                    ~ var('complaint_response_hours')
                ) }}
            else shown.last_seen_date
        end as due_on,
        cast(null as date) as due_from,
        cast(null as date) as due_until,
        case when shown.need_kind != 'complaint' then shown.ends_date end as ends_on,
        case
            when shown.need_kind = 'complaint' then shown.all_met_on
            else met_since.met_on
        end as met_on,
        shown.evidence_count as n,
        case
            when shown.need_kind = 'complaint' then 'the time limit of an answer'
            else 'the day on which it was last shown'
        end as method
    from shown
    cross join range_known
    left join products on shown.product_key = products.product_key
    left join needs_answered on shown.words = needs_answered.need
    left join met_since
        on
            shown.customer_number = met_since.customer_number
            and shown.need_kind = met_since.need_kind
            and shown.need_key = met_since.need_key
),

-- Twins, and a child on two records, are born on one day and need the same.
births as (
    select
        identities.customer_number,
        dependants.birth_date,
        count(*) as dependant_count
    from {{ ref('feed_dependants') }} as dependants
    inner join identities
        on
            dependants.identifier_type = identities.identifier_type
            and dependants.identifier_value = identities.identifier_value
    where dependants.birth_date is not null
    group by identities.customer_number, dependants.birth_date
),

stages as (
    {{ declared_life_stages() }}
),

stages_dated as (
    select
        births.customer_number,
        births.birth_date,
        births.dependant_count,
        stages.stage_number,
        stages.stage,
        stages.need,
        {{ add_months('births.birth_date', 'stages.from_months') }} as due_on,
        {{ add_months('births.birth_date', 'stages.until_months') }} as ends_on
    from births
    cross join stages
),

-- Of what lies ahead the next stage alone; nothing that was over before they came.
stages_told as (
    select
        *,
        row_number() over (
            partition by customer_number, birth_date, due_on > {{ as_of() }}
            order by stage_number nulls last
        ) as position
    from stages_dated
),

stages_met as (
    select
        stages_told.customer_number,
        stages_told.birth_date,
        stages_told.stage_number,
        min(lines.order_date) as met_on
    from stages_told
    inner join lines
        on
            stages_told.customer_number = lines.customer_number
            and lower(trim(stages_told.need)) = lines.category_word
            and stages_told.due_on <= lines.order_date
    where coalesce(lines.order_date < stages_told.ends_on, true)
    group by
        stages_told.customer_number, stages_told.birth_date, stages_told.stage_number
),

life_stage_needs as (
    select
        stages_told.customer_number,
        'life_stage' as need_kind,
        cast(stages_told.birth_date as string) || ':' || stages_told.stage
            as need_key,
        stages_told.need,
        categories.category,
        cast(null as string) as product_key,
        case when range_known.is_known then categories.category is not null end
            as is_in_range,
        stages_told.dependant_count as evidence_count,
        case
            when stages_told.due_on > {{ as_of() }} then 'next stage of a dependant: '
            else 'stage of a dependant: '
        end || stages_told.stage as evidence,
        cast(null as string) as first_interaction_id,
        cast(null as string) as last_interaction_id,
        cast(null as timestamp) as first_seen_at,
        cast(null as timestamp) as last_seen_at,
        stages_told.due_on,
        cast(null as date) as due_from,
        cast(null as date) as due_until,
        stages_told.ends_on,
        stages_met.met_on,
        stages_told.dependant_count as n,
        'age of a dependant, life_stages of company.yml' as method
    from stages_told
    inner join customers on stages_told.customer_number = customers.customer_number
    cross join range_known
    left join categories on lower(trim(stages_told.need)) = categories.category_word
    left join stages_met
        on
            stages_told.customer_number = stages_met.customer_number
            and stages_told.birth_date = stages_met.birth_date
            and stages_told.stage_number = stages_met.stage_number
    where
        (stages_told.due_on <= {{ as_of() }} or stages_told.position = 1)
        and coalesce(stages_told.ends_on > customers.since_date, true)
),

-- By product, and by category where no product of it is bought often enough. Days are
-- counted only of what has lines enough.
products_rebought as (
    select
        customer_number,
        product_key
    from lines
    group by customer_number, product_key
    having count(*) > {{ var('minimum_gaps') }}
),

product_days as (
    select
        lines.customer_number,
        lines.product_key,
        lines.category_word,
        lines.order_date,
        min('order:' || lines.source || ':' || lines.order_id) as interaction_id
    from lines
    inner join products_rebought
        on
            lines.customer_number = products_rebought.customer_number
            and lines.product_key = products_rebought.product_key
    group by
        lines.customer_number,
        lines.product_key,
        lines.category_word,
        lines.order_date
),

frequent_products as (
    select
        customer_number,
        category_word
    from product_days
    group by customer_number, product_key, category_word
    having count(*) > {{ var('minimum_gaps') }}
),

categories_rebought as (
    select
        customer_number,
        category_word
    from lines
    group by customer_number, category_word
    having count(*) > {{ var('minimum_gaps') }}
),

category_days as (
    select
        lines.customer_number,
        cast(null as string) as product_key,
        lines.category_word,
        lines.order_date,
        min('order:' || lines.source || ':' || lines.order_id) as interaction_id
    from lines
    inner join categories_rebought
        on
            lines.customer_number = categories_rebought.customer_number
            and lines.category_word = categories_rebought.category_word
    left join frequent_products
        on
            lines.customer_number = frequent_products.customer_number
            and lines.category_word = frequent_products.category_word
    where frequent_products.customer_number is null
    group by lines.customer_number, lines.category_word, lines.order_date
),

purchase_days as (
    select * from product_days
    union all
    select * from category_days
),

gaps as (
    select
        *,
        {{ days_between(
            'lag(order_date) over (partition by customer_number, product_key, '
            ~ 'category_word order by order_date nulls last)', 'order_date'
        ) }} as gap_days
    from purchase_days
),

rhythms as (
    select
        customer_number,
        product_key,
        category_word,
        count(*) as purchase_day_count,
        count(gap_days) as gap_count,
        min(gap_days) as shortest_gap_days,
        max(gap_days) as longest_gap_days,
        {{ median('gap_days') }} as usual_gap_days,
        min(order_date) as first_date,
        max(order_date) as last_date,
        min_by(interaction_id, order_date) as first_interaction_id,
        max_by(interaction_id, order_date) as last_interaction_id
    from gaps
    group by customer_number, product_key, category_word
    having count(*) > {{ var('minimum_gaps') }}
),

replenishments as (
    select
        rhythms.customer_number,
        'replenishment' as need_kind,
        coalesce(rhythms.product_key, 'category:' || rhythms.category_word)
            as need_key,
        coalesce(products.name, categories.category) as need,
        coalesce(products.category, categories.category) as category,
        rhythms.product_key,
        case when products.is_listed or rhythms.product_key is null then true end
            as is_in_range,
        rhythms.purchase_day_count as evidence_count,
        'bought on ' || cast(rhythms.purchase_day_count as string)
        || ' days, usually ' || {{ written('rhythms.usual_gap_days') }}
        || ' days apart' as evidence,
        rhythms.first_interaction_id,
        rhythms.last_interaction_id,
        {{ business_midnight('rhythms.first_date') }} as first_seen_at,
        {{ business_midnight('rhythms.last_date') }} as last_seen_at,
        {{ add_days(
            'rhythms.last_date', 'cast(ceil(rhythms.usual_gap_days) as bigint)'
        ) }} as due_on,
        {{ add_days('rhythms.last_date', 'rhythms.shortest_gap_days') }} as due_from,
        {{ add_days('rhythms.last_date', 'rhythms.longest_gap_days') }} as due_until,
        {{ add_days(
            'rhythms.last_date',
            'cast(ceil(rhythms.usual_gap_days * ' ~ var('rhythm_gaps')[1]
            ~ ') as bigint)'
        ) }} as ends_on,
        cast(null as date) as met_on,
        rhythms.gap_count as n,
        'median of the own gaps between purchase days' as method
    from rhythms
    left join products on rhythms.product_key = products.product_key
    left join categories on rhythms.category_word = categories.category_word
),

needs as (
    select * from shown_needs
    union all
    select * from life_stage_needs
    union all
    select * from replenishments
),

final as (
    select
        md5(
            customers.customer_id || ':' || needs.need_kind || ':' || needs.need_key
        )
            as need_id,
        customers.customer_id,
        needs.need_kind,
        needs.need,
        needs.category,
        needs.product_key,
        needs.is_in_range,
        case
            when needs.met_on is not null then 'met'
            when needs.ends_on <= {{ as_of() }} then 'lapsed'
            else 'open'
        end as state,
        needs.evidence_count,
        needs.evidence,
        needs.first_interaction_id,
        needs.last_interaction_id,
        needs.first_seen_at,
        needs.last_seen_at,
        needs.due_on,
        needs.due_from,
        needs.due_until,
        needs.ends_on,
        needs.met_on,
        needs.n,
        needs.method,
        {{ as_of() }} as as_of_date
    from needs
    inner join customers on needs.customer_number = customers.customer_number
)

select * from final
