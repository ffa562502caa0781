"""What the stages of leads mean: words that sales use, and a company's own."""

from typing import ClassVar

from pydantic import Field

from kith.company.words import Words

# A stage that stands nowhere is a step on the way: the lead is open.
KNOWN_STAGES: dict[str, str] = {
    "won": """
        won, closed won, converted, customer, deal won, contract signed,
        signed, sold, success, successful, accepted,
        gewonnen, abgeschlossen, auftrag erteilt, kunde, verkauft, zugesagt,
        gagné, gagnée, signé, ganado, ganada, cerrado ganado, vinto,
        赢单, 成交, 已成交, 已转化, 已签约
    """,
    "lost": """
        lost, closed lost, declined, rejected, refused, disqualified,
        unqualified, not interested, dead, dropped, cancelled, canceled, withdrawn,
        no deal, deal lost,
        verloren, abgelehnt, abgesagt, disqualifiziert, kein interesse, storniert,
        perdu, perdue, refusé, refusée, perdido, perdida, cerrado perdido, perso,
        输单, 丢单, 已流失, 无效, 已拒绝
    """,
}


class LeadStages(Words):
    """The company's own words for the ends of leads, which count before known ones."""

    known: ClassVar[dict[str, str]] = KNOWN_STAGES

    won: list[str] = Field(default=[], description="Became a customer, or bought.")
    lost: list[str] = Field(default=[], description="Said no, or was given up.")
