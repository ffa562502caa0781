{%- set least = var('minimum_answers') -%}
with

voiced as (
    select
        mentions.subject_kind,
        mentions.subject,
        -- We and the competitors share one voice, brands another one.
        case when mentions.subject_kind = 'brand' then 'brands' else 'rivals' end
            as voice,
        mentions.posted_date,
        mentions.platform,
        mentions.topic,
        mentions.sentiment,
        mentions.is_referral,
        mentions.method,
        mentions.source,
        coalesce(
            'customer ' || mentions.customer_id,
            'identifier ' || posts.identifier_value,
            'author ' || posts.author,
            'post ' || mentions.post_id
        ) as writer
    from {{ ref('mentions') }} as mentions
    inner join {{ ref('feed_posts') }} as posts
        on
            mentions.source = posts.source
            and mentions.post_id = posts.post_id
    where mentions.subject_kind != 'nobody'
),

known as (
    select
        max(case when posts.is_about_us is not null then 1 else 0 end) as tells_of_us,
        max(case when mentions.subject_kind = 'competitor' then 1 else 0 end)
            as tells_of_competitors
    from {{ ref('feed_posts') }} as posts
    left join {{ ref('mentions') }} as mentions
        on
            posts.source = mentions.source
            and posts.post_id = mentions.post_id
),

-- Each mention counts once in each.
viewed as (
    {% for breakdown in ['total', 'platform', 'topic'] %}
    {% for grain in ['all', 'month'] %}
    select
        '{{ grain }}' as period_grain,
        {{ month_of('posted_date') if grain == 'month' else 'cast(null as date)' }}
            as month,
        '{{ breakdown }}' as breakdown,
        {% if breakdown == 'total' %}
        'all' as breakdown_value,
        {% else %}
        coalesce({{ breakdown }}, 'not_stated') as breakdown_value,
        {% endif %}
        voice,
        subject_kind,
        subject,
        sentiment,
        is_referral,
        method,
        source || ' ' || writer as writer
    from voiced
    {{ "union all" if not (loop.last and breakdown == 'topic') }}
    {% endfor %}
    {% endfor %}
),

counted_by_writer as (
    select
        period_grain,
        month,
        breakdown,
        breakdown_value,
        voice,
        subject_kind,
        subject,
        writer,
        count(*) as mention_count,
        {% for sentiment in ['positive', 'neutral', 'negative', 'unknown'] %}
        count(case when sentiment = '{{ sentiment }}' then 1 end)
            as {{ sentiment }}_count,
        {% endfor %}
        count(case when is_referral then 1 end) as referral_count
    from viewed
    group by
        period_grain, month, breakdown, breakdown_value, voice, subject_kind, subject,
        writer
),

with_voices as (
    select
        *,
        sum(mention_count) over (
            partition by
                period_grain, month, breakdown, breakdown_value, voice, writer
        ) as voice_count,
        row_number() over (
            partition by
                period_grain, month, breakdown, breakdown_value, voice, writer
            order by subject_kind nulls last, subject nulls last
        ) as position,
        mention_count - unknown_count as told_count
    from counted_by_writer
),

-- Squares and products of whole numbers: exact in whatever order they are summed.
voices as (
    select
        period_grain,
        month,
        breakdown,
        breakdown_value,
        voice,
        count(*) as writer_count,
        sum(voice_count) as mention_count,
        sum(voice_count * voice_count) as squares
    from with_voices
    where position = 1
    group by period_grain, month, breakdown, breakdown_value, voice
),

methods as (
    select
        period_grain,
        month,
        breakdown,
        breakdown_value,
        subject_kind,
        subject,
        {{ sorted_list('method') }} as method
    from viewed
    group by period_grain, month, breakdown, breakdown_value, subject_kind, subject
),

counted as (
    select
        period_grain,
        month,
        breakdown,
        breakdown_value,
        voice,
        subject_kind,
        subject,
        count(case when told_count > 0 then 1 end) as told_writer_count,
        {% for count in [
            'mention', 'positive', 'neutral', 'negative', 'unknown', 'told', 'referral'
        ] %}
        cast(sum({{ count }}_count) as bigint) as {{ count }}_count,
        {% endfor %}
        {% for part, whole in [
            ('mention', 'mention'), ('mention', 'voice'),
            ('negative', 'negative'), ('negative', 'told'), ('told', 'told'),
        ] %}
        cast(sum({{ part }}_count * {{ whole }}_count) as double)
            as {{ part }}_{{ whole }},
        {% endfor %}
        count(*) as writer_count
    from with_voices
    group by
        period_grain, month, breakdown, breakdown_value, voice, subject_kind, subject
),

shared as (
    select
        counted.*,
        methods.method,
        cast(voices.mention_count as bigint) as all_mention_count,
        voices.writer_count as all_writer_count,
        cast(voices.squares as double) as all_squares,
        case
            when counted.voice = 'brands' then null
            when known.tells_of_us = 0 then 'no source tells which posts are about us'
            when known.tells_of_competitors = 0 then 'no post names a competitor'
        end as nothing_to_compare,
        cast(counted.mention_count as double) / voices.mention_count as share,
        cast(counted.negative_count as double) / nullif(counted.told_count, 0)
            as negative_share
    from counted
    cross join known
    inner join voices
        on
            counted.period_grain = voices.period_grain
            and coalesce(counted.month = voices.month, counted.period_grain = 'all')
            and counted.breakdown = voices.breakdown
            and counted.breakdown_value = voices.breakdown_value
            and counted.voice = voices.voice
    inner join methods
        on
            counted.period_grain = methods.period_grain
            and coalesce(counted.month = methods.month, counted.period_grain = 'all')
            and counted.breakdown = methods.breakdown
            and counted.breakdown_value = methods.breakdown_value
            and counted.subject_kind = methods.subject_kind
            and counted.subject = methods.subject
),

-- A writer posts several times.
weighed as (
    select
        *,
        {{ independent_count(
            'share', 'all_mention_count', 'all_writer_count',
            'mention_mention', 'mention_voice', 'all_squares'
        ) }} as share_n,
        {{ independent_count(
            'negative_share', 'told_count', 'told_writer_count',
            'negative_negative', 'negative_told', 'told_told'
        ) }} as negative_n
    from shared
),

final as (
    select
        period_grain,
        month,
        breakdown,
        breakdown_value,
        subject_kind,
        subject,
        mention_count,
        writer_count,
        all_mention_count,
        {% for name, bound in [
            ('share_pct', 'share'),
            ('share_low_pct', wilson_bound('share', 'share_n', '-')),
            ('share_high_pct', wilson_bound('share', 'share_n', '+')),
        ] %}
        case
            when nothing_to_compare is null and all_mention_count >= {{ least }}
                then 100 * {{ bound }}
        end as {{ name }},
        {% endfor %}
        case
            when nothing_to_compare is not null then nothing_to_compare
            when all_mention_count < {{ least }} then 'too few mentions'
        end as share_missing_reason,
        positive_count,
        neutral_count,
        negative_count,
        unknown_count,
        told_count as n,
        {% for name, bound in [
            ('negative_pct', 'negative_share'),
            ('negative_low_pct', wilson_bound('negative_share', 'negative_n', '-')),
            ('negative_high_pct', wilson_bound('negative_share', 'negative_n', '+')),
        ] %}
        case when told_count >= {{ least }} then 100 * {{ bound }} end as {{ name }},
        {% endfor %}
        case when told_count < {{ least }} then 'too few mentions tell their mood' end
            as missing_reason,
        referral_count,
        method,
        {{ as_of() }} as as_of_date
    from weighed
)

select * from final
