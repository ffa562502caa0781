"""What the statuses of orders mean: words that shops use, and a company's own."""

from typing import ClassVar

from pydantic import Field

from kith.company.words import Words, listed

# A status that stands nowhere counts as placed: nobody said more of the order.
KNOWN_STATUSES: dict[str, str] = {
    "placed": """
        placed, new, open, created, received, accepted, approved, confirmed, pending,
        pending payment, awaiting payment, awaiting fulfillment, awaiting shipment,
        on hold, backordered, processing, in progress, authorized, paid,
        partially paid, invoiced, unfulfilled, packed, ready, ready for pickup,
        ready to ship, shipping, shipped, partially shipped, dispatched, in transit,
        out for delivery, wc-pending, wc-processing, wc-on-hold,
        neu, offen, angelegt, bestellt, bestätigt, bezahlt, in bearbeitung, verpackt,
        versandt, versendet, unterwegs, teilweise versandt,
        en attente, en cours, confirmée, payée, expédié, expédiée,
        pendiente, confirmado, pagado, enviado, in attesa, confermato, spedito,
        待付款, 待支付, 已付款, 已支付, 待发货, 已发货, 待收货, 处理中
    """,
    "completed": """
        completed, complete, closed, done, delivered, partially delivered, fulfilled,
        partially fulfilled, picked up, collected, sold, settled, finished,
        partially returned, partially refunded, wc-completed,
        abgeschlossen, erledigt, geliefert, zugestellt, ausgeliefert, abgeholt,
        teilweise retourniert, teilweise erstattet,
        terminé, terminée, livré, livrée, completado, entregado, completato, consegnato,
        已完成, 已签收, 已收货, 交易成功, 交易完成, 部分退款
    """,
    "cancelled": """
        cancelled, canceled, cancel, cancelation, cancellation, cancelled by customer,
        canceled by customer, cancelled by seller, canceled by seller, aborted,
        abandoned, declined, denied, failed, payment failed, rejected, void, voided,
        annulled, expired, unavailable, deleted, wc-cancelled, wc-failed,
        storno, storniert, abgebrochen, abgelehnt, widerrufen, fehlgeschlagen,
        annulé, annulée, refusé, refusée, cancelado, cancelada, anulado, rechazado,
        annullato, annullata, geannuleerd,
        取消, 已取消, 已关闭, 交易关闭, 已作废, 已拒绝
    """,
    "returned": """
        returned, return, returned to sender, refunded, refund, fully refunded,
        chargeback, charged back, wc-refunded,
        retoure, retourniert, zurückgesandt, zurückgeschickt, zurückgegeben, erstattet,
        retourné, retournée, remboursé, remboursée, devuelto, devolución, reembolsado,
        restituito, rimborsato,
        退货, 已退货, 退款, 已退款
    """,
}


def known_words(status_class: str) -> list[str]:
    """The words of a class that need not be declared."""
    return listed(KNOWN_STATUSES[status_class])


class OrderStatuses(Words):
    """The company's own words for states of orders, which count before known ones."""

    known: ClassVar[dict[str, str]] = KNOWN_STATUSES

    placed: list[str] = Field(default=[], description="Ordered, not yet delivered.")
    completed: list[str] = Field(default=[], description="Delivered or handed over.")
    cancelled: list[str] = Field(
        default=[], description="Came to nothing: no purchase and no revenue."
    )
    returned: list[str] = Field(
        default=[], description="Given back, or the money paid back."
    )
