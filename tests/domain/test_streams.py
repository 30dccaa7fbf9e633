"""Streams: what they are called."""

from uuid import UUID

from crmcore.domain.recorded import Stream


def test_a_stream_is_called_by_its_kind_and_its_id() -> None:
    stream = Stream(kind="ticket", id=UUID(int=7))
    assert str(stream) == "ticket:00000000-0000-0000-0000-000000000007"
