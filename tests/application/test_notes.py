"""Signed notes and keys are those of other programs: text for text, and in nobody else's name."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, NotProved
from crmcore.application.notes import (
    NOTE_CHARACTERS_MAX,
    Checkpoint,
    parsed_checkpoint,
    parsed_key,
    parsed_note,
    unsigned,
)
from crmcore.infrastructure.signing import opened, private_key, public, public_key, signed, vouched

# The example of the documentation of Go's package golang.org/x/mod/sumdb/note.
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNED = (
    f"{TEXT}\n\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
    "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
OTHER = "\N{EM DASH} witness.example.com/w AAAAAGZvbw==\n"

names = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="+"), min_size=1)
checkpoints = st.builds(
    Checkpoint,
    origin=names,
    size=st.integers(0, 10**18 - 1),
    root=st.binary(min_size=32, max_size=32),
)


def test_a_note_that_another_program_signed_is_read() -> None:
    assert vouched(SIGNED, public_key(VERIFIER)) == TEXT
    assert str(parsed_note(SIGNED)) == SIGNED
    assert str(parsed_key(VERIFIER)) == VERIFIER


def test_a_private_key_of_another_program_signs_as_it_does() -> None:
    key = private_key(SIGNER)
    assert (str(key), str(public(key))) == (SIGNER, VERIFIER)
    note = signed(Checkpoint(origin="PeterNeumann", size=7, root=bytes(32)), key)
    assert opened(note, public_key(VERIFIER)).size == 7
    assert note.startswith(
        "PeterNeumann\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\N{EM DASH} "
    )


@given(checkpoint=checkpoints)
def test_a_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint) -> None:
    assert parsed_checkpoint(str(checkpoint)) == checkpoint


def test_signatures_of_others_may_stand_beside_the_one_that_counts() -> None:
    assert vouched(SIGNED + OTHER, public_key(VERIFIER)) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        SIGNED.replace("answer", "solution"),
        SIGNED.replace("PeterNeumann", "PaulNeumann"),
        SIGNED.replace(" x08go", " y08go"),
        SIGNED.replace("JnAM=", "JnAN="),  # the same bytes, written in another way
        SIGNED.replace("JnAM=", "JnAM"),
        SIGNED.replace("/ZJk", "/ZJl"),
        SIGNED.replace("\n\n", "\n"),
        SIGNED.replace("\N{EM DASH}", "-"),
        SIGNED[:-1],
        SIGNED + "\n",
        SIGNED + "x\n",
        SIGNED.replace("think", "think\t"),
        TEXT + "\n" + OTHER,
        f"{TEXT}\n",
        "",
        TEXT * NOTE_CHARACTERS_MAX + SIGNED,
    ],
)
def test_what_was_altered_is_not_what_was_signed(note: str) -> None:
    with pytest.raises(NotProved):
        vouched(note, public_key(VERIFIER))


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\nAAAA\n",
        "a\n01\n" + "A" * 43 + "=\n",
        "a\n-1\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=\nmore\n",
        "a b\n1\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=",
        "a\n",
        "",
    ],
)
def test_what_is_no_checkpoint_is_not_read(text: str) -> None:
    with pytest.raises(NotProved, match="this is no checkpoint"):
        parsed_checkpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        VERIFIER.replace("c74f20a3", "c74f20a4"),
        VERIFIER.replace("Peter", "Paul"),
        VERIFIER.replace("+A", "+B"),
        VERIFIER[:-4],
        "PeterNeumann",
        "",
        SIGNER,
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(NotProved):
        public_key(text)


@pytest.mark.parametrize("text", [VERIFIER, SIGNER.replace("c74f20a3", "c74f20a4"), "x", ""])
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(NotProved):
        private_key(text)


def test_a_key_tells_nothing_of_what_is_secret() -> None:
    assert repr(private_key(SIGNER)) == "Key(name='PeterNeumann', secret=True)"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "x" * 201])
def test_a_key_has_a_name_that_fits_into_a_line(name: str) -> None:
    with pytest.raises(NotProved, match="is no name of a key"):
        CRM.new_key(name)


def test_a_checkpoint_of_another_log_is_not_taken_for_ones_own() -> None:
    note = signed(Checkpoint(origin="other", size=7, root=bytes(32)), private_key(SIGNER))
    assert unsigned(note).origin == "other"
    with pytest.raises(NotProved, match="a checkpoint of other, signed by PeterNeumann"):
        opened(note, public_key(VERIFIER))


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from crmcore import CRM, AuditMissing
from crmcore.application.notes import unsigned
note = sys.argv[1]
assert CRM.in_memory().verify(checkpoints=[note]).problems == ()
try:
    CRM.in_memory().verify(checkpoints=[note], key=sys.argv[2])
except AuditMissing as error:
    print(error)
"""


def test_without_the_library_for_signatures_that_is_what_is_said() -> None:
    crm = CRM.in_memory()
    private, verifier = CRM.new_key("log")
    note = crm.checkpoint(private)
    command = [sys.executable, "-c", WITHOUT, note, verifier]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"install `crmcore\[audit\]`", ran.stdout)
