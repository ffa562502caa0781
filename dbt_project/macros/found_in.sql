{#- Data test of several columns: each row finds its like in `to`, by all of `columns`. -#}
{% test found_in(model, columns, to) %}
    select
    {%- for column in columns %}
        child.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
    from {{ model }} as child
    left join {{ to }} as parent
        on
        {%- for column in columns %}
            {{ "and " if not loop.first }}child.{{ column }} = parent.{{ column }}
        {%- endfor %}
    where parent.{{ columns[0] }} is null
{% endtest %}
