"""Time zones by their names, and days at the end of the calendar."""

from datetime import UTC, date

import pytest

from crmcore.domain.calendar import LAST_DAY, add_months, zone


def test_the_zone_of_the_world_is_pythons_own() -> None:
    assert zone("UTC") is UTC


@pytest.mark.parametrize("name", ["Europe/Atlantis", "Europe", "../etc/passwd", ""])
def test_what_is_no_time_zone_is_said_in_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match="there is no") as refused:
        zone(name)
    assert str(refused.value) == f"there is no time zone {name!r} on this system"


def test_months_end_with_the_last_year_that_there_is() -> None:
    assert add_months(date(9998, 1, 15), 6) == date(9998, 7, 15)
    assert add_months(date(9998, 7, 15), 6) == LAST_DAY
