"""How each source table is delivered, and what is wrong with some of its rows."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

# A line that breaks off in the middle, and one with a byte that its encoding lacks.
BROKEN, MISCODED = "broken line", "miscoded line"


@dataclass(frozen=True)
class Fault:
    """One way in which rows are bad: admission shall refuse them for that reason.

    `value`, as the delivery spells it, stands in the place of the column's own, or
    behind it.
    """

    reason: str
    column: str
    value: Any = None
    is_appended: bool = False


@dataclass(frozen=True)
class Table:
    """A source table.

    Attributes:
        kind: Kind of file, `sql` for the service centre's database, `rest` for the API.
        file: Its path, `{}` standing for the date; None for sql and rest.
        dated: `month`, `year`: a file holds what arrived in it and bears its last day.
            `arrival`: a file bears the day of arrival itself.
        key: Column that a copy gets another value in, to be a row of its own.
        cursor: Column that gives a row its day.
        arrived: Column that says when the source got the row.
        zone: Whether times are written in the business zone or in UTC.
        times: How, in text.
        decimal: Decimal sign in text.
        late: Share of rows that arrive up to 30 days late; they belong to the feed.
        beyond: Share of rows of which a copy comes later than the look-back.
        exact: Share of rows that come twice.
        older: Share of rows that come in an older state too.
        bad: Share of rows of which a faulty copy comes.
    """

    name: str
    kind: Literal["csv", "jsonl", "parquet", "xlsx", "sql", "rest"]
    file: str | None = None
    dated: Literal["month", "year", "arrival"] | None = None
    key: str = ""
    cursor: str | None = None
    arrived: str | None = None
    zone: Literal["business", "utc"] = "utc"
    times: str = "%Y-%m-%dT%H:%M:%SZ"
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    late: float = 0.0
    beyond: float = 0.0
    exact: float = 0.0
    older: float = 0.0
    bad: float = 0.0
    faults: tuple[Fault, ...] = ()


TABLES = [
    Table(
        "retail.places", "csv", "stores/places.csv", delimiter=";", encoding="cp1252"
    ),
    Table(
        "inventory.products",
        "xlsx",
        "inventory/products_{}.xlsx",
        dated="arrival",
        key="product_number",
        exact=0.01,
        bad=0.012,
        faults=(
            Fault("wrong_type", "list_price", "auf Anfrage"),
            Fault("below_minimum", "unit_cost", "-1.00"),
        ),
    ),
    Table(
        "retail.orders",
        "csv",
        "orders/orders_{}.csv",
        dated="month",
        key="order_number",
        cursor="ordered_at",
        arrived="booked_on",
        zone="business",
        times="%d.%m.%Y %H:%M:%S",
        delimiter=";",
        decimal=",",
        encoding="cp1252",
        late=0.02,
        beyond=0.001,
        exact=0.001,
        older=0.001,
        bad=0.003,
        faults=(
            Fault("wrong_type", "voucher", "2,x0"),
            Fault("below_minimum", "voucher", "-2,00"),
            Fault("not_accepted", "payment_method", "Muscheln"),
            Fault("required_missing", "order_number"),
            Fault("required_missing", "ordered_at"),
            Fault("in_the_future", "ordered_at", "24.12.2199 18:00:00"),
            Fault("wrong_type", "email", "niemand(at)example.org"),
            Fault("unreadable_line", "", BROKEN),
            Fault("unreadable_line", "", MISCODED),
        ),
    ),
    Table(
        "retail.order_lines",
        "parquet",
        "orders/lines_{}.parquet",
        dated="month",
        key="line_number",
        cursor="ordered_at",
        arrived="booked_on",
        late=0.02,
        beyond=0.001,
        exact=0.001,
        older=0.0005,
        bad=0.002,
        faults=(
            Fault("below_minimum", "unit_price", Decimal("-1.00")),
            Fault("required_missing", "product_number"),
            Fault("unknown_reference", "order_number", "-never", is_appended=True),
        ),
    ),
    Table(
        "retail.competitor_offers",
        "csv",
        "rivals/offers_{}.tsv",
        dated="arrival",
        key="offer",
        cursor="seen_at",
        zone="business",
        times="%Y-%m-%d %H:%M:%S",
        delimiter="\t",
        beyond=0.01,
        exact=0.005,
        bad=0.008,
        faults=(
            Fault("wrong_type", "price", "n/a"),
            Fault("required_missing", "competitor"),
        ),
    ),
    Table("retail.goals", "xlsx", "range/goals.xlsx"),
    Table(
        "web.events",
        "jsonl",
        "web/events_{}.jsonl.gz",
        dated="month",
        key="event_id",
        cursor="occurred_at",
        arrived="received_at",
        late=0.03,
        beyond=0.001,
        exact=0.002,
        older=0.0,
        bad=0.003,
        faults=(
            Fault("wrong_type", "occurred_at", '"gestern"'),
            Fault("not_accepted", "event", '"hover"'),
            Fault("required_missing", "device"),
            Fault("in_the_future", "occurred_at", '"2199-12-24T18:00:00Z"'),
            Fault("wrong_type", "email", '"niemand(at)example.org"'),
            Fault("unreadable_line", "", BROKEN),
        ),
    ),
    Table(
        "web.account_links",
        "csv",
        "web/account_links.csv.gz",
        key="link",
        cursor="seen_at",
        times="%Y-%m-%dT%H:%M:%S+00:00",
        exact=0.002,
        bad=0.004,
        faults=(
            Fault("wrong_type", "email", "siehe Akte"),
            Fault("required_missing", "reason"),
        ),
    ),
    Table(
        "stores.presences",
        "parquet",
        "stores/presences_{}.parquet",
        dated="year",
        key="reading",
        cursor="read_at",
        exact=0.001,
        bad=0.002,
        faults=(
            Fault("not_accepted", "state", "fly"),
            Fault("required_missing", "device"),
            Fault("unknown_reference", "store_number", "S999"),
        ),
    ),
    Table(
        "mailing.contacts",
        "csv",
        "mailing/contacts.tsv.gz",
        key="contact",
        cursor="sent_at",
        zone="business",
        times="%Y-%m-%d %H:%M:%S",
        delimiter="\t",
        exact=0.002,
        older=0.002,
        bad=0.004,
        faults=(
            Fault("not_accepted", "channel", "pigeon"),
            Fault("unknown_reference", "campaign", "K99"),
            Fault("wrong_type", "phone", "siehe Akte"),
        ),
    ),
    Table(
        "club.traits",
        "parquet",
        "club/traits.parquet",
        key="trait",
        exact=0.001,
        bad=0.003,
        faults=(Fault("required_missing", "name"),),
    ),
    Table(
        "crm.customers",
        "sql",
        key="customer_number",
        exact=0.003,
        bad=0.004,
        faults=(
            Fault("wrong_type", "phone", "siehe Akte"),
            Fault("not_accepted", "kind", "alien"),
            Fault("required_missing", "customer_number"),
        ),
    ),
    Table(
        "crm.children",
        "sql",
        key="child",
        bad=0.004,
        faults=(Fault("required_missing", "birth_date"),),
    ),
    Table(
        "crm.care",
        "sql",
        key="care",
        bad=0.006,
        faults=(Fault("required_missing", "employee"),),
    ),
    Table(
        "crm.quotes",
        "sql",
        key="quote",
        cursor="quoted_at",
        bad=0.006,
        faults=(Fault("below_minimum", "price", "-5.00"),),
    ),
    Table(
        "crm.cases",
        "sql",
        key="case_number",
        cursor="opened_at",
        arrived="recorded_at",
        late=0.02,
        beyond=0.002,
        exact=0.002,
        bad=0.005,
        faults=(
            Fault("not_accepted", "kind", "gossip"),
            Fault("required_missing", "channel"),
            Fault("wrong_type", "email", "siehe Akte"),
        ),
    ),
    Table(
        "crm.leads",
        "sql",
        key="lead",
        bad=0.006,
        faults=(Fault("wrong_type", "email", "siehe Akte"),),
    ),
    Table(
        "crm.lead_stages",
        "sql",
        key="step",
        cursor="entered_at",
        bad=0.006,
        faults=(
            Fault("unknown_reference", "lead", "L999999999"),
            Fault("required_missing", "stage"),
        ),
    ),
    Table(
        "crm.promises",
        "sql",
        key="promise",
        cursor="promised_at",
        bad=0.005,
        faults=(Fault("not_accepted", "kind", "marriage"),),
    ),
    Table(
        "club.consents",
        "rest",
        key="consent",
        exact=0.002,
        bad=0.003,
        faults=(Fault("required_missing", "purpose"),),
    ),
    Table(
        "community.posts",
        "rest",
        key="post",
        cursor="posted_at",
        exact=0.003,
        bad=0.006,
        faults=(
            Fault("above_maximum", "sentiment", "7"),
            Fault("wrong_type", "about_us", '"vielleicht"'),
        ),
    ),
    Table(
        "survey.answers",
        "rest",
        key="answer",
        cursor="answered_at",
        arrived="received_at",
        late=0.02,
        beyond=0.001,
        bad=0.003,
        faults=(
            Fault("wrong_type", "score", '"sieben"'),
            Fault("above_maximum", "score", "99"),
            Fault("below_minimum", "score", "-1"),
            Fault("not_accepted", "measure", '"mood"'),
        ),
    ),
    Table("mailing.campaigns", "rest"),
]
BY_NAME = {table.name: table for table in TABLES}
