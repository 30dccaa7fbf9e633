"""An event-sourced CRM core to embed: commands in, facts and answers for any date out."""

from crmcore.application.handle import InvalidCommand, Receipt
from crmcore.application.journal import (
    CommandReused,
    Conflict,
    CorruptFact,
    SchemaMissing,
    SchemaTooNew,
    StoreError,
    Unreachable,
)
from crmcore.crm import CRM, NotFound, Rebuilt, ValueAnswer
from crmcore.domain.act import Act
from crmcore.domain.money import Money, parse_money
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import CRMError, Rejected, Rejection
from crmcore.policies import InvalidPolicy, Policies
from crmcore.projections.projection import Answer
from crmcore.projections.summary import Summary

__all__ = [
    "CRM",
    "Act",
    "Answer",
    "CRMError",
    "CommandReused",
    "Conflict",
    "CorruptFact",
    "InvalidCommand",
    "InvalidPolicy",
    "Money",
    "NotFound",
    "Policies",
    "Rebuilt",
    "Receipt",
    "Recorded",
    "Rejected",
    "Rejection",
    "SchemaMissing",
    "SchemaTooNew",
    "StoreError",
    "Stream",
    "Summary",
    "Unreachable",
    "ValueAnswer",
    "parse_money",
]
