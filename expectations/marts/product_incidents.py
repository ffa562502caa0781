"""Incidents of the cases themselves, and rates within their intervals."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Incidents are the cases of the year that name a product",
        CRITICAL,
        """
        select incidents, found
        from (select sum(incident_count) as incidents from {batch})
        cross join (
            select count(*) as found from satisfaction.complaints
            where product_key is not null and kind in ('complaint', 'claim', 'repair')
                and opened_date > as_of_date - interval '365' day
        )
        where coalesce(incidents, 0) <> found
        """,
    ),
    no_rows(
        "A rate lies in its interval, or says why there is none",
        CRITICAL,
        """
        select product_key, n, incidents_per_1000, interval_low, interval_high
        from {batch}
        where incidents_per_1000 not between interval_low and interval_high
            or (incidents_per_1000 is null) = (missing_reason is null)
            or complaint_count > incident_count
        """,
    ),
    no_rows(
        "No product of which three incidents are known has ten times the usual rate",
        WARNING,
        """
        select product_key, incident_count, n, incidents_per_1000, usual_per_1000
        from {batch}
        where incident_count >= 3 and interval_low > 10 * usual_per_1000
        """,
    ),
]
