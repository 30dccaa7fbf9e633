"""What a customer allows and thinks: consent, surveys, campaigns, referrals."""

from uuid import UUID

import pytest
from hypothesis import given as generated
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AnswerSurvey,
    GiveConsent,
    MakeReferral,
    Policy,
    Register,
    RespondToCampaign,
    TouchByCampaign,
    WithdrawConsent,
    relationship,
)
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.relationship import (
    Campaign,
    CampaignResponded,
    CampaignTouched,
    ConsentGiven,
    ConsentWithdrawn,
    InvalidScores,
    NoConsent,
    ReferralMade,
    ReferralNameTaken,
    Survey,
    SurveyAnswered,
    SurveyNameTaken,
    UnknownCampaign,
    allows,
)
from crmcore.testing import History, given, histories

CUSTOMER = customer.decider(Policy())
KNOWN = given(CUSTOMER, CustomerRegistered(code="c-1", name="Ann", kind="person"))
ALLOWED = ConsentGiven(purpose="marketing", channel="email", basis="consent")
ASKED = replace(
    CUSTOMER,
    commands=Register | relationship.Command,
    events=CustomerRegistered | relationship.Event,
    rejections=relationship.Reason,
)


def survey(kind: Survey, *scores: int, name: str = "s") -> AnswerSurvey:
    return AnswerSurvey(survey=name, kind=kind, touchpoint="delivery", scores=scores)


def test_consent_is_given_and_withdrawn_for_a_purpose_and_a_channel() -> None:
    give = GiveConsent(purpose="marketing", channel="email", basis="consent")
    given_ = KNOWN.when(give).then(ALLOWED)
    given_.when(give).nothing()
    assert allows(given_.state.relationship, "marketing", "email")
    assert not allows(given_.state.relationship, "marketing", "phone")
    other = replace(ALLOWED, basis="legitimate_interest")
    on_other = given_.when(replace(give, basis="legitimate_interest")).then(other)
    assert len(on_other.state.relationship.consents) == 1
    take_back = WithdrawConsent(purpose="marketing", channel="email")
    none = on_other.when(take_back).then(ConsentWithdrawn(purpose="marketing", channel="email"))
    none.when(take_back).nothing()
    assert not allows(none.state.relationship, "marketing", "email")


def test_each_purpose_and_channel_is_allowed_apart() -> None:
    by_phone, profiling = replace(ALLOWED, channel="phone"), replace(ALLOWED, purpose="profiling")
    known = KNOWN.given(ALLOWED, by_phone, profiling)
    less = known.when(WithdrawConsent(purpose="marketing", channel="email"))
    told = [[(c.purpose, c.channel) for c in s.state.relationship.consents] for s in (known, less)]
    others = [("marketing", "phone"), ("profiling", "email")]
    assert told == [[("marketing", "email"), *others], others]


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("nps", (0,), [(11,), (1, 2)]),
        ("nps", (10,), [()]),
        ("csat", (5,), [(0,), (6,)]),
        ("ces", (7,), [(0,), (8,)]),
        ("servqual", (1, 2, 3, 4, 7), [(1, 2, 3, 4), (0, 2, 3, 4, 5), (1, 2, 3, 4, 8)]),
    ],
)
def test_a_survey_has_the_scores_of_its_kind(
    kind: Survey, right: tuple[int, ...], wrong: list[tuple[int, ...]]
) -> None:
    said = SurveyAnswered(survey="s", kind=kind, touchpoint="delivery", scores=right)
    KNOWN.when(survey(kind, *right)).then(said)
    for scores in wrong:
        KNOWN.when(survey(kind, *scores)).rejected(InvalidScores, kind=kind, scores=len(right))


def test_a_survey_is_answered_once() -> None:
    answered = KNOWN.when(survey("nps", 9))
    answered.when(survey("nps", 9)).nothing()
    answered.when(survey("nps", 8)).rejected(SurveyNameTaken(survey="s"))
    assert len(answered.when(survey("nps", 8, name="t")).events) == 1


def test_a_campaign_reaches_who_allows_it_and_each_response_counts_once() -> None:
    touch = TouchByCampaign(campaign="c", channel="email")
    KNOWN.when(touch).rejected(NoConsent(channel="email"))
    touched = KNOWN.given(ALLOWED).when(touch)
    again = touched.then(CampaignTouched(campaign="c", channel="email")).when(touch)
    again.then(CampaignTouched(campaign="c", channel="email"))
    click = RespondToCampaign(campaign="c", response="clicked")
    clicked = again.when(click).then(CampaignResponded(campaign="c", response="clicked"))
    clicked.when(click).nothing()
    assert len(clicked.when(replace(click, response="bought")).events) == 1
    KNOWN.when(click).rejected(UnknownCampaign(campaign="c"))


def test_responses_are_of_the_campaign_that_is_named_however_often_it_came() -> None:
    touched = [CampaignTouched(campaign=name, channel="email") for name in ("c", "d")]
    opened, clicked = (
        CampaignResponded(campaign="c", response=response) for response in ("opened", "clicked")
    )
    known = KNOWN.given(*touched, opened, clicked, touched[0])
    assert known.state.relationship.campaigns == (
        Campaign(name="c", responses=("opened", "clicked")),
        Campaign(name="d"),
    )
    known.when(RespondToCampaign(campaign="c", response="opened")).nothing()
    known.when(RespondToCampaign(campaign="d", response="opened")).then(
        CampaignResponded(campaign="d", response="opened")
    )


def test_a_referral_is_of_one_customer() -> None:
    refer = MakeReferral(referral="r", referred_customer=UUID(int=9))
    made = KNOWN.when(refer).then(ReferralMade(referral="r", referred_customer=UUID(int=9)))
    made.when(refer).nothing()
    other = replace(refer, referred_customer=UUID(int=8))
    made.when(other).rejected(ReferralNameTaken(referral="r"))


@generated(histories(ASKED, steps=20))
def test_no_campaign_reaches_anybody_who_does_not_allow_it(history: History) -> None:
    allowed = set[str]()
    for event in history.events:
        match event:
            case ConsentGiven(purpose="marketing", channel=channel):
                allowed.add(channel)
            case ConsentWithdrawn(purpose="marketing", channel=channel):
                allowed.discard(channel)
            case CampaignTouched(channel=channel):
                assert channel in allowed
            case _:
                pass


def test_only_the_latest_hundred_are_remembered() -> None:
    many = KNOWN.given(
        *(
            SurveyAnswered(survey=f"s-{n}", kind="nps", touchpoint="t", scores=(n % 10,))
            for n in range(101)
        ),
        *(CampaignTouched(campaign=f"c-{n}", channel="email") for n in range(101)),
        *(ReferralMade(referral=f"r-{n}", referred_customer=UUID(int=n)) for n in range(101)),
    ).state.relationship
    assert [len(many.surveys), len(many.campaigns), len(many.referrals)] == [100, 100, 100]
    assert (many.surveys[0].survey, many.campaigns[0].name) == ("s-1", "c-1")
