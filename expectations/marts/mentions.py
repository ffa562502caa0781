"""Every post is there, and what is said of its mood has a method."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Every post is here, with those of whom it speaks or with nobody",
        CRITICAL,
        """
        select posts, posts_here
        from (
            select count(distinct source || ' ' || post_id) as posts_here
            from {batch}
        ) as here
        cross join (select count(*) as posts from feeds.posts) as fed
        where posts <> posts_here
        """,
    ),
    no_rows(
        "A mood is that of the source or has a method; where nobody can tell it is "
        "unknown",
        CRITICAL,
        """
        select source, post_id, sentiment, method
        from {batch}
        where sentiment not in ('positive', 'neutral', 'negative', 'unknown')
            or (sentiment_delivered is null) = (method = 'delivered')
            or (method like 'none%') <> (sentiment = 'unknown')
            or (sentiment_delivered > 0 and sentiment <> 'positive')
            or (sentiment_delivered < 0 and sentiment <> 'negative')
        """,
    ),
    no_rows(
        "Of thirty posts, the mood of at least half can be told",
        WARNING,
        """
        select told, posts
        from (
            select
                count(case when sentiment <> 'unknown' then 1 end) as told,
                count(*) as posts
            from {batch}
        ) as counted
        where posts >= 30 and 2 * told < posts
        """,
    ),
]
