"""Whatever comes in at whichever door: it is refused by a typed error, and before it costs much."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crmcore import CRM, CRMError, InvalidCommand
from crmcore.application.bounded import CHARACTERS_MAX, DEPTH_MAX, VALUES_MAX, why_not
from crmcore.cli import app
from crmcore.domain import customer
from crmcore.domain.money import parse_money
from crmcore.intake import InvalidFile
from tests.bombs import ADA, CELLS, DOORS, TALK, bombs, crm, import_cell, nested

MESSAGE_MAX = 700
USAGE = 2


@pytest.mark.parametrize("door", DOORS)
def test_a_bomb_is_refused_by_a_typed_error_in_a_few_words(door: str) -> None:
    before = crm().position()
    for bomb, value in bombs(door).items():
        said = ""
        try:
            DOORS[door](value)
        except CRMError as refusal:
            said = str(refusal)
        assert 0 < len(said) <= MESSAGE_MAX, f"{bomb}: {said[:200]!r}"
    assert crm().position() == before


@pytest.mark.parametrize("column", ["sale", "customer", "day", "amount", "product"])
@pytest.mark.parametrize("bomb", CELLS)
def test_a_cell_does_no_more_than_fail_its_row_or_its_file(
    bomb: str, column: str, tmp_path: Path
) -> None:
    if len(CELLS[bomb]) > 131_072 or bomb == "half a character":  # what a csv file cannot have
        with pytest.raises(InvalidFile) as caught:
            import_cell(CELLS[bomb], column, tmp_path)
        assert len(str(caught.value)) <= MESSAGE_MAX
        return
    report = import_cell(CELLS[bomb], column, tmp_path)
    assert report.rows == 1
    assert all(len(error.reason) <= MESSAGE_MAX for error in report.errors)
    if column in {"day", "amount"}:
        assert (report.facts, len(report.errors)) == (0, 1)


LONG = "9" * 100_000


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", LONG],
        ["show", "a\ud800"],
        ["show", "a\0b"],
        ["history", f"ticket:{LONG}"],
        ["history", "ticket:\ud800"],
        ["summary", "--as-of", LONG],
        ["summary", "--as-of", "99999-01-01"],
        ["summary", "--as-of", "9999-12-31T23:59:59.999999+00:00"],
        ["summary", "--as-of", "2026-01-01T00:00"],
        ["summary", "--known-at", LONG],
        ["summary", "--known-at", "-1"],
        ["summary", "--known-at", "9" * 18],
        ["feed", "--after", LONG],
        ["feed", "--after", "9" * 20],
        ["security", LONG],
        ["policy", "show", LONG],
        ["policy", "show", "\ud800"],
        ["policy", "check", LONG],
        ["policy", "check", "a\0b"],
        ["policy", "diff", "shipped", LONG],
        ["import", LONG, "x.csv"],
        ["import", "a\0b", "x.csv"],
        ["import", "cdnow", LONG],
        ["import", "cdnow", "a\0b"],
    ],
    ids=lambda arguments: " ".join(one[:12] for one in arguments).encode(errors="replace").decode(),
)
def test_an_argument_is_refused_with_a_sentence_and_a_status(
    arguments: list[str], store: str
) -> None:
    needs_store = arguments[0] != "policy"
    place = ["--store", store] if needs_store else []
    done = CliRunner().invoke(app, [*arguments, *place])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code in ({0} if arguments[0] == "security" else {1, 2})
    assert len(done.output) < 3_000 or done.exit_code == USAGE


@pytest.fixture
def store(postgres_url: str) -> str:
    CRM.migrate(postgres_url)
    return postgres_url


# The work is bounded, not the time: what is too much is not looked at


class Unseen(list[Any]):
    """A list that nobody may look into."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("somebody looked")


class Counted(dict[str, Any]):
    """A mapping that counts what of it is looked at."""

    seen = 0

    def keys(self) -> Any:  # noqa: ANN401 - an iterator is enough
        for key in super().__iter__():
            self.seen += 1
            yield key


def test_a_list_that_is_too_long_is_not_looked_into() -> None:
    assert why_not(Unseen([1] * (VALUES_MAX + 1))) == "it has more than 10000 values"
    assert why_not([1] * VALUES_MAX) is None


def test_of_a_mapping_no_more_is_looked_at_than_is_allowed() -> None:
    many = Counted({str(number): number for number in range(3 * VALUES_MAX)})
    assert why_not(many) == "it has more than 10000 values"
    assert many.seen <= VALUES_MAX + 2


def test_values_count_wherever_they_are() -> None:
    assert why_not([[1] * 4_000] * 2) is None
    assert why_not([[1] * 4_000] * 3) == "it has more than 10000 values"


def test_characters_count_wherever_they_are() -> None:
    assert why_not(["x" * 50_000] * 2) is None
    assert why_not(["x" * 50_000, "x" * 50_001]) == "it has more than 100000 characters"
    assert CHARACTERS_MAX == 100_000


def test_depth_is_bounded() -> None:
    assert why_not(nested(DEPTH_MAX - 1)) is None
    assert why_not(nested(DEPTH_MAX)) == "it is nested deeper than 20 times"


def test_numbers_of_sixty_four_bits_are_looked_at_and_longer_ones_are_not() -> None:
    assert why_not(2**64 - 1) is None
    assert why_not(-(2**64)) == "it has a number of more than 64 bits"


def test_a_numeral_that_is_too_long_is_no_amount() -> None:
    assert parse_money(" " * 90 + "5", "USD").minor == 500
    with pytest.raises(ValueError, match="is not an amount"):
        parse_money(" " * 100 + "5", "USD")


def test_an_act_has_so_many_commands_and_roles_at_most() -> None:
    made = crm()
    for commands in ([(TALK, ADA)] * 1_001, [TALK], [(TALK,)], [[TALK, ADA]]):
        asked: Any = commands
        with pytest.raises(InvalidCommand):
            made.do_all(asked, act=made.act("ann"))
    made.act("ann", roles=[f"r{n}" for n in range(100)])
    for roles in ([f"r{n}" for n in range(101)], "general_manager", [1], None):
        some: Any = roles
        with pytest.raises(InvalidCommand):
            made.act("ann", roles=some)


def test_a_date_that_is_no_business_day_is_refused_and_the_edges_are_not() -> None:
    made = crm()
    for day in (date(2, 1, 1), date(9998, 12, 31)):
        assert made.lifecycle(ADA, as_of=day) is None or day.year > 2_000
    for day in (date.min, date.max):
        with pytest.raises(InvalidCommand):
            made.act("ann", effective_at=day)


def test_what_passes_is_bounded_by_its_type() -> None:
    made = crm()
    with pytest.raises(InvalidCommand, match=r"length <= 4000"):
        made.do(
            customer.LogInteraction(channel="chat", summary="x" * 4_001),
            to=ADA,
            act=made.act("ann"),
        )
