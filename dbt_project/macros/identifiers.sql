{#- The id of the person whose oldest identifier this is. -#}
{% macro person_id(identifier_type, identifier_value) -%}
    md5({{ identifier_type }} || ':' || {{ identifier_value }})
{%- endmacro %}

{#- Place of a kind of identifier among all: 0 for the strongest. Kinds that a company
    does not rank, such as its own numbers of customers, are stronger than all. -#}
{% macro strength_of(identifier_type) -%}
    case {{ identifier_type }}
    {%- for kind in var('identity').strongest_first %}
        when '{{ kind }}' then {{ loop.index }}
    {%- endfor %}
        else 0
    end
{%- endmacro %}

{#- Whether a kind of identifier is one of these. -#}
{% macro is_kind_of(identifier_type, kinds) -%}
    {%- if kinds -%}
        {{ identifier_type }} in ('{{ kinds | join("', '") }}')
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}

{#- Above how many partners of one kind the links of an identifier do not count. -#}
{% macro partner_limit(identifier_type) -%}
    case {{ identifier_type }}
    {%- for kind in var('identity').partner_limits %}
        when '{{ kind }}' then {{ var('identity').partner_limits[kind] }}
    {%- endfor %}
        when '' then 0
        else 5
    end
{%- endmacro %}

{#- Whether an identifier only says that nobody is known: one of the words by
    which pull knows it of hashed ones, or nothing but noughts. A single one may be the
    first of numbers that are counted from it. \N of databases is spelt by its code,
    since Spark takes a backslash for the beginning of another sign. Noughts and signs
    come before 1: few texts are taken apart. Hashes, which are longer than any word,
    are passed over. -#}
{% macro is_nobody(identifier) -%}
    {%- set words = var('nobody') | reject('equalto', '\\n') -%}
    {%- set text = "trim(cast(" ~ identifier ~ " as string))" -%}
    {%- set bare = namespace(text=text) -%}
    {%- for sign in ['0', '.', ',', '-', '+', '/', ' '] -%}
        {%- set bare.text = "replace(" ~ bare.text ~ ", '" ~ sign ~ "', '')" -%}
    {%- endfor -%}
    case
        when {{ identifier }} is null then true
        when length(cast({{ identifier }} as string)) >= 64 then false
        when lower({{ text }}) in ('{{ words | join("', '") }}') then true
        when lower({{ text }}) = chr(92) || 'n' then true
        when {{ text }} < '1'
            then {{ text }} not in ('', '0', '0.0') and {{ bare.text }} = ''
        else false
    end
{%- endmacro %}

{#- A column's name as deliveries have it, whatever signs are in it. -#}
{% macro quoted(name) -%}
    {{ return(adapter.dispatch('quoted', 'kith')(name)) }}
{%- endmacro %}

{% macro default__quoted(name) -%}
    `{{ name | replace('`', '``') }}`
{%- endmacro %}

{% macro duckdb__quoted(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}
