"""Prospects: nobody who is a customer, each of one of three kinds."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No prospect is a customer, or was deleted",
        CRITICAL,
        """
        select prospects.prospect_id, identifiers.standing
        from {batch} as prospects
        inner join customer.customer_identifiers as identifiers
            on prospects.person_id = identifiers.person_id
        where identifiers.standing in ('customer', 'deleted')
        """,
    ),
    no_rows(
        "Whoever lacks a criterion refuses, and nobody else was lost",
        CRITICAL,
        """
        select prospect_id, prospect_kind, unmet_criteria, declined_reason
        from {batch}
        where prospect_kind not in ('near', 'refusing', 'unexplored')
            or (
                prospect_kind <> 'refusing'
                and (unmet_criteria is not null or declined_reason is not null)
            )
        """,
    ),
    no_rows(
        "Nobody has bought in a market that counts as unexplored",
        CRITICAL,
        """
        select prospects.prospect_id, count(*) as customers_who_bought
        from {batch} as prospects
        inner join customer.customers as customers
            on prospects.region = customers.region
        inner join customer.order_lines as lines
            on customers.customer_id = lines.customer_id
        left join customer.products as products
            on lines.product_key = products.product_key
        where lines.is_purchase
            and prospects.category in ('unknown', products.category)
        group by prospects.prospect_id
        """,
    ),
]
