"""A customer's history proves itself, and nothing in it can be altered."""

import json
from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Any
from uuid import UUID

import pytest

from crmcore import CRM, NotFound, NotProved, Proven, Stream
from crmcore.application.notes import unsigned
from crmcore.domain import customer, opportunity

SEED = 962
MUTATIONS = 10_000
ADA, BEN, DEAL = UUID(int=1), UUID(int=2), UUID(int=3)
PRIVATE, PUBLIC = CRM.new_key("example.com/crm")


@pytest.fixture(params=["memory", "postgres"])
def crm(request: pytest.FixtureRequest) -> Iterator[CRM]:
    """A log in which two customers take turns, and one of them has a deal."""
    if request.param == "memory":
        made = CRM.in_memory()
    else:
        url = request.getfixturevalue("postgres_url")
        CRM.migrate(url)
        made = CRM.open(url)
    with closing(made) as crm:
        yield filled(crm)


def filled(crm: CRM) -> CRM:
    for who, name in ((ADA, "Ada"), (BEN, "Ядвига")):
        registered = customer.Register(code=name, name=name, kind="person")
        crm.do(registered, to=who, act=crm.act("ann", because="trade fair"))
    crm.do(opportunity.Open(title="Ten chairs", customer=BEN), to=DEAL, act=crm.act("ann"))
    for number in range(6):
        talk = customer.LogInteraction(channel="phone", summary=f"call {number}")
        crm.do(talk, to=(ADA, BEN)[number % 2], act=crm.act("ben"))
    return crm


def rewritten(found: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a bundle as `prove` writes it."""
    return (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()


def refused(bundle: bytes) -> bool:
    try:
        CRM.check_proof(bundle, key=PUBLIC)
    except NotProved:
        return True
    return False


def test_what_is_proved_are_all_streams_of_the_customer_and_no_others(crm: CRM) -> None:
    note = crm.checkpoint(PRIVATE)
    bundle = crm.prove(BEN, checkpoint=note)
    assert CRM.check_proof(bundle, key=PUBLIC) == Proven(
        origin="example.com/crm",
        size=9,
        customer=BEN,
        facts=5,
        streams=(Stream(kind="customer", id=BEN), Stream(kind="opportunity", id=DEAL)),
    )
    facts = json.loads(bundle)["facts"]
    assert [fact["position"] for fact in facts] == [2, 3, 5, 7, 9]
    assert json.loads(facts[0]["payload"])["name"] == "Ядвига"
    assert facts[0]["reason"] == "trade fair"


def test_a_proof_is_of_what_a_checkpoint_covers_and_stays_true(crm: CRM) -> None:
    note = crm.checkpoint(PRIVATE)
    before = crm.prove(ADA, checkpoint=note)
    talk = customer.LogInteraction(channel="phone", summary="later")
    crm.do(talk, to=ADA, act=crm.act("ben"))
    assert crm.prove(ADA, checkpoint=note) == before
    newer = crm.checkpoint(PRIVATE, extends=note)
    after = CRM.check_proof(crm.prove(ADA, checkpoint=newer), key=PUBLIC)
    assert (CRM.check_proof(before, key=PUBLIC).facts, after.facts) == (4, 5)


def test_there_is_a_proof_for_each_of_many_sizes() -> None:
    crm = CRM.in_memory()
    notes = list[str]()
    for number in range(40):
        talk = customer.LogInteraction(channel="phone", summary=str(number))
        register = customer.Register(code="a", name="Ada", kind="person")
        crm.do(talk if number else register, to=ADA, act=crm.act("ann"))
        notes.append(crm.checkpoint(PRIVATE, extends=notes[-1] if notes else None))
    proofs = [crm.prove(ADA, checkpoint=note) for note in notes]
    assert [CRM.check_proof(one, key=PUBLIC).facts for one in proofs] == list(range(1, 41))
    assert crm.verify(checkpoints=notes, key=PUBLIC).problems == ()


def test_nobody_is_proved_of_whom_nothing_is_known(crm: CRM) -> None:
    note = crm.checkpoint(PRIVATE)
    with pytest.raises(NotFound, match="nothing was known about the customer"):
        crm.prove(UUID(int=9), checkpoint=note)


def test_a_log_of_nothing_can_be_signed_too() -> None:
    crm = CRM.in_memory()
    note = crm.checkpoint(PRIVATE)
    assert unsigned(note).size == 0
    assert crm.verify(checkpoints=[note], key=PUBLIC).problems == ()
    assert unsigned(filled(crm).checkpoint(PRIVATE, extends=note)).size == 9
    other = note.replace("\n0\n4", "\n0\n5")
    assert [one.position for one in crm.verify(checkpoints=[other]).problems] == [1]


def test_a_proof_is_signed_by_who_is_trusted(crm: CRM) -> None:
    bundle = crm.prove(ADA, checkpoint=crm.checkpoint(PRIVATE))
    _, other = CRM.new_key("example.com/crm")
    with pytest.raises(NotProved, match="nobody signed this"):
        CRM.check_proof(bundle, key=other)
    with pytest.raises(NotProved, match="this is a private key"):
        CRM.check_proof(bundle, key=PRIVATE)


def test_no_bundle_with_bytes_altered_is_accepted() -> None:
    crm = filled(CRM.in_memory())
    bundle = crm.prove(ADA, checkpoint=crm.checkpoint(PRIVATE))
    chance = Random(SEED)  # noqa: S311 - to repeat
    assert not refused(bundle)
    assert [n for n in range(MUTATIONS) if not refused(altered(chance, bundle))] == []


def altered(chance: Random, data: bytes) -> bytes:
    """Return other bytes than these, and almost the same."""
    made, place = data, chance.randrange(len(data))
    while made == data:
        end = min(place + chance.randrange(1, 40), len(data))
        match chance.randrange(5):
            case 0:
                middle = bytes([data[place] ^ 1 << chance.randrange(8)])
                end = place + 1
            case 1:
                middle = b""
            case 2:
                middle = data[place:end] + data[place:end]
            case 3:
                middle = data[place:end][::-1]
            case _:
                middle = bytes([chance.randrange(256)])
                end = place + chance.randrange(2)
        made = data[:place] + middle + data[end:]
    return made


def test_no_bundle_that_says_something_else_is_accepted() -> None:
    crm = filled(CRM.in_memory())
    bundle = crm.prove(BEN, checkpoint=crm.checkpoint(PRIVATE))
    foreign = json.loads(crm.prove(ADA, checkpoint=crm.checkpoint(PRIVATE)))
    assert rewritten(json.loads(bundle)) == bundle
    chance, accepted = Random(SEED), list[bytes]()  # noqa: S311 - to repeat
    for _ in range(2_000):
        found = json.loads(bundle)
        restated(chance, found, foreign["facts"])
        if found != json.loads(bundle) and not refused(rewritten(found)):
            accepted.append(rewritten(found))
    assert accepted == []


def restated(chance: Random, found: dict[str, Any], foreign: list[dict[str, Any]]) -> None:
    """Let a bundle say something else, in a form that is right."""
    facts, other = found["facts"], chance.choice(foreign)
    fact = chance.choice(facts)
    name = chance.choice([name for name in fact if name != "proof"])
    match chance.randrange(8):
        case 0:
            found["customer"] = str(ADA)
        case 1:
            fact[name] = other[name]
        case 2:
            fact["proof"] = chance.choice([other["proof"], fact["proof"][:-1], fact["proof"][::-1]])
        case 3:
            facts.insert(chance.randrange(len(facts) + 1), chance.choice([fact, other]))
        case 4:
            chance.shuffle(facts)
        case 5:
            del facts[0]  # not the end of a stream, and no whole one: see below
        case 6 if isinstance(fact[name], int):
            fact[name] += chance.choice([-1, 1, 2**15, 2**31, 2**63])
        case 6 if isinstance(fact[name], str):
            fact[name] = chance.choice([fact[name][::-1], "", "\0", fact[name] + " "])
        case _:
            fact[name] = None


@pytest.mark.parametrize("offset", ["+00:00", "-00:00", "+02:00"])
def test_a_time_is_written_in_one_way_only(offset: str) -> None:
    crm = filled(CRM.in_memory())
    found = json.loads(crm.prove(ADA, checkpoint=crm.checkpoint(PRIVATE)))
    said = found["facts"][0]["recorded_at"]
    hours = (int(said[11:13]) + int(offset[1:3])) % 24
    found["facts"][0]["recorded_at"] = f"{said[:11]}{hours:02}{said[13:-1]}{offset}"
    assert refused(rewritten(found))


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"format": "x"}'])
def test_what_is_no_bundle_is_not_accepted(data: bytes) -> None:
    with pytest.raises(NotProved, match="this is no bundle"):
        CRM.check_proof(data, key=PUBLIC)


@pytest.mark.parametrize("text", [rb"\ud800", rb"\u0000", b"\xff"])
def test_what_is_no_text_is_not_accepted(text: bytes) -> None:
    crm = filled(CRM.in_memory())
    bundle = crm.prove(ADA, checkpoint=crm.checkpoint(PRIVATE))
    assert refused(bundle.replace(b"trade fair", text))


@pytest.mark.parametrize(("left_out", "facts"), [(-1, 4), (1, 4)])
def test_a_bundle_does_not_show_that_an_end_or_a_whole_stream_was_left_out(
    left_out: int, facts: int
) -> None:
    """What is there is proved, and that nothing is missing before it; the page says so."""
    crm = filled(CRM.in_memory())
    found = json.loads(crm.prove(BEN, checkpoint=crm.checkpoint(PRIVATE)))
    del found["facts"][left_out]
    assert CRM.check_proof(rewritten(found), key=PUBLIC).facts == facts
