"""What a rejection says: the rule, and the facts that decided."""

from crmcore.domain.value import Rejected, Rejection


class TooEarly(Rejection):
    """Nobody comes before the door is open."""

    opens: int
    came: int


class Unexplained(Rejection):
    pass


def test_a_rejection_says_its_rule_and_all_its_facts() -> None:
    said = Rejected(TooEarly(opens=9, came=8))
    assert str(said) == "Nobody comes before the door is open. (opens: 9, came: 8)"
    assert (said.code, said.facts) == ("TooEarly", {"opens": 9, "came": 8})
    assert said.place == 0, "the only command, as long as nobody says that there were several"


def test_a_rule_that_nobody_wrote_down_is_its_name() -> None:
    assert str(Rejected(Unexplained())) == "Unexplained"
