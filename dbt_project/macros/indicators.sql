{#- The behaviour indicators, declared once: what int_indicators computes and what
    segment.indicators says of it both come from here. A macro's answer is text, so that
    lists are handed in and filled. Windows are days up to the observed one, that
    included; 0 is all days. -#}

{#- The parts into which a measure is divided: of each its condition and its words. -#}
{% macro indicator_parts(into) -%}
    {%- for kind, channels in {
        'order': ['store', 'web', 'app', 'call', 'person', 'forum', 'marketplace'],
        'event': ['web', 'app', 'message', 'device'],
        'ticket': ['call', 'message', 'web', 'store'],
        'contact': ['message', 'letter', 'call', 'app'],
    }.items() -%}
        {%- do into.update({kind ~ '_channels': {}}) -%}
        {%- for channel in channels -%}
            {%- do into[kind ~ '_channels'].update({
                channel: ["channel = '" ~ channel ~ "'", {
                    'store': 'in stores', 'web': 'on the web', 'app': 'by app',
                    'call': 'by telephone', 'person': 'face to face',
                    'forum': 'in communities',
                    'marketplace': 'on marketplaces', 'message': 'by message',
                    'letter': 'by letter', 'device': 'on devices',
                }[channel]]
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do into.update({'answer_measures': {}, 'event_names': {}}) -%}
    {%- for measure in [
        'nps', 'csat', 'ces', 'perception', 'expectation', 'importance'
    ] -%}
        {%- do into['answer_measures'].update({
            measure: ["detail = '" ~ measure ~ "'", 'of ' ~ measure]
        }) -%}
    {%- endfor -%}
    {%- set acts = {} -%}
    {%- do words_of_acts(acts) -%}
    {%- for act in acts -%}
        {%- do into['event_names'].update({
            act: ["act = '" ~ act ~ "'", 'of the kind ' ~ act]
        }) -%}
    {%- endfor -%}
{%- endmacro %}

{#- Kinds of actions whose indicators are computed in one step. -#}
{% macro steps_of_kinds(into) -%}
    {%- for step, kinds in {
        'trade': ['order', 'return', 'cancellation', 'delivery'],
        'digital': ['event', 'session'],
        'care': [
            'stay', 'ticket', 'answer', 'post', 'contact', 'promise', 'quote',
        ],
    }.items() -%}
        {%- for kind in kinds -%}
            {%- do into.update({kind: step}) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{#- Names of events that mean one kind of act, without case, blanks, hyphens and
    underscores. -#}
{% macro words_of_acts(into) -%}
    {%- do into.update({
        'view': ['view', 'pageview', 'productview', 'viewitem', 'viewproduct',
            'screenview', 'visit', 'click', '浏览'],
        'search': ['search', 'sitesearch', 'query', 'viewsearchresults', '搜索'],
        'cart': ['cart', 'addtocart', 'basket', 'addtobasket', '加购', '加入购物车'],
        'checkout': ['checkout', 'begincheckout', 'startcheckout', '结算'],
        'wishlist': ['wishlist', 'addtowishlist', 'favourite', 'favorite', 'like',
            'bookmark', '收藏'],
        'login': ['login', 'signin', 'logon', '登录'],
        'share': ['share', 'recommend', 'invite', '分享'],
        'redemption': ['redeem', 'redemption', 'couponredemption', 'couponredeemed',
            'redeemcoupon', 'voucher', '核销'],
    }) -%}
{%- endmacro %}

{#- Windows by name, and between them bands: the first is the shortest window, each other
    one what a window has more than the one before. -#}
{% macro windows_of_indicators(into) -%}
    {%- do into.update({
        'close': [7, 14, 30, 60, 90, 180, 365, 0],
        'near': [7, 30, 90, 365, 0],
        'wide': [30, 90, 365, 0],
        'far': [90, 180, 365, 0],
        'quarterly': [90, 365, 0],
        'lately': [90, 365],
        'yearly': [365, 0],
    }) -%}
{%- endmacro %}

{% macro band_of(age_days, windows) -%}
    case
    {%- for days in windows if days %}
        when {{ age_days }} < {{ days }} then {{ loop.index }}
    {%- endfor %}
        else {{ windows | select | list | length + 1 }}
    end
{%- endmacro %}

{#- Indicators that are aggregated over rows of int_customer_actions, by kind. Each has
    name, kind, channel, measure, window_days, definition and `missing`, which stands for
    customers without a row. An aggregate covers the days between one window and the
    next shorter one: so each row is counted once, not once a window; an indicator is
    the sum of its `pieces`. They are counted by case: DuckDB cuts all columns anew for
    each filter, which is four times as slow here. Sums are of whole numbers, which are exact in doubles in
    whatever order: `factor` makes them such. -#}
{% macro aggregated_indicators(into) -%}
    {%- set parts = {} -%}
    {%- do indicator_parts(parts) -%}
    {%- set listed = {} -%}
    {%- do windows_of_indicators(listed) -%}
    {%- set whole = {'': ['true', '']} -%}
    {%- set steps = {} -%}
    {%- do steps_of_kinds(steps) -%}
    {#- kind, column, words, windows, parts, their windows -#}
    {%- for kind, column, words, windows, divided, part_windows in [
        ('order', 'order_count', 'Purchases', 'close', 'order_channels', 'wide'),
        ('order', 'order_amount', 'Amount bought, before returns', 'close',
            'order_channels', 'wide'),
        ('order', 'order_units', 'Units bought', 'close', '', ''),
        ('order', 'discount_amount', 'Discounts on purchases', 'close', '', ''),
        ('return', 'return_count', 'Returns', 'close', '', ''),
        ('return', 'returned_amount', 'Amount given back', 'wide', '', ''),
        ('cancellation', 'cancelled_count', 'Orders cancelled', 'far', '', ''),
        ('cancellation', 'cancelled_amount', 'Amount of cancelled orders', 'far', '', ''),
        ('delivery', 'delivery_count', 'Deliveries', 'far', '', ''),
        ('delivery', 'late_delivery_count', 'Deliveries later than promised', 'far',
            '', ''),
        ('event', 'event_count', 'Acts on digital touchpoints', 'close',
            'event_channels', 'wide'),
        ('event', 'event_count', 'Acts', '', 'event_names', 'near'),
        ('session', 'session_count', 'Sessions', 'close', '', ''),
        ('stay', 'stay_count', 'Stays in places', 'close', '', ''),
        ('stay', 'stay_minutes', 'Minutes in places', 'wide', '', ''),
        ('ticket', 'ticket_count', 'Service cases opened', 'close', 'ticket_channels',
            'quarterly'),
        ('ticket', 'complaint_count', 'Complaints and claims opened', 'far', '', ''),
        ('ticket', 'unanswered_ticket_count', 'Service cases opened, not answered yet',
            'far', '', ''),
        ('ticket', 'late_ticket_count',
            'Service cases opened, answered late or not yet though due', 'far',
            '', ''),
        ('ticket', 'open_ticket_count', 'Service cases opened, not resolved yet', 'far',
            '', ''),
        ('answer', 'answer_count', 'Answers to surveys', 'wide', 'answer_measures',
            'yearly'),
        ('answer', 'score_pct', 'Mean answer, in per cent of its scale,', 'yearly',
            'answer_measures', 'yearly'),
        ('post', 'post_count', 'Posts', 'wide', '', ''),
        ('post', 'about_us_post_count', 'Posts about the company', 'wide', '', ''),
        ('post', 'negative_post_count', 'Posts with a negative sentiment', 'wide',
            '', ''),
        ('post', 'referral_count', 'Posts that refer somebody', 'wide', '', ''),
        ('post', 'sentiment', 'Mean sentiment of posts, from -1 to 1,', 'wide', '', ''),
        ('contact', 'contact_count', 'Messages and calls received', 'close',
            'contact_channels', 'lately'),
        ('contact', 'opened_contact_count', 'Messages and calls received and opened',
            'close', 'contact_channels', 'lately'),
        ('contact', 'answered_contact_count',
            'Messages and calls received and answered', 'close', '', ''),
        ('promise', 'promise_count', 'Promises received', 'far', '', ''),
        ('promise', 'kept_promise_count', 'Promises received and kept', 'far', '', ''),
        ('promise', 'broken_promise_count', 'Promises received, not kept when due',
            'far', '', ''),
        ('quote', 'quote_count', 'Quotations received', 'far', '', ''),
        ('quote', 'accepted_quote_count', 'Quotations received and accepted', 'far',
            '', ''),
        ('quote', 'declined_quote_count', 'Quotations received and declined', 'far',
            '', ''),
    ] -%}
        {%- set is_mean = column in ['score_pct', 'sentiment'] -%}
        {%- set factor = {
            'order_units': 1000, 'stay_minutes': 60, 'score_pct': 10000,
            'sentiment': 10000,
        }.get(column, 100 if column.endswith('_amount') else 1) -%}
        {%- for part, (condition, part_words) in
            (whole.items() | list) + (parts.get(divided, {}).items() | list) -%}
        {%- set pieces = [] -%}
        {%- set window = part_windows if part else windows -%}
        {%- for days in listed.get(window, []) -%}
            {%- set conditions = [] -%}
            {%- if not is_mean -%}
                {%- do conditions.append(window ~ '_band = ' ~ loop.index) -%}
            {%- elif days -%}
                {%- do conditions.append('age_days < ' ~ days) -%}
            {%- endif -%}
            {%- if part -%}
                {%- do conditions.append(condition) -%}
            {%- endif -%}
            {%- if column.endswith('_count') -%}
                {%- do conditions.append(column ~ ' = 1') -%}
            {%- endif -%}
            {%- set case = 'case when ' ~ (conditions | join(' and ') or 'true')
                ~ ' then ' -%}
            {%- set name = column ~ ('_' ~ part if part else '')
                ~ ('_' ~ days ~ 'd' if days else '_ever') -%}
            {%- do pieces.append(steps[kind] ~ '_indicators.' ~ name) -%}
            {%- do into.append({
                'name': name,
                'kind': kind,
                'channel': part if divided.endswith('_channels') and part else none,
                'measure': column,
                'window_days': days or none,
                'definition': words ~ (' ' ~ part_words if part else '')
                    ~ (' in the last ' ~ days ~ ' days' if days else ' on all days'),
                'aggregate': 'count(' ~ case ~ '1 end)' if column.endswith('_count')
                    else 'avg(' ~ case ~ column ~ ' end)' if is_mean
                    else 'coalesce(sum(' ~ case ~ column ~ ' end), 0)',
                'pieces': pieces | list if not is_mean
                    else [steps[kind] ~ '_indicators.' ~ name],
                'factor': factor,
                'column': column,
                'step': steps[kind],
                'missing': 'null' if is_mean else '0',
            }) -%}
        {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {#- name, kind, condition, words -#}
    {%- set latest = [] -%}
    {%- for name, kind, condition, words in [
        ('order', 'order', 'order_count = 1', 'purchase'),
        ('return', 'return', 'return_count = 1', 'return'),
        ('cancellation', 'cancellation', 'cancelled_count = 1',
            'order that was cancelled'),
        ('late_delivery', 'delivery', 'late_delivery_count = 1',
            'delivery later than promised'),
        ('event', 'event', 'event_count = 1', 'act on a digital touchpoint'),
        ('session', 'session', 'session_count = 1', 'session'),
        ('stay', 'stay', 'stay_count = 1', 'stay in a place'),
        ('ticket', 'ticket', 'ticket_count = 1', 'service case'),
        ('complaint', 'ticket', 'complaint_count = 1', 'complaint or claim'),
        ('answer', 'answer', 'answer_count = 1', 'answer to a survey'),
        ('post', 'post', 'post_count = 1', 'post'),
        ('contact', 'contact', 'contact_count = 1', 'message or call received'),
        ('opened_contact', 'contact', 'opened_contact_count = 1',
            'message or call received and opened'),
        ('promise', 'promise', 'promise_count = 1', 'promise received'),
        ('broken_promise', 'promise', 'broken_promise_count = 1',
            'promise received, not kept when due'),
        ('quote', 'quote', 'quote_count = 1', 'quotation received'),
    ] -%}
        {%- do latest.append((name, kind, none, condition, words)) -%}
    {%- endfor -%}
    {%- for kind, divided, words in [
        ('order', 'order_channels', 'purchase'), ('event', 'event_names', 'act'),
    ] -%}
        {%- for part, (condition, part_words) in parts[divided].items() -%}
            {%- do latest.append((
                kind ~ '_' ~ part, kind,
                part if divided.endswith('_channels') else none,
                kind ~ '_count = 1 and ' ~ condition,
                words ~ ' ' ~ part_words
            )) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for name, kind, channel, condition, words in latest -%}
        {%- do into.append({
            'name': 'days_since_' ~ name,
            'kind': kind,
            'channel': channel,
            'measure': 'recency',
            'window_days': none,
            'definition': 'Days since the last ' ~ words,
            'step': steps[kind],
            'pieces': [steps[kind] ~ '_indicators.days_since_' ~ name],
            'aggregate': 'min(case when ' ~ condition ~ ' then age_days end)',
            'factor': 1,
            'missing': 'null',
        }) -%}
    {%- endfor -%}
    {%- for kind, words in {
        'order': 'purchase', 'event': 'act on a digital touchpoint',
        'stay': 'stay in a place', 'ticket': 'service case',
    }.items() -%}
        {%- do into.append({
            'name': 'days_since_first_' ~ kind,
            'kind': kind,
            'channel': none,
            'measure': 'age',
            'window_days': none,
            'definition': 'Days since the first ' ~ words,
            'step': steps[kind],
            'pieces': [steps[kind] ~ '_indicators.days_since_first_' ~ kind],
            'aggregate': 'max(case when ' ~ kind ~ '_count = 1 then age_days end)',
            'factor': 1,
            'missing': 'null',
        }) -%}
    {%- endfor -%}
    {%- for measure, (condition, words) in parts['answer_measures'].items() -%}
        {%- do into.append({
            'name': 'last_score_pct_' ~ measure,
            'kind': 'answer',
            'channel': none,
            'measure': 'last_score',
            'step': steps['answer'],
            'window_days': none,
            'definition': 'Answer ' ~ words ~ ' on the last day with one, the lowest '
                ~ 'of that day, in per cent of its scale',
            'pieces': [steps['answer'] ~ '_indicators.last_score_pct_' ~ measure],
            'aggregate': 'min_by(score_pct, ' ~ ordering(['age_days', 'score_pct'])
                ~ ') filter (where ' ~ condition ~ ')',
            'factor': 10000,
            'missing': 'null',
        }) -%}
    {%- endfor -%}
{%- endmacro %}

{#- Indicators that are counted over days with an action. -#}
{% macro daily_indicators(into) -%}
    {%- set listed = {} -%}
    {%- do windows_of_indicators(listed) -%}
    {%- for kind, words in {
        'order': 'a purchase', 'event': 'an act on a digital touchpoint',
        'stay': 'a stay in a place',
    }.items() -%}
        {%- set pieces = [] -%}
        {%- for days in listed.close -%}
            {%- set name = kind ~ '_days' ~ ('_' ~ days ~ 'd' if days else '_ever') -%}
            {%- do pieces.append('day_indicators.' ~ name) -%}
            {%- do into.append({
                'name': name,
                'kind': kind,
                'channel': none,
                'measure': 'days',
                'window_days': days or none,
                'definition': 'Days with ' ~ words
                    ~ (' among the last ' ~ days ~ ' days' if days else ''),
                'aggregate': 'count(case when close_band = ' ~ loop.index
                    ~ " and kind = '" ~ kind ~ "' then 1 end)",
                'pieces': pieces | list,
                'missing': '0',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{#- How many different things of a kind were bought or used. -#}
{% macro variety_indicators(into) -%}
    {%- for kind, words in {
        'category': 'Categories of products bought', 'store': 'Stores bought in',
    }.items() -%}
        {%- for days in [90, 365, 0] -%}
            {%- set name = kind ~ '_variety' ~ ('_' ~ days ~ 'd' if days else '_ever') -%}
            {%- do into.append({
                'name': name,
                'kind': 'order',
                'channel': none,
                'measure': 'variety',
                'window_days': days or none,
                'definition': words
                    ~ (' in the last ' ~ days ~ ' days' if days else ' on all days'),
                'aggregate': "count(*) filter (where thing_kind = '" ~ kind ~ "'"
                    ~ (' and age_days < ' ~ days if days else '') ~ ')',
                'pieces': ['variety_indicators.' ~ name],
                'missing': '0',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do into.append({
        'name': 'order_median_gap_days',
        'kind': 'order',
        'channel': none,
        'measure': 'median_gap',
        'window_days': none,
        'definition': 'Median of the days between two days with a purchase',
        'pieces': ['gap_indicators.order_median_gap_days'],
        'missing': 'null',
    }) -%}
{%- endmacro %}

{#- Indicators that are computed from other ones. -#}
{% macro derived_indicators(into) -%}
    {%- set parts = {} -%}
    {%- do indicator_parts(parts) -%}
    {%- for base, kind, words in [
        ('order_count', 'order', 'Purchases'),
        ('order_amount', 'order', 'Amount bought'),
        ('order_days', 'order', 'Days with a purchase'),
        ('order_units', 'order', 'Units bought'),
        ('discount_amount', 'order', 'Discounts'),
        ('return_count', 'return', 'Returns'),
        ('event_count', 'event', 'Acts on digital touchpoints'),
        ('session_count', 'session', 'Sessions'),
        ('stay_count', 'stay', 'Stays in places'),
        ('ticket_count', 'ticket', 'Service cases opened'),
        ('contact_count', 'contact', 'Messages and calls received'),
        ('opened_contact_count', 'contact', 'Messages and calls opened'),
    ] -%}
        {%- for days in [7, 30, 90] -%}
            {%- set both = base ~ '_' ~ 2 * days ~ 'd' -%}
            {%- do into.append({
                'name': base ~ '_trend_' ~ days ~ 'd',
                'kind': kind,
                'channel': none,
                'measure': 'trend',
                'window_days': days,
                'definition': words ~ ' in the last ' ~ days ~ ' days less those in '
                    ~ 'the ' ~ days ~ ' before, as a share of both: from -1 to 1',
                'expression': '(2 * ' ~ base ~ '_' ~ days ~ 'd - ' ~ both
                    ~ ') / nullif(' ~ both ~ ', 0)',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for name, kind, part, whole, windows, words in [
        ('average_order_amount', 'order', 'order_amount', 'order_count',
            [30, 90, 180, 365, 0], 'Amount of a purchase on average'),
        ('average_order_units', 'order', 'order_units', 'order_count',
            [90, 365, 0], 'Units of a purchase on average'),
        ('orders_per_day', 'order', 'order_count', 'order_days', [365, 0],
            'Purchases per day with one'),
        ('discount_share', 'order', 'discount_amount', 'order_amount',
            [30, 90, 180, 365, 0], 'Discounts per amount bought'),
        ('returned_share', 'return', 'returned_amount', 'order_amount',
            [90, 365, 0], 'Amount given back per amount bought'),
        ('returns_per_order', 'return', 'return_count', 'order_count',
            [90, 180, 365, 0], 'Returns per purchase'),
        ('cancelled_per_order', 'cancellation', 'cancelled_count', 'order_count',
            [180, 365, 0], 'Cancelled orders per purchase'),
        ('late_delivery_share', 'delivery', 'late_delivery_count', 'delivery_count',
            [90, 180, 365, 0], 'Share of deliveries later than promised'),
        ('events_per_session', 'event', 'event_count', 'session_count',
            [30, 90, 365, 0], 'Acts per session'),
        ('sessions_per_day', 'session', 'session_count', 'event_days',
            [90, 365, 0], 'Sessions per day with an act'),
        ('orders_per_session', 'order', 'order_count', 'session_count',
            [30, 90, 365, 0], 'Purchases per session'),
        ('searches_per_view', 'event', 'event_count_search', 'event_count_view',
            [90, 365, 0], 'Searches per view'),
        ('carts_per_view', 'event', 'event_count_cart', 'event_count_view',
            [30, 90, 365, 0], 'Articles put into the cart per view'),
        ('wishes_per_view', 'event', 'event_count_wishlist', 'event_count_view',
            [90, 365, 0], 'Articles put on the wish list per view'),
        ('orders_per_cart', 'order', 'order_count', 'event_count_cart',
            [90, 365, 0], 'Purchases per article put into the cart'),
        ('orders_per_stay', 'order', 'order_count_store', 'stay_count',
            [90, 365, 0], 'Purchases in stores per stay in a place'),
        ('minutes_per_stay', 'stay', 'stay_minutes', 'stay_count', [90, 365, 0],
            'Minutes per stay in a place'),
        ('tickets_per_order', 'ticket', 'ticket_count', 'order_count', [90, 365, 0],
            'Service cases per purchase'),
        ('complaints_per_order', 'ticket', 'complaint_count', 'order_count',
            [90, 365, 0], 'Complaints and claims per purchase'),
        ('complaint_share', 'ticket', 'complaint_count', 'ticket_count',
            [90, 365, 0], 'Share of service cases that are complaints or claims'),
        ('unanswered_ticket_share', 'ticket', 'unanswered_ticket_count',
            'ticket_count', [90, 365, 0], 'Share of service cases not answered yet'),
        ('late_ticket_share', 'ticket', 'late_ticket_count', 'ticket_count',
            [90, 365, 0], 'Share of service cases answered late or not though due'),
        ('negative_post_share', 'post', 'negative_post_count', 'post_count',
            [90, 365, 0], 'Share of posts with a negative sentiment'),
        ('opened_contact_share', 'contact', 'opened_contact_count', 'contact_count',
            [30, 90, 180, 365, 0], 'Share of messages and calls opened'),
        ('answered_contact_share', 'contact', 'answered_contact_count',
            'contact_count', [30, 90, 180, 365, 0],
            'Share of messages and calls answered'),
        ('orders_per_contact', 'order', 'order_count', 'contact_count',
            [90, 365, 0], 'Purchases per message or call received'),
        ('kept_promise_share', 'promise', 'kept_promise_count', 'promise_count',
            [90, 365, 0], 'Share of promises kept'),
        ('broken_promise_share', 'promise', 'broken_promise_count', 'promise_count',
            [90, 365, 0], 'Share of promises not kept when due'),
        ('accepted_quote_share', 'quote', 'accepted_quote_count', 'quote_count',
            [365, 0], 'Share of quotations accepted'),
    ] -%}
        {%- for days in windows -%}
            {%- set window = '_' ~ days ~ 'd' if days else '_ever' -%}
            {%- do into.append({
                'name': name ~ window,
                'kind': kind,
                'channel': none,
                'measure': 'ratio',
                'window_days': days or none,
                'definition': words
                    ~ (' in the last ' ~ days ~ ' days' if days else ' on all days'),
                'expression': part ~ window ~ ' / nullif(' ~ whole ~ window ~ ', 0)',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for base, kind, divided, windows, words in [
        ('order_amount', 'order', 'order_channels', [365, 0], 'the amount bought'),
        ('event_count', 'event', 'event_channels', [365, 0],
            'acts on digital touchpoints'),
        ('contact_count', 'contact', 'contact_channels', [365],
            'messages and calls received'),
    ] -%}
        {%- for channel, (condition, part_words) in parts[divided].items() -%}
        {%- for days in windows -%}
            {%- set window = '_' ~ days ~ 'd' if days else '_ever' -%}
            {%- do into.append({
                'name': base ~ '_share_' ~ channel ~ window,
                'kind': kind,
                'channel': channel,
                'measure': 'share',
                'window_days': days or none,
                'definition': 'Share of ' ~ words ~ ' ' ~ part_words
                    ~ (' in the last ' ~ days ~ ' days' if days else ' on all days'),
                'expression': base ~ '_' ~ channel ~ window
                    ~ ' / nullif(' ~ base ~ window ~ ', 0)',
            }) -%}
        {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for kind, words in {
        'order': 'purchase', 'event': 'act on a digital touchpoint',
        'stay': 'stay in a place',
    }.items() -%}
        {%- set mean_gap = '((days_since_first_' ~ kind ~ ' - days_since_' ~ kind
            ~ ') / nullif(' ~ kind ~ '_days_ever - 1, 0))' -%}
        {%- do into.append({
            'name': kind ~ '_mean_gap_days',
            'kind': kind,
            'channel': none,
            'measure': 'mean_gap',
            'window_days': none,
            'definition': 'Mean of the days between two days with one ' ~ words
                ~ ' or more',
            'expression': mean_gap,
        }) -%}
        {%- do into.append({
            'name': kind ~ '_gaps_passed',
            'kind': kind,
            'channel': none,
            'measure': 'rhythm',
            'window_days': none,
            'definition': 'Days since the last ' ~ words
                ~ ', in mean gaps between two days with one',
            'expression': 'days_since_' ~ kind ~ ' / nullif(' ~ mean_gap ~ ', 0)',
        }) -%}
    {%- endfor -%}
    {%- for name, kind, each, words in [
        ('channel_variety', 'order', [
            'order_store', 'order_web', 'order_app', 'order_call', 'order_person',
            'order_forum', 'order_marketplace',
        ], 'Channels bought through'),
        ('act_variety', 'event', [
            'event_view', 'event_search', 'event_cart', 'event_checkout',
            'event_wishlist', 'event_login', 'event_share', 'event_redemption',
        ], 'Kinds of acts on digital touchpoints'),
        ('action_variety', 'customer', [
            'order', 'event', 'stay', 'ticket', 'answer', 'post', 'contact', 'quote',
        ], 'Ways of contact among purchase, digital act, stay, service case, answer, '
            ~ 'post, message or call, and quotation,'),
    ] -%}
        {%- for days in [30, 90, 365] -%}
            {%- set cases = [] -%}
            {%- for one in each -%}
                {%- do cases.append(
                    'case when days_since_' ~ one ~ ' < ' ~ days ~ ' then 1e0 else 0 end'
                ) -%}
            {%- endfor -%}
            {%- do into.append({
                'name': name ~ '_' ~ days ~ 'd',
                'kind': kind,
                'channel': none,
                'measure': 'variety',
                'window_days': days,
                'definition': words ~ ' in the last ' ~ days ~ ' days',
                'expression': cases | join(' + '),
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for base, kind, words in [
        ('order_count', 'order', 'Purchases'),
        ('order_amount', 'order', 'Amount bought'),
        ('event_count', 'event', 'Acts on digital touchpoints'),
        ('ticket_count', 'ticket', 'Service cases'),
    ] -%}
        {%- do into.append({
            'name': base ~ '_per_year',
            'kind': kind,
            'channel': none,
            'measure': 'rate',
            'window_days': none,
            'definition': words ~ ' per year since they are known',
            'expression': '365 * ' ~ base ~ '_ever / (tenure_days + 1)',
        }) -%}
    {%- endfor -%}
{%- endmacro %}

{#- Traits of the feed attributes, the most frequent ones, of which a name can be made:
    the number where it is one, else whether it is filled. Only data tell them, so that
    dbt asks when it runs the model. -#}
{% macro trait_indicators(into) -%}
    {%- set found = run_query(
        "select attribute, count(value_number) as numbers, count(*) as known from "
        ~ ref('feed_attributes') ~ " where observed_at is not null group by attribute "
        ~ "order by known desc nulls last, attribute nulls last limit 40"
    ) -%}
    {%- set named = [] -%}
    {%- for trait in found.rows -%}
        {%- set letters = [] -%}
        {%- for letter in trait[0] | lower -%}
            {%- do letters.append(
                letter if letter in 'abcdefghijklmnopqrstuvwxyz0123456789' else ' '
            ) -%}
        {%- endfor -%}
        {%- set slug = (letters | join).split() | join('_') -%}
        {%- if not slug or slug in named or slug | length > 50 -%}
            {%- set slug = (slug[:40] ~ '_' ~ local_md5(trait[0])[:8]).strip('_') -%}
        {%- endif -%}
        {%- do named.append(slug) -%}
        {%- do into.append({
            'name': 'trait_' ~ slug,
            'kind': 'trait',
            'channel': none,
            'measure': 'number' if trait[1] else 'filled',
            'window_days': none,
            'definition': 'Trait ' ~ trait[0] ~ ', as last observed'
                if trait[1] else 'Whether the trait ' ~ trait[0] ~ ' is filled, 1 or 0',
            'trait': trait[0],
            'pieces': ['trait_indicators.trait_' ~ slug],
            'missing': 'null' if trait[1] else '0',
        }) -%}
    {%- endfor -%}
{%- endmacro %}

{#- A double, or NULL where it is infinite or no number: both count as more than any. -#}
{% macro finite(value) -%}
    case when abs({{ value }}) <= 1.7976931348623157e308 then {{ value }} end
{%- endmacro %}

{#- The company's own ones (indicators in company.yml): lines over the whole of
    int_customer_actions. -#}
{% macro own_indicators(into, taken) -%}
    {%- for name, line in var('indicators').items() -%}
        {%- if name in taken -%}
            {{ exceptions.raise_compiler_error(
                "company.yml: indicators." ~ name ~ ": Kith has an indicator of that "
                ~ "name; choose another, such as own_" ~ name
            ) }}
        {%- endif -%}
        {%- do into.append({
            'name': name,
            'kind': 'own',
            'channel': none,
            'measure': 'own',
            'window_days': none,
            'definition': line,
            'aggregate': finite('cast(' ~ line ~ ' as double)'),
            'pieces': ['case when own_indicators.customer_id is null then own_nothing.'
                ~ name ~ ' else own_indicators.' ~ name ~ ' end'],
            'missing': 'null',
        }) -%}
    {%- endfor -%}
{%- endmacro %}

{#- All of them, in the order of their columns. -#}
{% macro all_indicators(into) -%}
    {%- do into.append({
        'name': 'tenure_days',
        'kind': 'customer',
        'channel': none,
        'measure': 'tenure',
        'window_days': none,
        'definition': 'Days since they registered, or since their first trace',
    }) -%}
    {%- do aggregated_indicators(into) -%}
    {%- do daily_indicators(into) -%}
    {%- do variety_indicators(into) -%}
    {%- do trait_indicators(into) -%}
    {%- do derived_indicators(into) -%}
    {%- do own_indicators(into, into | map(attribute='name') | list) -%}
{%- endmacro %}
