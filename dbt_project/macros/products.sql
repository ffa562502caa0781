{#- A query of the products that order lines name: source and product_id as the line has
    them, product_key, and what a unit costs where that is known. -#}
{% macro product_costs() -%}
    select
        resolved.source,
        resolved.reference_id as product_id,
        resolved.reference_key as product_key,
        products.unit_cost_amount
    from {{ ref('int_references_resolved') }} as resolved
    left join {{ ref('feed_products') }} as products
        on
            resolved.listed_source = products.source
            and resolved.reference_id = products.product_id
    where resolved.kind = 'product'
{%- endmacro %}

{#- Whether any source lists what there is: without that nothing is known to be lacking. -#}
{% macro is_range_known() -%}
    coalesce(max(case when is_listed then 1 else 0 end), 0) = 1
{%- endmacro %}
