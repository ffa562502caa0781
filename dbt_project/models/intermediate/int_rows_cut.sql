{#- Staging is read once more here: what a feed leaves out is nowhere else. -#}
{%- set as_of_at = as_of_at() -%}
{%- set timed_feeds = [] -%}
{%- for feed in var('feeds') -%}
    {%- do staged_models(feed) -%}
    {%- if execute and graph.nodes['model.kith.feed_' ~ feed].config.event_time -%}
        {%- do timed_feeds.append(graph.nodes['model.kith.feed_' ~ feed]) -%}
    {%- endif -%}
{%- endfor -%}
with

cut as (
    {% for node in timed_feeds %}
    select
        '{{ feed_name(node.name) }}' as feed,
        source,
        {{ (node.columns | list)[1] }} as record_id,
        {{ node.config.event_time }} as event_at
    from (
        {{ delivered_rows(node) }}
    ) as delivered
    where {{ node.config.event_time }} >= {{ as_of_at }}
    {{ "union all" if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as feed,
        cast(null as varchar) as source,
        cast(null as varchar) as record_id,
        cast(null as timestamp) as event_at
    where false
    {% endfor %}
)

select * from cut
