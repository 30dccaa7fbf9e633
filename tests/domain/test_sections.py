"""Sections of a customer's card: what nobody mentions stays as it is."""

from crmcore.domain.customer import Terms
from crmcore.domain.value import changed, merged

AGREED = Terms(payment_days=14)


def test_who_mentions_nothing_changes_nothing() -> None:
    assert changed(AGREED, Terms()) is None


def test_what_is_said_again_is_no_news() -> None:
    assert changed(AGREED, Terms(payment_days=14)) is None
    assert changed(AGREED, Terms(payment_days=30)) == Terms(payment_days=30)


def test_what_nobody_mentions_stays() -> None:
    assert merged(AGREED, Terms()) == AGREED
