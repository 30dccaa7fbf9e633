"""What other programs may build on: the public names, each explained, each example true."""

import doctest
import importlib
import pkgutil

import pytest

import crmcore

PUBLIC = [
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
FOUND = pkgutil.walk_packages(crmcore.__path__, "crmcore.", onerror=lambda _: None)
MODULES = sorted(
    {module.name for module in FOUND}
    - {"crmcore.__main__", "crmcore.infrastructure._keeper"}  # programs
)


def test_the_public_names_are_these() -> None:
    assert crmcore.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_explained(name: str) -> None:
    assert getattr(crmcore, name).__doc__


@pytest.mark.parametrize("method", [name for name in vars(crmcore.CRM) if not name.startswith("_")])
def test_a_public_method_is_explained(method: str) -> None:
    assert getattr(crmcore.CRM, method).__doc__


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0
