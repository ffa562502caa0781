{#- The customer that an identifier stands for until links join it to others. -#}
{% macro customer_id(identifier_type, identifier_value) -%}
    md5({{ identifier_type }} || ':' || {{ identifier_value }})
{%- endmacro %}

{#- Whether an identifier only says that nobody is known: one of the words by
    which pull knows it of hashed ones, or nothing but noughts. A single one may be the
    first of numbers that are counted from it. -#}
{% macro is_nobody(identifier) -%}
    {%- set words = [
        'n/a', 'n.a.', '#n/a', '<na>', 'nan', 'none', '(none)', 'null', '(null)', 'nil',
        'undefined', 'unknown', '(unknown)', 'unbekannt', 'inconnu',
        'desconocido', 'sconosciuto', 'not available', 'not set', '(not set)',
        'anonymous', '未知', '无', '空',
    ] -%}
    {%- set text = "trim(cast(" ~ identifier ~ " as string))" -%}
    (
        lower({{ text }}) in ('{{ words | join("', '") }}')
        or (
            {{ text }} not in ('', '0', '0.0')
            and replace(replace(replace({{ text }}, '0', ''), '.', ''), '-', '') = ''
        )
    )
{%- endmacro %}
