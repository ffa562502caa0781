{#- Standard normal quantile of 97.5 %, for intervals of 95 %. -#}
{% macro normal_quantile() -%}
    1.959963984540054e0
{%- endmacro %}

{#- A bound of Wilson's interval of 95 % around a share from 0 to 1; `sign` is - for the
    lower one, + for the upper one. `n` is a double above 0. The usual formula takes two
    nearly equal numbers from each other; written as a quotient it gives exactly 0 for a
    share of 0 and 1 for a share of 1, and nothing below or above. -#}
{% macro wilson_bound(share, n, sign) -%}
    {%- set near = share if sign == '-' else '(1 - ' ~ share ~ ')' -%}
    {%- set bound -%}
        2 * {{ n }} * power({{ near }}, 2) / (
            2 * {{ n }} * {{ near }} + power({{ normal_quantile() }}, 2)
            + {{ normal_quantile() }} * sqrt(
                4 * {{ n }} * {{ share }} * (1 - {{ share }})
                + power({{ normal_quantile() }}, 2)
            )
        )
    {%- endset -%}
    {%- if sign == '-' -%} ({{ bound }}) {%- else -%} (1 - {{ bound }}) {%- endif -%}
{%- endmacro %}

{#- How many independent observations would tell as much of a share as `whole` of them
    that come in clusters, such as several of one person; at most as many. `part` and
    `whole` are those of a cluster in the sums of part * part, part * whole and
    whole * whole. Where all are alike, each cluster tells as much as one. -#}
{% macro independent_count(
    share, whole, clusters, part_squares, products, whole_squares
) -%}
    {%- set variance -%}
        (
            {{ part_squares }} - 2 * {{ share }} * {{ products }}
            + power({{ share }}, 2) * {{ whole_squares }}
        ) / power(cast({{ whole }} as double), 2)
        * {{ clusters }} / nullif({{ clusters }} - 1, 0)
    {%- endset -%}
    case
        when {{ share }} * (1 - {{ share }}) > 0 and {{ variance }} > 0
            then
                least(
                    {{ share }} * (1 - {{ share }}) / ({{ variance }}),
                    cast({{ whole }} as double)
                )
        else cast({{ clusters }} as double)
    end
{%- endmacro %}

{#- Student's t quantile of 97.5 % by Abramowitz & Stegun 26.7.5: within 0.1 % from 8
    degrees of freedom on, 3 % too small with 2. -#}
{% macro student_quantile(degrees) -%}
    {%- set z = 1.959963984540054 -%}
    (
        {{ z }}e0
        + {{ (z**3 + z) / 4 }}e0 / ({{ degrees }})
        + {{ (5 * z**5 + 16 * z**3 + 3 * z) / 96 }}e0 / power({{ degrees }}, 2)
        + {{ (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 }}e0
        / power({{ degrees }}, 3)
    )
{%- endmacro %}
