{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

offers as (
    select
        *,
        cast(floor(child_age_months / 12.0e0) as bigint) as child_age_years
    from {{ ref('int_recommendations') }}
),

products as (
    select
        product_key,
        coalesce(name, product_id) as name,
        category
    from {{ ref('products') }}
),

evaluated as (
    select
        status = 'published' as is_better_than_popularity,
        reason,
        n
    from {{ ref('int_recommendations_evaluated') }}
    where metric = 'customers'
),

-- Who waits for a price: lines of a year at a discount, compared with those of all.
bargains as (
    select
        customer_id,
        count(*) as line_count,
        sum(case when discount_amount > 0 then 1 else 0 end) as discounted_count
    from {{ ref('order_lines') }}
    where
        is_purchase
        and quantity > 0
        and customer_id != 'unidentified'
        and order_date > {{ add_days(as_of(), '(-365)') }}
    group by customer_id
),

of_all as (
    select cast(sum(discounted_count) as double) / sum(line_count) as discounted_share
    from bargains
),

bargain_hunters as (
    select
        bargains.customer_id,
        bargains.line_count,
        bargains.discounted_count,
        of_all.discounted_share
    from bargains
    cross join of_all
    where
        {{ wilson_bound(
            'cast(bargains.discounted_count as double) / bargains.line_count',
            'cast(bargains.line_count as double)', '-'
        ) }} > of_all.discounted_share
),

told as (
    select
        offers.customer_id,
        offers.rank,
        offers.product_key,
        products.name,
        products.category,
        offers.expected_share,
        offers.ground,
        offers.because_product_key,
        offers.child_age_months,
        offers.bought_day_count,
        offers.last_bought_on,
        offers.due_on,
        bargain_hunters.line_count,
        bargain_hunters.discounted_count,
        bargain_hunters.discounted_share,
        -- What they buy anyway needs no coupon.
        bargain_hunters.customer_id is not null and offers.bought_day_count = 0
            as is_coupon,
        case
            when offers.ground = 'due_again'
                then
                    'due again since ' || cast(offers.due_on as string)
                    || ': bought on ' || cast(offers.bought_day_count as string)
                    || ' days, last on ' || cast(offers.last_bought_on as string)
            when offers.ground = 'bought_before'
                then 'bought before, last on ' || cast(offers.last_bought_on as string)
            when offers.ground = 'bought_with' then 'bought with ' || because.name
            when offers.ground = 'child' and offers.child_age_months < 0
                then
                    'next for a child expected in '
                    || cast(-offers.child_age_months as string) || ' months'
            when offers.ground = 'child' and offers.child_age_months < 24
                then
                    'next for a child of ' || cast(offers.child_age_months as string)
                    || ' months'
            when offers.ground = 'child'
                then
                    'next for a child of '
                    || cast(offers.child_age_years as string)
                    || ' years'
            else 'bought by many'
        end as words
    from offers
    inner join products on offers.product_key = products.product_key
    left join products as because
        on offers.because_product_key = because.product_key
    left join bargain_hunters on offers.customer_id = bargain_hunters.customer_id
),

final as (
    select
        told.customer_id,
        told.rank,
        case when told.is_coupon then 'coupon' else 'product' end as offer_type,
        told.product_key,
        told.name as product_name,
        told.category,
        case
            when told.is_coupon
                then
                    told.words || '; at a discount, as '
                    || cast(told.discounted_count as string) || ' of the '
                    || cast(told.line_count as string)
                    || ' lines that they bought in 365 days (all customers: '
                    || cast(
                        cast(round(100 * told.discounted_share) as bigint) as string
                    )
                    || ' %)'
            else told.words
        end as reason,
        told.ground,
        told.because_product_key,
        told.child_age_months,
        told.bought_day_count,
        told.last_bought_on,
        told.due_on,
        told.expected_share,
        evaluated.is_better_than_popularity,
        evaluated.reason as fallback_reason,
        evaluated.n,
        case
            when evaluated.is_better_than_popularity
                then
                    'own purchases, shrunk to lifts of other products and of ages of '
                    || 'children'
            else 'what most customers bought within 90 days'
        end as method,
        {{ as_of() }} as as_of_date
    from told
    cross join evaluated
)

select * from final
{%- endif %}
