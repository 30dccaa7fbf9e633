"""An event-sourced CRM core to embed: commands in, facts and answers for any date out."""

from crmcore.application.consumer import Consumer, Delivered, Parked
from crmcore.application.evidence import Proven
from crmcore.application.handle import InvalidCommand, Receipt
from crmcore.application.journal import (
    CommandReused,
    Conflict,
    CorruptFact,
    Forbidden,
    NotSettled,
    SchemaMissing,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
    StoreFull,
    TimedOut,
    Unreachable,
)
from crmcore.application.merkle import NotProved
from crmcore.application.tree_check import Forked
from crmcore.application.verification import Problem, Verification
from crmcore.crm import CRM, NotFound, Rebuilt, ValueAnswer
from crmcore.domain.act import Act
from crmcore.domain.money import Money, parse_money
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.domain.value import CRMError, Rejected, Rejection
from crmcore.infrastructure.signing import AuditMissing
from crmcore.policies import InvalidPolicy, Policies
from crmcore.projections.projection import Answer, DisorderedLog
from crmcore.projections.summary import Summary

__all__ = [
    "CRM",
    "Act",
    "Answer",
    "AuditMissing",
    "CRMError",
    "CommandReused",
    "Conflict",
    "Consumer",
    "CorruptFact",
    "Delivered",
    "DisorderedLog",
    "Fact",
    "Forbidden",
    "Forked",
    "InvalidCommand",
    "InvalidPolicy",
    "Money",
    "NotFound",
    "NotProved",
    "NotSettled",
    "Parked",
    "Policies",
    "Problem",
    "Proven",
    "Rebuilt",
    "Receipt",
    "Recorded",
    "Rejected",
    "Rejection",
    "SchemaMissing",
    "SchemaTooNew",
    "SchemaTooOld",
    "StoreError",
    "StoreFull",
    "Stream",
    "Summary",
    "TimedOut",
    "Unreachable",
    "ValueAnswer",
    "Verification",
    "parse_money",
]
