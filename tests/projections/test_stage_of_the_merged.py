"""The lifecycle stage of a customer for whom another one stands, and of who was taken back."""

from datetime import date
from uuid import UUID

from crmcore.domain.customer.merging import MergedInto, Unmerged
from crmcore.domain.customer.profile import Blacklisted, Cleared, Deactivated, Reactivated
from crmcore.projections import lifecycle
from crmcore.projections.projection import Answer
from tests.projections.history import BOB, REGISTERED, Dated, asked, bought, history, start

STAGES = lifecycle.lifecycle(lifecycle.Policy())
DAY = date(2026, 3, 2)
CEM = UUID(int=12)


def said(*dated: Dated) -> Answer:
    answer = asked(STAGES, history((DAY, REGISTERED), *dated), DAY)
    assert answer is not None
    return answer


def test_who_was_merged_is_gone_and_back_when_the_two_are_taken_apart() -> None:
    merged = (DAY, MergedInto(surviving_customer=BOB))
    answer = said(merged)
    assert (answer.answer, answer.because, answer.next_change_at) == ("gone", (2,), None)
    assert answer.rule == "another customer stands for this one"
    assert said(merged, (DAY, Unmerged(other_customer=BOB))).answer == "prospect"
    assert said(merged, (DAY, Unmerged(other_customer=CEM))).answer == "gone"
    assert said((DAY, Unmerged(other_customer=BOB))).answer == "prospect"


def test_who_was_merged_is_not_looked_at_again() -> None:
    known = STAGES.initial
    facts = (REGISTERED, bought("s-1"), MergedInto(surviving_customer=BOB))
    for one in history(*((DAY, event) for event in facts)):
        known = STAGES.apply(known, one)
    assert STAGES.next_look(known, start(DAY)) is None


def test_who_was_parted_with_is_closed_until_taken_back() -> None:
    for end, back in (
        (Blacklisted(reason=""), Cleared(reason="")),
        (Deactivated(reason=""), Reactivated(reason="")),
    ):
        assert (said((DAY, end)).answer, said((DAY, end)).because) == ("closed", (2,))
        assert said((DAY, end), (DAY, back)).answer == "prospect"
