"""What is planted: sizes, shares, strengths and dates, all in one place.

`truth.json` repeats these values, so that whoever tests a mart or a model can compare
what it finds with what was put in.
"""

import datetime as dt
from dataclasses import dataclass

VERSION = 5  # to be raised when the same seed gives other rows
CUSTOMERS = 2000
SEED = 20240101
ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Plan:
    """How much is made: customers, and whole business days, both ends included."""

    customers: int
    first_day: dt.date
    last_day: dt.date
    seed: int

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last_day - self.first_day).days + 1


CITIES = [  # name, region (ISO 3166-2), latitude, longitude, share of the customers
    ("Berlin", "DE-BE", 52.52, 13.40, 0.20),
    ("Hamburg", "DE-HH", 53.55, 9.99, 0.14),
    ("München", "DE-BY", 48.14, 11.58, 0.13),
    ("Köln", "DE-NW", 50.94, 6.96, 0.11),
    ("Frankfurt am Main", "DE-HE", 50.11, 8.68, 0.09),
    ("Düsseldorf", "DE-NW", 51.23, 6.78, 0.07),
    ("Leipzig", "DE-SN", 51.34, 12.37, 0.06),
    ("Nürnberg", "DE-BY", 49.45, 11.08, 0.06),
    ("Lübeck", "DE-SH", 53.87, 10.69, 0.05),
    ("Gießen", "DE-HE", 50.58, 8.68, 0.05),
    ("Görlitz", "DE-SN", 51.15, 14.99, 0.04),
]
STORES_PER_CITY = 2

# A child's age in years from which it needs what the category holds.
LIFE_STAGES = [
    ("expecting", -1.0, "maternity"),
    ("newborn", 0.0, "newborn care"),
    ("baby", 0.5, "baby food"),
    ("toddler", 1.5, "toddler toys"),
    ("preschool", 3.0, "early learning"),
    ("school", 6.0, "school"),
]
END_OF_CHILDHOOD = 12.0
GENERAL = ["organic food", "household", "books", "outdoor", "clothing"]
CATEGORIES = [category for _, _, category in LIFE_STAGES] + GENERAL
PRODUCTS_PER_CATEGORY = 24
LIFE_STAGE_SHARE = 0.6  # of a parent's lines that go to the stage of a child
BRANDS = ["Wiesenkind", "Fuchs & Feder", "Kleinholz", "Nordhafen", "Apfelgrün"]

# Sold by the shop, unknown to the inventory system.
NOT_IN_INVENTORY = ["P0017", "P0041", "P0065", "P0131"]

CHANNELS = ["store", "web", "app", "call_centre", "community", "key_account"]
CHANNEL_SHARES = [0.42, 0.27, 0.20, 0.06, 0.05]  # of a person's orders

# Of the orders outside of stores that no campaign led to; about 2 % of all orders.
CANCELLED_STATUS = "storniert"
CANCELLED_SHARE = 0.036

# What staff type where a form wants something, beside what is the customer's own.
BLOCKED_VALUES = {"email": "test@wiesenkind.example", "card": "WK0999999999"}
BLOCKED_SHARE = 0.02

CONTACTS_PER_ORGANISATION = 3  # at most; they share its telephone
RECOMMENDED_SHARE = 0.08  # of the customers, of whom the address of another is kept
ERASED_SHARE = 0.05  # of those who left

# Churn: odds per 30 days, and how each driver multiplies them (exp of the strength).
MONTHLY_CHURN = 0.022
CHURN_DRIVERS = {  # share of the customers, strength
    "late_deliveries": (0.25, 0.9),
    "unanswered_complaint": (0.10, 1.3),
    "price_hunter": (0.30, 0.4),
    "app_user": (0.45, -0.5),
    "community_member": (0.15, -0.8),
}
LEAKS = {
    "winback_case": "filled after a customer has left, and for nobody else",
    "club_balance": "filled for customers who have bought, and for nobody else",
}

# Answers from 1 to 7; overall satisfaction is their weighted sum and noise.
DIMENSIONS = {
    "tangibles": 0.10,
    "reliability": 0.35,
    "responsiveness": 0.30,
    "assurance": 0.10,
    "empathy": 0.15,
}
SATISFACTION_NOISE = 0.6
SURVEY_WAVES = [120, 300, 480, 640]  # first days of the two weeks of each
# Per touchpoint: shares of NPS detractors, passives; of CSAT 1 to 3; of CES 1 to 4.
TOUCHPOINTS = {
    "store": (0.12, 0.30, 0.14, 0.20),
    "web": (0.20, 0.32, 0.20, 0.28),
    "app": (0.15, 0.30, 0.16, 0.18),
    "call_centre": (0.34, 0.33, 0.36, 0.45),
    "community": (0.18, 0.30, 0.20, 0.25),
    "key_account": (0.08, 0.27, 0.10, 0.15),
}

# Needs that are searched for and that nothing in the range meets.
UNMET_NEEDS = ["lastenrad", "allergenfreie nüsse", "zwillingswagen", "reisebett leihen"]
UNMET_SHARE = 0.12

COMPLAINT_HOURS = 24
ANSWERED_IN_TIME = 0.82  # of the complaints of customers without that driver
NEVER_ANSWERED = 0.04

CRISIS = {
    "starts_at": "2025-06-17 14:00:00",  # business zone
    "hours": 30,
    "channel": "phone",
    "platform": "instagram",
    "reason": "allergen_not_declared",
    "category": "baby food",
    "complaints_per_customer": 0.03,
    "minimum_complaints": 40,
}

DEPARTMENTS = {"key accounts": 3, "family advice": 5, "call centre": 4}
LEAVERS = {"E02": 450, "E06": 300}  # day on which an employee leaves
LEAVES_WITH_EMPLOYEE = 0.6

PROMISES = {"delivery": (0.85, 0.11), "call_back": (0.70, 0.20), "repair": (0.78, 0.16)}

# id, channel, first day, share of customers bought by the campaign alone (the lift)
CAMPAIGN_DAYS = 14
CAMPAIGN_TARGETED = 0.35
CAMPAIGN_HOLD_OUT = 0.2
CAMPAIGNS = [
    (f"K{number:02}", ["email", "app", "letter", "email"][number % 4], 20 + 44 * number)
    for number in range(16)
]
CAMPAIGN_LIFTS = [0.10, 0.00, 0.06, 0.03]  # in turn

OPENED_IN_BEST_HOURS = 0.62
OPENED_ELSE = 0.14
VISITS_WITHOUT_PURCHASE = 0.35  # of the visits of customers with a known device
POSTS_OF_RIVALS = 0.5  # of the posts that are not about us, name a competitor
LEAD_KINDS = {"near": 0.35, "refusing": 0.30, "unexplored": 0.35}
