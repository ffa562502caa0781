{#- The customer that an identifier stands for until links join it to others. -#}
{% macro customer_id(identifier_type, identifier_value) -%}
    md5({{ identifier_type }} || ':' || {{ identifier_value }})
{%- endmacro %}

{#- Whether an identifier only says that nobody is known: one of the words by
    which pull knows it of hashed ones, or nothing but noughts. A single one may be the
    first of numbers that are counted from it. \N of databases is spelt by its code,
    since Spark takes a backslash for the beginning of another sign. -#}
{% macro is_nobody(identifier) -%}
    {%- set words = [
        'n/a', 'na', 'n.a.', '#n/a', '<na>', 'nan', 'none', '(none)', 'nil',
        'null', '(null)', '<null>', '#null!', '#ref!', '#value!', '(blank)', 'missing',
        '-', '--', '?', '??', '-1', 'guest',
        'undefined', 'unknown', '(unknown)', 'unbekannt', 'inconnu',
        'desconocido', 'sconosciuto', 'not available', 'not set', '(not set)',
        'anonymous', '未知', '无', '空',
    ] -%}
    {%- set text = "trim(cast(" ~ identifier ~ " as string))" -%}
    {%- set bare = namespace(text=text) -%}
    {%- for sign in ['0', '.', ',', '-', '+', '/', ' '] -%}
        {%- set bare.text = "replace(" ~ bare.text ~ ", '" ~ sign ~ "', '')" -%}
    {%- endfor -%}
    (
        lower({{ text }}) in ('{{ words | join("', '") }}')
        or lower({{ text }}) = chr(92) || 'n'
        or (
            {{ text }} not in ('', '0', '0.0')
            and {{ bare.text }} = ''
        )
    )
{%- endmacro %}
