"""Web and app, the community, and what the company writes to its customers."""

import numpy as np
import pyarrow as pa

from .catalogue import CRISIS_PRODUCT, RIVALS, product_number
from .draws import repeated
from .people import People
from .plan import (
    CAMPAIGN_DAYS,
    CAMPAIGNS,
    CATEGORIES,
    CRISIS,
    OPENED_ELSE,
    OPENED_IN_BEST_HOURS,
    POSTS_OF_RIVALS,
    PRODUCTS_PER_CATEGORY,
    UNMET_NEEDS,
)
from .registry import employee_name
from .rows import DAY, Rows, row_ids
from .service import crisis_start, in_crisis
from .texts import either, joined, local_times, padded, picked, where
from .trade import Targets, product_wanted

HOUR = 3600
_NAMES = ["view", "search", "add_to_cart", "wishlist"]
_PLATFORMS = ["wiesenkind club", "instagram", "facebook"]
_TOPICS = ["tips", "product", "service", "price"]


def events(people: People) -> tuple[Rows, dict[str, int]]:
    """Rows of `web.events` and the number of searches for what is not sold.

    A visit in seven comes from a device that is never seen again.
    """
    draws, plan = people.draws, people.plan
    mean = np.where(people.digital, 0.5, 0.08) * people.span / 30
    visitor, visit = repeated(draws.poisson(mean, "sessions", people.i))
    chance = draws.uniform("session day", people.i[visitor], visit)
    day = (people.start[visitor] + people.span[visitor] * chance).astype(np.int64)
    begin = 7 * HOUR + draws.below(14 * HOUR, "session", people.i[visitor], visit)
    count = 2 + draws.poisson(
        np.full(len(visit), 2.0), "acts", people.i[visitor], visit
    )
    session, act = repeated(count)
    owner, visit = visitor[session], visit[session]
    day, begin = day[session], begin[session]
    i = people.i[owner]
    keys = (i, visit, act)
    seconds = day * DAY + begin + 95 * act + draws.below(60, "pause", *keys)
    need = people.unmet_need[owner]
    in_vain = (act == 0) & (need >= 0) & (visit % 3 == 0)
    first = np.where(draws.uniform("first act", i, visit) < 0.4, 1, 0)
    later = draws.choice([60, 12, 18, 10], "act", *keys)
    what = np.where(in_vain, 1, np.where(act == 0, first, later))
    is_search = what == 1
    product = product_wanted(people, owner, day, "browse", visit, act)
    wish = picked(CATEGORIES, product // PRODUCTS_PER_CATEGORY)
    unmet = picked(UNMET_NEEDS, np.maximum(need, 0))
    has_app = people.drivers["app_user"][owner]
    on_app = has_app & (draws.uniform("on the app", i, visit) < 0.6)
    stranger = draws.uniform("stranger", i, visit) < 0.15
    signed_in = ~stranger & (draws.uniform("signed in", i, visit) < 0.65)
    number = np.where(stranger, 1000 + visit, np.where(on_app, 0, 1))
    starts = np.array([start for *_, start in CAMPAIGNS])
    running = np.maximum(np.searchsorted(starts, day, side="right") - 1, 0)
    led = (day >= starts[running]) & (day < starts[running] + CAMPAIGN_DAYS)
    led &= (act == 0) & (draws.uniform("led", i, visit) < 0.3)
    led &= starts[running] + CAMPAIGN_DAYS < plan.days
    shown = where(~is_search, product_number(product))
    rows = Rows(
        {
            "event_id": joined("X", padded(i, 7), "-", visit, "-", act),
            "occurred_at": local_times(plan.first_day, seconds),
            "event": picked(_NAMES, what),
            "touchpoint": picked(["web", "app"], on_app.astype(np.int64)),
            "email": where(signed_in, people.shown_email(owner, visit)),
            "device": people.identifiers.device(i, number),
            "product_number": shown,
            "query": where(is_search, either(in_vain, unmet, wish)),
            "campaign": where(led, picked([c[0] for c in CAMPAIGNS], running)),
            "url": either(
                is_search,
                "https://shop.example.com/search",
                joined("https://shop.example.com/p/", product_number(product)),
            ),
        },
        row_ids(draws, "events", *keys),
        seconds,
        person=np.where(stranger, -1, i),
    )
    counts = {
        "searches_in_vain": int(in_vain.sum()),
        "devices_of_strangers": int((stranger & (act == 0)).sum()),
    }
    return rows, counts


def posts(people: People) -> tuple[Rows, dict[str, int]]:
    """Rows of `community.posts`, how many the crisis caused, how many name whom."""
    draws, plan = people.draws, people.plan
    mean = np.where(people.drivers["community_member"], 0.5 * people.span / 30, 0.0)
    owner, number = repeated(draws.poisson(mean, "posts", people.i))
    chance = draws.uniform("post day", people.i[owner], number)
    day = (people.start[owner] + people.span[owner] * chance).astype(np.int64)
    angry = np.flatnonzero(in_crisis(people))
    angry = angry[draws.uniform("posts in crisis", people.i[angry]) < 0.8]
    wait = draws.uniform("post wait", people.i[angry]) ** 2 * float(CRISIS["hours"])
    owner = np.concatenate([owner, angry])
    number = np.concatenate([number, np.full(len(angry), 7000)])
    is_crisis = number == 7000
    keys = (people.i[owner], number)
    usual = np.concatenate([day, np.zeros(len(angry), dtype=np.int64)]) * DAY
    usual += 8 * HOUR + draws.below(14 * HOUR, "post time", *keys)
    start = crisis_start(plan) or 0
    in_storm = np.concatenate([np.zeros(len(day)), wait * HOUR]).astype(np.int64)
    seconds = np.where(is_crisis, start + in_storm, usual)
    topic = draws.below(len(_TOPICS), "topic", *keys)
    mood = np.clip(0.2 + 0.4 * people.satisfaction[owner], -0.9, 0.9)
    mood = np.where(is_crisis, -0.9, mood + 0.1 * draws.normal("mood", *keys))
    mood = np.clip(np.rint(mood * 100) / 100, -1, 1)
    about = is_crisis | (draws.uniform("about us", *keys) < 0.7)
    refers = ~is_crisis & (draws.uniform("refers", *keys) < 0.06)
    friend = draws.below(plan.customers, "friend", *keys)
    said = picked(
        ["Tipps für die Nacht", "gute Qualität", "nette Beratung", "Preis gestiegen"],
        topic,
    )
    names_rival = ~about & (draws.uniform("names a rival", *keys) < POSTS_OF_RIVALS)
    rival = draws.choice([5, 3, 2], "rival", *keys)
    said = either(names_rival, joined(said, " bei ", picked(RIVALS, rival)), said)
    storm = joined(product_number(np.full(len(owner), CRISIS_PRODUCT)), " mit Nüssen!")
    platform = draws.choice([6, 3, 2], "platform", *keys)
    platform = np.where(is_crisis, _PLATFORMS.index(str(CRISIS["platform"])), platform)
    rows = Rows(
        {
            "post": joined("U", padded(keys[0], 7), "-", padded(number, 4)),
            "posted_at": local_times(plan.first_day, seconds),
            "platform": picked(_PLATFORMS, platform),
            "author": joined(
                picked(["@", ""], draws.below(2, "at sign", *keys)),
                people.identifiers.handle(people.i[owner]),
            ),
            "text": either(is_crisis, storm, said),
            "topic": either(is_crisis, str(CRISIS["reason"]), picked(_TOPICS, topic)),
            "sentiment": pa.array(mood),
            "about_us": pa.array(about),
            "referred": where(refers, people.identifiers.email(friend)),
        },
        row_ids(draws, "posts", *keys),
        seconds,
        person=keys[0],
    )
    counts = {
        "posts": len(rows),
        "crisis_posts": int(is_crisis.sum()),
        "posts_that_refer": int(refers.sum()),
        "posts_about_us": int(about.sum()),
        "posts_about_rivals": int(names_rival.sum()),
    }
    return rows, counts


def contacts(people: People, targets: Targets) -> tuple[Rows, dict[str, int]]:
    """Rows of `mailing.contacts`: campaigns to all but the hold-out, calls, news."""
    draws, plan = people.draws, people.plan
    treated = ~targets.held_out
    names, channels, starts = zip(*CAMPAIGNS, strict=True)
    cared = people.employee > 0
    mean = np.where(cared, 0.3 * people.span / 30, 0.0)
    caller, call = repeated(draws.poisson(mean, "care calls", people.i))
    chance = draws.uniform("call day", people.i[caller], call)
    call_day = (people.start[caller] + people.span[caller] * chance).astype(np.int64)
    read = np.where(people.has_email & (people.span > 0), float(plan.contacts), 0.0)
    reader, news = repeated(draws.poisson(read, "news", people.i))
    chance = draws.uniform("news day", people.i[reader], news)
    news_day = (people.start[reader] + people.span[reader] * chance).astype(np.int64)
    owner = np.concatenate([targets.owner[treated], caller, reader])
    campaign = targets.campaign[treated]
    number = np.concatenate([campaign, 1000 + call, 5000 + news])
    is_call = (number >= 1000) & (number < 5000)
    is_news = number >= 5000
    keys = (people.i[owner], number)
    day = np.concatenate([np.array(starts)[campaign], call_day, news_day])
    hour = 8 + draws.below(13, "sent hour", *keys)
    seconds = day * DAY + hour * HOUR + draws.below(50 * 60, "sent minute", *keys)
    best = np.abs(hour - people.best_hour[owner]) <= 1
    rate = np.where(best, OPENED_IN_BEST_HOURS, OPENED_ELSE)
    opened = draws.uniform("opened", *keys) < rate
    wait = 60 + draws.below(HOUR // 2, "opened after", *keys)
    responded = opened & (draws.uniform("responded", *keys) < 0.25)
    which = np.concatenate([campaign, np.zeros(len(call) + len(news), dtype=np.int64)])
    phone = is_call & people.has_phone[owner]
    channel = either(is_news, "email", picked(list(channels), which))
    channel = either(is_call, "phone", channel)
    outcome = np.where(
        is_call, np.where(opened, 3, 4), np.where(responded, 2, opened.astype(int))
    )
    employee = np.maximum(people.employee[owner], 1)
    followed = people.employee_left[owner] <= day
    rows = Rows(
        {
            "contact": joined("M", padded(keys[0], 7), "-", padded(number, 4)),
            "email": where(~phone, people.shown_email(owner, number)),
            "phone": where(phone, people.shown_phone(owner, number)),
            "sent_at": local_times(plan.first_day, seconds),
            "channel": channel,
            "campaign": where(~is_call & ~is_news, picked(list(names), which)),
            "employee": where(is_call, employee_name(employee + followed)),
            "purpose": either(is_call, "care", either(is_news, "news", "offer")),
            "opened_at": where(opened, local_times(plan.first_day, seconds + wait)),
            "responded_at": where(
                responded, local_times(plan.first_day, seconds + wait + 300)
            ),
            "outcome": picked(
                ["sent", "opened", "responded", "reached", "not reached"], outcome
            ),
        },
        row_ids(draws, "contacts", *keys),
        seconds,
    )
    counts = {
        "contacts": len(rows),
        "opened_in_best_hours": int((best & opened).sum()),
        "sent_in_best_hours": int(best.sum()),
    }
    return rows, counts
