"""The corner shop with a row in every feed: what it lacks, staging models invent.

Where a check of the gate sets a limit, the invented rows lie on it.
"""

from pathlib import Path

from tests.companies.generate import generate

_PERSON = (
    "select 'shop' as source, 'card_number' as identifier_type, "
    "'C1' as identifier_value, timestamp '2024-12-31' as loaded_at, "
)
_THING = "select 'shop' as source, timestamp '2024-12-31' as loaded_at, "
_STAGING = {
    "identifier_links": _THING + "'k1' as link_id, 'card_number' as left_type, "
    "'C1' as left_value, 'mail' as right_type, 'x' as right_value, "
    "timestamp '2024-12-20' as seen_at, 'profile' as reason",
    "attributes": _PERSON + "'t1' as attribute_id, 'taste' as attribute, "
    "timestamp '2024-12-01' as observed_at",
    "consents": _PERSON + "'y1' as consent_id, 'ads' as purpose, true as is_granted, "
    "timestamp '2024-12-01' as changed_at",
    "dependants": _PERSON + "'d1' as dependant_id, date '2020-01-01' as birth_date",
    "assignments": _PERSON + "'g' || i as assignment_id, 'w1' as employee_id, "
    "timestamp '2024-01-01' as valid_from, "
    "case i when 0 then timestamp '2024-01-01' end as valid_to "
    "from range(2) as assignments (i)",
    "places": _THING + "'s1' as place_id, 90 as latitude, -180 as longitude",
    "quotes": _PERSON + "'q1' as quote_id, timestamp '2024-12-01' as quoted_at, "
    "0 as price_amount, timestamp '2024-12-01' as decided_at, "
    "'expired' as outcome",
    "events": _PERSON + "'v1' as event_id, timestamp '2024-12-01' as occurred_at, "
    "'search' as event_name, 'raft' as query",
    "posts": _PERSON + "'x' || i as post_id, 1 as sentiment, true as is_about_us, "
    "timestamp '2024-12-01' - if(i = 0, interval 28 day, interval 0 day) as posted_at "
    "from range(6) as posts (i)",
    "presences": _PERSON + "'r1' as presence_id, 's1' as place_id, 'enter' as state, "
    "timestamp '2024-12-01' as occurred_at",
    "tickets": _PERSON + "'i1' as ticket_id, 'complaint' as kind, "
    "timestamp '2024-12-01' as opened_at, timestamp '2024-12-01' as first_response_at, "
    "timestamp '2024-12-01' as resolved_at",
    "survey_answers": _PERSON + "'n' || i as answer_id, "
    "'q' || cast(floor(i / 2) as bigint) as response_id, "
    "case when i < 40 then 'nps' when i >= 60 then 'csat' when i % 2 = 0 "
    "then 'expectation' else 'perception' end as measure, "
    "case when i = 61 then 'price' when i < 50 or i >= 60 then null "
    "when i % 4 < 2 then 'time_cost' else 'service_value' end as dimension, "
    "timestamp '2024-12-01' as answered_at, "
    "if(i < 60, 10 * (i % 2), 1 + i % 5) as score, if(i < 60, 0, 1) as scale_min, "
    "if(i < 60, 10, 5) as scale_max from range(100) as answers (i)",
    "campaigns": _THING + "'c1' as campaign_id, timestamp '2024-12-01' as starts_at, "
    "timestamp '2024-12-01' as ends_at, 0 as cost_amount",
    "leads": _PERSON.replace("'C1'", "case i when 1 then 'C1' else 'nobody yet' end")
    + "'z' || i as lead_id, timestamp '2024-12-01' as created_at "
    "from range(2) as leads (i)",
    "lead_stages": _THING + "'z1s' as lead_stage_id, 'z1' as lead_id, 'won' as stage, "
    "timestamp '2024-12-01' as entered_at",
    "promises": _PERSON.replace("'C1'", "'x'").replace("'card_number'", "'mail'")
    + "'u1' as promise_id, timestamp '2024-12-01' as promised_at, "
    "timestamp '2024-12-01' as due_at, timestamp '2024-12-01' as kept_at",
    "competitor_offers": _THING + "'f1' as offer_id, 'them' as competitor, "
    "0 as price_amount, timestamp '2024-12-01' as seen_at",
    "goals": _THING + "'h1' as goal_id, 'revenue' as measure, "
    "date '2024-12-31' as period_start, date '2024-12-31' as period_end, "
    "1000 as target_value",
}
_STAGES = "life_stages: [{name: child, from_months: 0, category: bread}]\nfeeds:\n"


def generate_whole_shop(folder: Path) -> Path:
    """Write the company, of 2,000 interactions, a row to be refused and a warning."""
    generate(folder, 2000, {"products": "csv"})
    with (folder / "data" / "products.csv").open("a") as products:
        products.write("P1000,Product 1000,bread,-1\n")
    text = (folder / "data" / "products.csv").read_text()
    (folder / "data" / "products.csv").write_text(text.replace("\n", ",shelf\n"))
    declared = (folder / "company.yml").read_text().replace("feeds:\n", _STAGES)
    for feed, query in _STAGING.items():
        (folder / "staging" / f"stg_shop__{feed}.sql").write_text(query + "\n")
        provided, model = f"  {feed}: [", f"stg_shop__{feed}"
        if provided in declared:
            declared = declared.replace(provided, f"{provided}{model}, ")
        else:
            declared += f"{provided}{model}]\n"
    (folder / "company.yml").write_text(declared)
    return folder
