"""Where to mend a feed, which nobody edits: the company's staging models give it."""

from kith.company.folder import Company


def providers_of(company: Company, feed: str) -> str:
    """The files that provide a feed, and their folder; empty where nobody does."""
    files = ", ".join(f"{name}.sql" for name in company.feeds.get(feed, []))
    return f"{files} in {company.folder / 'staging'}" if files else ""
