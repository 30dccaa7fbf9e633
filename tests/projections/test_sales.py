"""Sales are net of what came back: of a purchase, or of an invoice by a credit note."""

from datetime import UTC, date

from crmcore.domain.customer.receivables import CreditNoteIssued
from crmcore.projections.sales import Sales, apply
from tests.projections.history import Dated, bought, history, invoiced, returned, usd

MAY, JUNE = date(2025, 5, 1), date(2025, 6, 1)


def sales(*dated: Dated) -> list[tuple[str, str, int]]:
    """What is left of each sale."""
    found: Sales = ()
    for fact in history(*dated):
        found = apply(found, fact, UTC)
    return [(sale.kind, sale.name, sale.minor) for sale in found]


def credited(name: str, cents: int) -> CreditNoteIssued:
    return CreditNoteIssued(invoice=name, amount=usd(cents), left=usd(0), reason="")


def test_a_credit_note_takes_from_the_sale_of_its_invoice() -> None:
    invoice, purchase = (MAY, invoiced("n-1", JUNE, 900)), (MAY, bought("n-1", 500))
    assert sales(invoice, purchase, (JUNE, credited("n-1", 200))) == [
        ("invoice", "n-1", 700),
        ("purchase", "n-1", 500),
    ]
    assert sales(invoice, purchase, (JUNE, credited("n-1", 900))) == [("purchase", "n-1", 500)]


def test_what_comes_back_is_of_the_latest_sale_of_its_name() -> None:
    twice = (MAY, bought("p-1", 500)), (JUNE, bought("p-1", 300))
    assert sales(*twice, (JUNE, returned("p-1", 100))) == [
        ("purchase", "p-1", 500),
        ("purchase", "p-1", 200),
    ]
