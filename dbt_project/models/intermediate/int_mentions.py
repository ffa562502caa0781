"""Hands posts, and the names that they may name, to kith.models.mentions."""


def model(dbt, session):
    """One row per post and of whom it speaks."""
    from pyarrow import Table

    from kith.models.mentions import MENTIONED_FROM, find_mentions

    names = (
        dbt.ref("feed_competitor_offers")
        .select("'competitor' as subject_kind, competitor as name")
        .union(dbt.ref("products").select("'brand' as subject_kind, brand as name"))
        .filter("name is not null")
        .distinct()
        .order("subject_kind desc, name")
        .to_arrow_table()
    )
    batches = dbt.ref("feed_posts").select(*MENTIONED_FROM).to_arrow_reader(50_000)
    return find_mentions((Table.from_batches([batch]) for batch in batches), names)
