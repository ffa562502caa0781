{#- Data test of a column: of a hundred rows that fill it at most one names something
    that `field` of `to` lacks. Real sources always have a few such rows. Nothing is said
    where `to` is empty, since nobody provides it. Returns both counts. -#}
{% test mostly_related(model, column_name, to, field) %}
    with known as (
        select distinct {{ field }} as known_value
        from {{ to }}
    ),

    counted as (
        select
            count(*) as row_count,
            count(*) - count(known.known_value) as orphan_count
        from {{ model }} as child
        left join known on child.{{ column_name }} = known.known_value
        where child.{{ column_name }} is not null
    )

    select
        row_count,
        orphan_count
    from counted
    where
        100 * orphan_count > row_count
        and exists (select 1 from known)
{% endtest %}
