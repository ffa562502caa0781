"""Entries on of whom posts speak, and how."""

from functools import partial

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, fill, sentences


def _subject(row: Row) -> str:
    return fill("Us" if row["subject_kind"] == "us" else "{subject}", row)


def _interval(row: Row, low: str, high: str) -> str:
    if row[low] is None:
        return MISSING
    return fill("{low:.0f} to {high:.0f}%", {"low": row[low], "high": row[high]})


def _share(row: Row) -> str:
    return fill("{share_pct:percent}", row)


def _voice_note(rows: list[Row]) -> str:
    return sentences(
        rows[0],
        "Posts that speak of us or of a competitor, and the share of each.",
        "No share: {share_missing_reason:term}."
        if rows[0]["share_missing_reason"]
        else "",
    )


_VOICE = Entry(
    "share-of-voice",
    "Of whom posts speak",
    """
select
    subject_kind, subject, mention_count, writer_count, share_pct, share_low_pct,
    share_high_pct, share_missing_reason, negative_pct, referral_count
from satisfaction.share_of_voice
where period_grain = 'all' and breakdown = 'total' and subject_kind <> 'brand'
order by subject_kind <> 'us', mention_count desc, subject
""",
    columns={
        "Of whom": _subject,
        "Posts": "{mention_count:,}",
        "By people": "{writer_count:,}",
        "Share of voice": _share,
        "Interval of 95%": partial(
            _interval, low="share_low_pct", high="share_high_pct"
        ),
        "Negative": "{negative_pct:percent}",
        "Referrals": "{referral_count:,}",
    },
    note=_voice_note,
    absent="No post speaks of us or of a competitor.",
    marks=marks.bars,
    series={"mention_count": ("Posts", marks.ACCENT)},
    text=lambda row: fill(
        "{mention_count:,} · {share_pct:percent}"
        if row["share_pct"] is not None
        else "{mention_count:,}",
        row,
    ),
    drawn=10,
)


def _mood_note(rows: list[Row]) -> str:
    return fill(
        "Too few posts about us tell their mood. {method:term}."
        if rows[0]["overall_score"] is None
        else "Of the posts about us whose mood is known, so many are negative. Dashed "
        "line: {overall_score:.1f}% of all. Lines: 95% intervals. Mood: {method:term}.",
        rows[0],
    )


_MOOD = Entry(
    "mood-by-platform",
    "Negative posts about us",
    """
with ours as (
    select * from satisfaction.share_of_voice
    where period_grain = 'all' and subject_kind = 'us'
),
total as (
    select negative_pct as overall_score, method as all_methods
    from ours where breakdown = 'total'
)
select
    breakdown_value, mention_count, unknown_count, n, negative_pct, negative_low_pct,
    negative_high_pct, all_methods as method, overall_score,
    negative_pct as score, negative_low_pct as interval_low,
    negative_high_pct as interval_high
from ours cross join total
where breakdown = 'platform'
order by mention_count desc, breakdown_value
""",
    columns={
        "Platform": "{breakdown_value:name}",
        "Posts": "{mention_count:,}",
        "Negative": "{negative_pct:percent}",
        "Interval of 95%": partial(_interval, low="interval_low", high="interval_high"),
        "Mood unknown": "{unknown_count:,}",
    },
    note=_mood_note,
    marks=marks.points_by_label,
    series={"score": ("Negative", marks.ACCENT)},
    text=lambda row: fill(
        "{score:percent} · {n:,}" if row["score"] is not None else "too few: {n:,}",
        row,
    ),
    drawn=10,
)
SECTION = Section(
    charts=[[_VOICE, _MOOD]],
    definitions={
        "Share of voice": "Posts that speak of one of us and the competitors, divided "
        "by those that speak of any of them; a post may speak of several. Of us, where "
        "its source says so; of a competitor, where its name stands in the text.",
    },
)
