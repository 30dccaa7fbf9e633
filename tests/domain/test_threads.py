"""Which facts keep their order: those of one thing (docs/adr/0019-threads-keep-their-order.md)."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

import msgspec
import pytest

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.customer import (
    ExchangeRate,
    Registration,
    TaxId,
    Terms,
    access,
    credit,
    evidence,
    follow_ups,
    group,
    limits,
    merging,
    orders,
    ownership,
    payments,
    profile,
    receivables,
    relationship,
    releases,
    reminders,
    sales,
    verified,
)
from crmcore.domain.lots import Lot
from crmcore.domain.money import Money

DAY = date(2026, 3, 2)
ONE = Money(minor=1, currency="USD")
LOT = Lot(
    number=1,
    points=1,
    vests_at=datetime(2026, 3, 2, tzinfo=UTC),
    expires_at=datetime(2027, 3, 2, tzinfo=UTC),
)

NUMBER = TaxId(country="DE", number="1")
CUSTOMER = customer.decider(customer.Policy())
OF_A_CUSTOMER: list[tuple[customer.Event, tuple[str, ...]]] = [
    (
        sales.PurchaseRecorded(
            purchase="p", bought_on=DAY, amount=ONE, quantity=None, product=None
        ),
        ("purchase p",),
    ),
    (sales.PurchaseReturned(purchase="p", amount=ONE), ("purchase p",)),
    (
        receivables.InvoiceIssued(invoice="i", amount=ONE, due_on=DAY, order="o"),
        ("invoice i", "order o"),
    ),
    (receivables.InvoiceIssued(invoice="i", amount=ONE, due_on=DAY, order=None), ("invoice i",)),
    (receivables.InvoiceDisputed(invoice="i", reason=""), ("invoice i",)),
    (receivables.DisputeResolved(invoice="i", outcome=""), ("invoice i",)),
    (
        receivables.PaymentReceived(payment="p", invoice="i", amount=ONE, left=ONE),
        ("invoice i",),
    ),
    (
        receivables.CreditNoteIssued(invoice="i", amount=ONE, left=ONE, reason=""),
        ("invoice i",),
    ),
    (orders.OrderAccepted(order="o", amount=ONE, exposure=ONE, limit=ONE), ("order o",)),
    (orders.OrderCancelled(order="o", amount=ONE, reason=""), ("order o",)),
    (orders.OrderChanged(order="o", amount=ONE), ("order o",)),
    (orders.OrderClosed(order="o", amount=ONE), ("order o",)),
    (orders.OrderReopened(order="o", amount=ONE, exposure=ONE, limit=ONE), ("order o",)),
    (orders.DeliveryRecorded(order="o", delivery="d", amount=ONE), ("order o",)),
    (
        releases.OverLimitReleased(
            order="o", amount=ONE, ends_on=DAY, released_by="gus", reason=""
        ),
        ("order o",),
    ),
    (
        releases.AutomaticHoldReleased(kind="overdue", ends_on=DAY, released_by="gus", reason=""),
        ("automatic hold overdue",),
    ),
    (
        receivables.InvoiceWrittenOff(
            invoice="i", amount=ONE, left=ONE, approved_by="gus", reason=""
        ),
        ("invoice i",),
    ),
    (
        receivables.InvoiceRevalued(
            invoice="i",
            before=ONE,
            left=ONE,
            rate=ExchangeRate(
                numerator=1, denominator=1, currency="USD", source="ECB", quoted_on=DAY
            ),
        ),
        ("invoice i",),
    ),
    (
        payments.MoneyReceived(
            payment="p", amount=ONE, instrument="cash", received_on=DAY, clears_on=DAY
        ),
        ("payment p",),
    ),
    (
        payments.AccountCredited(payment="p", amount=ONE, credited_on=DAY, reason=""),
        ("payment p",),
    ),
    (
        payments.PaymentAllocated(payment="p", invoice="i", amount=ONE, left=ONE),
        ("payment p", "invoice i"),
    ),
    (
        payments.PaymentReversed(
            payment="p",
            amount=ONE,
            restored=(payments.Restored(invoice="i", amount=ONE, due_on=DAY),),
            bounced=True,
            reason="",
        ),
        ("payment p", "invoice i"),
    ),
    (
        reminders.ReminderSent(
            reminder="r",
            sent_on=DAY,
            invoices=(reminders.Reminded(invoice="i", overdue=ONE, level=1),),
            level=1,
        ),
        ("invoice i",),
    ),
    (credit.LimitRevoked(revoked_by="gus", reason=""), ("limit",)),
    (
        limits.TemporaryLimitGranted(amount=ONE, starts_on=DAY, ends_on=DAY, approved_by="gus"),
        ("limit",),
    ),
    (
        limits.SecurityPledged(
            security="s", kind="deposit", amount=ONE, ends_on=None, approved_by="gus"
        ),
        ("limit",),
    ),
    (limits.SecurityReleased(security="s", reason=""), ("limit",)),
    (credit.HoldPlaced(hold="h", reason=""), ("hold h",)),
    (credit.HoldReleased(hold="h", reason=""), ("hold h",)),
    (
        credit.CreditLimitRequested(request="r", amount=ONE, requested_by="ann", lapses_on=DAY),
        ("limit",),
    ),
    (
        credit.CreditLimitApproved(request="r", amount=ONE, approved_by="gus", until=None),
        ("limit",),
    ),
    (credit.CreditLimitRejected(request="r", reason=""), ("limit",)),
    (credit.CreditLimitWithdrawn(request="r"), ("limit",)),
    (credit.CreditLimitLowered(amount=ONE), ("limit",)),
    (
        credit.CreditInvestigated(score=1, findings="", valid_until=DAY),
        ("CreditInvestigated",),
    ),
    (credit.GradeOverridden(grade="A", until=DAY, reason=""), ("GradeOverridden",)),
    (profile.Deactivated(reason=""), ("standing",)),
    (profile.Blacklisted(reason=""), ("standing",)),
    (profile.Reactivated(reason=""), ("standing",)),
    (profile.Cleared(reason=""), ("standing",)),
    (
        evidence.DatumVerified(
            datum="terms.payment", source="s", verified_by="a", verified_until=None
        ),
        ("TermsChanged",),
    ),
    (
        relationship.ConsentGiven(purpose="service", channel="email", basis="contract"),
        ("consent service email",),
    ),
    (
        relationship.ConsentWithdrawn(purpose="service", channel="email"),
        ("consent service email",),
    ),
    (
        relationship.SurveyAnswered(survey="s", kind="nps", touchpoint="t", scores=(9,)),
        ("survey s",),
    ),
    (relationship.CampaignTouched(campaign="c", channel="email"), ("campaign c",)),
    (relationship.CampaignResponded(campaign="c", response="opened"), ("campaign c",)),
    (relationship.ReferralMade(referral="r", referred_customer=UUID(int=2)), ("referral r",)),
    (profile.CustomerRegistered(code="c", name="Ann", kind="person"), ("name",)),
    (profile.IdentityChanged(name="Eve"), ("name",)),
    (profile.InteractionLogged(channel="phone", summary="hello"), ()),
    (profile.RegistrationChanged(registration=Registration()), ("RegistrationChanged",)),
    (profile.TermsChanged(terms=Terms()), ("TermsChanged",)),
    (profile.SitesChanged(sites=()), ("SitesChanged",)),
    (profile.BankAccountsChanged(bank_accounts=()), ("BankAccountsChanged",)),
    (profile.ContactsChanged(contacts=()), ("ContactsChanged",)),
    (
        ownership.OwnerAssigned(
            owner="a", how="claimed", at=LOT.vests_at, protected_until=None, won=False
        ),
        ("owner",),
    ),
    (verified.TaxIdVerified(tax_id=NUMBER, verified_by="a"), ("tax id",)),
    (verified.TaxIdGivenUp(tax_id=NUMBER), ("tax id",)),
    (merging.MergedInto(surviving_customer=UUID(int=2)), ("merges",)),
    (merging.Absorbed(absorbed_customer=UUID(int=2)), ("merges",)),
    (merging.Unmerged(other_customer=UUID(int=2)), ("merges",)),
    (
        merging.MarkedNotDuplicate(other_customer=UUID(int=2), name="a", tax_id=None),
        ("merges",),
    ),
    (group.GroupJoined(parent=UUID(int=2)), ("group",)),
    (group.MemberAdmitted(member=UUID(int=2)), ("group",)),
    (group.GroupLeft(parent=UUID(int=2)), ("group",)),
    (group.MemberLeft(member=UUID(int=2)), ("group",)),
    (
        group.MemberOrderNoted(member=UUID(int=2), order="o", exposure=ONE, limit=None),
        (f"order o of {UUID(int=2)}",),
    ),
    (ownership.ReleasedToPool(owner="a", reason="", at=LOT.vests_at), ("owner",)),
    (ownership.RecycledToPool(owner="a", rule="no_deal", at=LOT.vests_at), ("owner",)),
    (ownership.FollowedUp(at=LOT.vests_at), ()),
    (ownership.DealMade(at=LOT.vests_at), ()),
    (
        follow_ups.FollowUpPlanned(follow_up="f", due_on=DAY, what="", planned_by="a"),
        ("follow-up f",),
    ),
    (follow_ups.FollowUpDone(follow_up="f", outcome=""), ("follow-up f",)),
    (
        access.AccessGranted(
            who="a", level="read", until=None, at=LOT.vests_at, granted_by="b", authority="owner"
        ),
        ("access",),
    ),
    (
        access.AccessDenied(who="a", until=None, at=LOT.vests_at, denied_by="b", authority="owner"),
        ("access",),
    ),
    (
        access.AccessRevoked(who="a", at=LOT.vests_at, revoked_by="b", authority="owner"),
        ("access",),
    ),
]
OF_AN_ACCOUNT: list[tuple[loyalty.Event, tuple[str, ...]]] = [
    (loyalty.PointsEarned(source="s", amount=ONE, lot=LOT), ("sale s",)),
    (loyalty.Enrolled(customer=UUID(int=1)), ()),
    (
        loyalty.PointsRedeemed(redemption="r", reward="mug", points=1, allocations=(LOT,)),
        ("spending",),
    ),
    (loyalty.RedemptionReversed(redemption="r", restored=(LOT,), forfeited=()), ("spending",)),
    (loyalty.PointsExpired(allocations=(LOT,)), ("spending",)),
]


# By stored name, of the golden facts of an account.
OF_ITS_PROGRAMME: dict[str, tuple[str, ...]] = {
    "points_clawed_back": ("spending", "sale order-1"),
    "tier_granted": (),
    "referrer_named": ("referrer",),
    "referral_registered": (f"referral {UUID(int=11)}",),
    "referral_qualified": (f"referral {UUID(int=11)}",),
    "referral_rewarded": (f"referral {UUID(int=11)}",),
    "referral_reversed": ("spending", f"referral {UUID(int=11)}"),
    "benefit_issued": ("membership", "benefit birthday"),
    "membership_bought": ("membership",),
    "membership_renewed": ("membership",),
    "membership_cancelled": ("membership",),
    "membership_refunded": ("membership",),
    **dict.fromkeys(
        (
            "points_held", "hold_captured", "hold_released", "hold_lapsed", "deficit_settled",
            "points_granted", "points_withdrawn", "expiry_extended", "points_transferred_out",
            "transfer_confirmed", "transfer_returned", "points_transferred_in",
            "account_absorbed", "account_handed_over", "account_suspended", "account_resumed",
            "account_closed",
        ),
        ("spending",),
    ),
}  # fmt: skip


def kind(value: object) -> str:
    return type(value).__name__ if not isinstance(value, tuple) else " and ".join(value)


@pytest.mark.parametrize(("event", "threads"), OF_A_CUSTOMER, ids=kind)
def test_what_is_said_of_one_thing_of_a_customer_keeps_its_order(
    event: customer.Event, threads: tuple[str, ...]
) -> None:
    assert CUSTOMER.threads(event) == threads


@pytest.mark.parametrize(("event", "threads"), OF_AN_ACCOUNT, ids=kind)
def test_spending_keeps_its_order_and_what_is_earned_may_come_late(
    event: loyalty.Event, threads: tuple[str, ...]
) -> None:
    assert loyalty.decider(loyalty.Policy()).threads(event) == threads


def test_all_that_happens_to_an_opportunity_keeps_its_order() -> None:
    rules = opportunity.decider(opportunity.Policy())
    assert rules.threads(opportunity.Rescheduled(expected_close=DAY)) == ("opportunity",)


def test_all_that_happens_to_a_ticket_keeps_its_order() -> None:
    assert ticket.decider(ticket.Policy()).threads(ticket.NoteAdded(text="hm")) == ("ticket",)


def test_the_kinds_of_streams_are_what_the_log_calls_them() -> None:
    kinds = [
        CUSTOMER.kind,
        opportunity.decider(opportunity.Policy()).kind,
        ticket.decider(ticket.Policy()).kind,
        loyalty.decider(loyalty.Policy()).kind,
    ]
    assert kinds == ["customer", "opportunity", "ticket", "loyalty"]


def test_every_fact_of_a_customer_has_its_threads_here() -> None:
    assert {type(event) for event, _ in OF_A_CUSTOMER} == set(get_args(CUSTOMER.events))


@pytest.mark.parametrize(("name", "threads"), OF_ITS_PROGRAMME.items())
def test_what_spends_or_stops_spending_keeps_its_order_and_a_referral_its_own(
    name: str, threads: tuple[str, ...]
) -> None:
    rules = loyalty.decider(loyalty.Policy())
    golden = Path(__file__).parents[1] / "infrastructure" / "golden"
    stored = (golden / f"loyalty.{name}.v1.json").read_bytes()
    assert rules.threads(msgspec.json.decode(stored, type=rules.events)) == threads


def test_every_fact_of_an_account_has_its_threads_here() -> None:
    tags = {event.__struct_config__.tag for event in get_args(loyalty.Event)}
    plain = {type(event).__struct_config__.tag for event, _ in OF_AN_ACCOUNT}
    assert tags == plain | {f"loyalty.{name}" for name in OF_ITS_PROGRAMME}
