"""What somebody means to do about a customer, by when, and what came of it."""

from datetime import date
from typing import TypeAlias, assert_never

from crmcore.domain.act import Act
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.value import Note, Ref, Rejection, Text, Value, found, require

# Commands


class PlanFollowUp(Value, tag="customer.plan_follow_up"):
    """Say what is to be done about the customer, and by which day."""

    follow_up: Ref
    due_on: date
    what: Note


class CompleteFollowUp(Value, tag="customer.complete_follow_up"):
    """Say that it was done, and what came of it."""

    follow_up: Ref
    outcome: Note


Command: TypeAlias = PlanFollowUp | CompleteFollowUp


# Events


class FollowUpPlanned(Value, tag="customer.follow_up_planned"):
    """Something is to be done about the customer by a day."""

    follow_up: Ref
    due_on: date
    what: Note
    planned_by: Text


class FollowUpDone(Value, tag="customer.follow_up_done"):
    """It was done."""

    follow_up: Ref
    outcome: Note


Event: TypeAlias = FollowUpPlanned | FollowUpDone


# Rejections


class FollowUpNameTaken(Rejection):
    """A follow-up has a name of its own, among those that are open and the latest done."""

    follow_up: str


class UnknownFollowUp(Rejection):
    """What was done was planned, and is done once."""

    follow_up: str


Reason: TypeAlias = FollowUpNameTaken | UnknownFollowUp


# State


class FollowUp(Value):
    """What is to be done by a day, or was done."""

    name: str
    due_on: date
    done: bool = False


FollowUps: TypeAlias = tuple[FollowUp, ...]  # all that are open, and the latest REMEMBERED_MAX done


def missed(follow_ups: FollowUps, day: date) -> FollowUps:
    """Return what should have been done before a day, and was not."""
    return tuple(one for one in follow_ups if not one.done and one.due_on < day)


def decide(command: Command, follow_ups: FollowUps, act: Act) -> tuple[Event, ...]:
    """Return what is planned or done."""
    known = next((one for one in follow_ups if one.name == command.follow_up), None)
    match command:
        case PlanFollowUp(follow_up=name, due_on=due_on, what=what):
            require(known is None, FollowUpNameTaken(follow_up=name))
            planned = FollowUpPlanned(follow_up=name, due_on=due_on, what=what, planned_by=act.by)
            return (planned,)
        case CompleteFollowUp(follow_up=name, outcome=outcome):
            unknown = UnknownFollowUp(follow_up=name)
            require(not found(known, unknown).done, unknown)
            return (FollowUpDone(follow_up=name, outcome=outcome),)
        case _:
            assert_never(command)


def evolve(follow_ups: FollowUps, event: Event) -> FollowUps:
    """Return what is to be done after a fact; of what was done the latest stays."""
    others = tuple(one for one in follow_ups if one.name != event.follow_up)
    match event:
        case FollowUpPlanned(follow_up=name, due_on=due_on):
            return (*others, FollowUp(name=name, due_on=due_on))
        case FollowUpDone(follow_up=name):
            due = next((one.due_on for one in follow_ups if one.name == name), date.min)
            after = (*others, FollowUp(name=name, due_on=due, done=True))
            done = [one.name for one in after if one.done]
            gone = set(done[:-REMEMBERED_MAX])
            return tuple(one for one in after if one.name not in gone)
        case _:
            assert_never(event)
