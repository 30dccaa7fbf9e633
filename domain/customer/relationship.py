"""What a customer thinks of us and allows us: consent, surveys, campaigns, referrals."""

from typing import Annotated, Literal, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.customer.profile import Channel
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.value import Ref, Rejection, Text, Value, found, require

Purpose: TypeAlias = Literal["marketing", "service", "profiling", "sharing"]
Basis: TypeAlias = Literal["consent", "contract", "legitimate_interest", "legal_obligation"]
Survey: TypeAlias = Literal["nps", "csat", "ces", "servqual"]
Response: TypeAlias = Literal["opened", "clicked", "replied", "bought", "unsubscribed"]
Scores: TypeAlias = Annotated[
    tuple[Annotated[int, Meta(ge=0, le=10)], ...], Meta(min_length=1, max_length=5)
]

# How many scores each kind has, and from where to where; those of SERVQUAL are of its dimensions:
# tangibles, reliability, responsiveness, assurance and empathy.
SCALES: dict[str, tuple[int, int, int]] = {
    "nps": (1, 0, 10),
    "csat": (1, 1, 5),
    "ces": (1, 1, 7),
    "servqual": (5, 1, 7),
}


# Commands


class GiveConsent(Value, tag="customer.give_consent"):
    """Allow the use of personal data for a purpose, by a channel, on a lawful basis."""

    purpose: Purpose
    channel: Channel
    basis: Basis


class WithdrawConsent(Value, tag="customer.withdraw_consent"):
    """Allow it no more."""

    purpose: Purpose
    channel: Channel


class AnswerSurvey(Value, tag="customer.answer_survey"):
    """Write down what the customer said when asked, and about which encounter."""

    survey: Ref
    kind: Survey
    touchpoint: Text
    scores: Scores


class TouchByCampaign(Value, tag="customer.touch_by_campaign"):
    """Write down that a campaign has reached the customer."""

    campaign: Ref
    channel: Channel


class RespondToCampaign(Value, tag="customer.respond_to_campaign"):
    """Write down what the customer did about it."""

    campaign: Ref
    response: Response


class MakeReferral(Value, tag="customer.make_referral"):
    """Write down that the customer has brought another one."""

    referral: Ref
    referred_customer: UUID


Command: TypeAlias = (
    GiveConsent | WithdrawConsent | AnswerSurvey | TouchByCampaign | RespondToCampaign
    | MakeReferral
)  # fmt: skip


# Events


class ConsentGiven(Value, tag="customer.consent_given"):
    """Personal data may be used for a purpose, by a channel."""

    purpose: Purpose
    channel: Channel
    basis: Basis


class ConsentWithdrawn(Value, tag="customer.consent_withdrawn"):
    """They may not any more."""

    purpose: Purpose
    channel: Channel


class SurveyAnswered(Value, tag="customer.survey_answered"):
    """The customer answered a survey."""

    survey: Ref
    kind: Survey
    touchpoint: Text
    scores: Scores


class CampaignTouched(Value, tag="customer.campaign_touched"):
    """A campaign reached the customer."""

    campaign: Ref
    channel: Channel


class CampaignResponded(Value, tag="customer.campaign_responded"):
    """The customer did something about a campaign."""

    campaign: Ref
    response: Response


class ReferralMade(Value, tag="customer.referral_made"):
    """The customer brought another one."""

    referral: Ref
    referred_customer: UUID


Event: TypeAlias = (
    ConsentGiven | ConsentWithdrawn | SurveyAnswered | CampaignTouched | CampaignResponded
    | ReferralMade
)  # fmt: skip


# Rejections


class InvalidScores(Rejection):
    """A survey has the scores of its kind, each on its scale."""

    kind: str
    scores: int
    least: int
    most: int


class SurveyNameTaken(Rejection):
    """A survey is answered once, among the latest."""

    survey: str


class NoConsent(Rejection):
    """A campaign reaches those who allow marketing by that channel."""

    channel: str


class UnknownCampaign(Rejection):
    """Who responds to a campaign was reached by it, among the latest."""

    campaign: str


class ReferralNameTaken(Rejection):
    """A referral is of one customer, among the latest."""

    referral: str


Reason: TypeAlias = (
    InvalidScores | SurveyNameTaken | NoConsent | UnknownCampaign | ReferralNameTaken
)


# State


class Consent(Value):
    """What is allowed, and on which basis."""

    purpose: Purpose
    channel: Channel
    basis: Basis


class Campaign(Value):
    """A campaign that reached the customer, and what came of it."""

    name: str
    responses: tuple[Response, ...] = ()


class Relationship(Value):
    """What is allowed now; and the latest REMEMBERED_MAX surveys, campaigns and referrals."""

    consents: tuple[Consent, ...] = ()
    surveys: tuple[SurveyAnswered, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    referrals: tuple[ReferralMade, ...] = ()


def allows(known: Relationship, purpose: Purpose, channel: Channel) -> bool:
    """Tell whether personal data may be used for a purpose, by a channel."""
    return any((one.purpose, one.channel) == (purpose, channel) for one in known.consents)


def decide(command: Command, known: Relationship) -> tuple[Event, ...]:
    """Return what is allowed, said or done; what is so already is nothing to do."""
    match command:
        case GiveConsent(purpose=purpose, channel=channel, basis=basis):
            if Consent(purpose=purpose, channel=channel, basis=basis) in known.consents:
                return ()
            return (ConsentGiven(purpose=purpose, channel=channel, basis=basis),)
        case WithdrawConsent(purpose=purpose, channel=channel):
            given = allows(known, purpose, channel)
            return (ConsentWithdrawn(purpose=purpose, channel=channel),) if given else ()
        case AnswerSurvey():
            return _answered(command, known)
        case TouchByCampaign(campaign=name, channel=channel):
            require(allows(known, "marketing", channel), NoConsent(channel=channel))
            return (CampaignTouched(campaign=name, channel=channel),)
        case RespondToCampaign(campaign=name, response=response):
            campaign = next((one for one in known.campaigns if one.name == name), None)
            if response in found(campaign, UnknownCampaign(campaign=name)).responses:
                return ()
            return (CampaignResponded(campaign=name, response=response),)
        case MakeReferral(referral=name, referred_customer=referred):
            made = ReferralMade(referral=name, referred_customer=referred)
            if made in known.referrals:
                return ()
            taken = any(one.referral == name for one in known.referrals)
            require(not taken, ReferralNameTaken(referral=name))
            return (made,)
        case _:
            assert_never(command)


def evolve(known: Relationship, event: Event) -> Relationship:
    """Return the relationship after a fact."""
    match event:
        case ConsentGiven(purpose=purpose, channel=channel, basis=basis):
            consent = Consent(purpose=purpose, channel=channel, basis=basis)
            return replace(known, consents=(*_without(known, purpose, channel), consent))
        case ConsentWithdrawn(purpose=purpose, channel=channel):
            return replace(known, consents=_without(known, purpose, channel))
        case SurveyAnswered():
            return replace(known, surveys=(*known.surveys, event)[-REMEMBERED_MAX:])
        case CampaignTouched(campaign=name):
            if any(one.name == name for one in known.campaigns):
                return known
            campaigns = (*known.campaigns, Campaign(name=name))[-REMEMBERED_MAX:]
            return replace(known, campaigns=campaigns)
        case CampaignResponded(campaign=name, response=response):
            campaigns = tuple(
                replace(one, responses=(*one.responses, response)) if one.name == name else one
                for one in known.campaigns
            )
            return replace(known, campaigns=campaigns)
        case ReferralMade():
            return replace(known, referrals=(*known.referrals, event)[-REMEMBERED_MAX:])
        case _:
            assert_never(event)


def thread_of(event: Event) -> str:
    """Return what an event is about: one consent, survey, campaign or referral."""
    match event:
        case ConsentGiven(purpose=purpose, channel=channel):
            return f"consent {purpose} {channel}"
        case ConsentWithdrawn(purpose=purpose, channel=channel):
            return f"consent {purpose} {channel}"
        case SurveyAnswered(survey=name):
            return f"survey {name}"
        case CampaignTouched(campaign=name) | CampaignResponded(campaign=name):
            return f"campaign {name}"
        case ReferralMade(referral=name):
            return f"referral {name}"
        case _:
            assert_never(event)


def _answered(command: AnswerSurvey, known: Relationship) -> tuple[Event, ...]:
    count, least, most = SCALES[command.kind]
    right = len(command.scores) == count and all(least <= s <= most for s in command.scores)
    require(right, InvalidScores(kind=command.kind, scores=count, least=least, most=most))
    answered = SurveyAnswered(
        survey=command.survey,
        kind=command.kind,
        touchpoint=command.touchpoint,
        scores=command.scores,
    )
    if answered in known.surveys:
        return ()
    taken = any(one.survey == command.survey for one in known.surveys)
    require(not taken, SurveyNameTaken(survey=command.survey))
    return (answered,)


def _without(known: Relationship, purpose: Purpose, channel: Channel) -> tuple[Consent, ...]:
    return tuple(one for one in known.consents if (one.purpose, one.channel) != (purpose, channel))
