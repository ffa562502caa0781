{#- Feeds whose rows are about a person, each with the column that says when the trace
    was left; none where the row tells a state without a time. -#}
{% macro person_feeds() -%}
    {{ return({
        'customers': none,
        'attributes': 'observed_at',
        'consents': 'changed_at',
        'dependants': none,
        'assignments': none,
        'orders': 'ordered_at',
        'quotes': 'quoted_at',
        'events': 'occurred_at',
        'posts': 'posted_at',
        'presences': 'occurred_at',
        'tickets': 'opened_at',
        'survey_answers': 'answered_at',
        'contacts': 'sent_at',
        'leads': 'created_at',
        'promises': 'promised_at',
    }) }}
{%- endmacro %}

{#- The customer that an identifier stands for until links join it to others. -#}
{% macro customer_id(identifier_type, identifier_value) -%}
    md5({{ dbt.concat([identifier_type, "':'", identifier_value]) }})
{%- endmacro %}
