"""Signed checkpoints as text: so many facts, the root of their tree, and who vouches for it.

The text is a C2SP tlog-checkpoint in a C2SP signed-note, as the logs of Go and of certificates use
them; a key is written as Go's package `note` does. Nothing here signs or checks a signature.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha256

from crmcore.application.merkle import NotProved
from crmcore.domain.value import Value

NOTE_CHARACTERS_MAX = 10_000
SHOWN_MAX = 100
ED25519 = b"\x01"
KEY_ID_BYTES = 4

_PRIVATE = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_ROOT_BYTES = KEY_BYTES = 32
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE = re.compile(r"\u2014 ([^\s+]+) (\S+)")


class Checkpoint(Value):
    """What a log was at some time: how many facts, and the root of the tree over them.

    `origin` names the log, for ever.
    """

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{_text64(self.root)}\n"


class Key(Value):
    """A key of Ed25519: whose it is, and either its public or its private part."""

    name: str
    id: bytes
    secret: bool
    value: bytes

    def __repr__(self) -> str:
        """Return whose it is, and nothing of what is secret."""
        return f"Key(name={self.name!r}, secret={self.secret})"

    def __str__(self) -> str:
        """Return the key as text."""
        start = _PRIVATE if self.secret else ""
        return f"{start}{self.name}+{self.id.hex()}+{_text64(ED25519 + self.value)}"


class Signature(Value):
    """What somebody made of a text with a private key."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """Return the line that stands under the text."""
        return f"\u2014 {self.name} {_text64(self.key_id + self.value)}\n"


class Note(Value):
    """A text, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """Return all of it as text."""
        return "\n".join([self.text, "".join(map(str, self.signatures))])


def key_id(name: str, public: bytes) -> bytes:
    """Return what tells keys of one name apart."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_ID_BYTES]


def require_name(name: str) -> str:
    """Return a name that a key may have; raise NotProved if it may not."""
    if not _NAME.fullmatch(name):
        raise NotProved(f"{name[:SHOWN_MAX]!r} is no name of a key: no spaces, and no plus")
    return name


def parsed_key(text: str) -> Key:
    """Return the key of a text; raise NotProved if it is none."""
    line = text.strip()
    secret = line.startswith(_PRIVATE)
    name, _, rest = line.removeprefix(_PRIVATE).partition("+")
    named, _, written = rest.partition("+")
    raw = _bytes64(written) if len(line) <= NOTE_CHARACTERS_MAX else None
    if not (_NAME.fullmatch(name) and re.fullmatch(r"[0-9a-f]{8}", named) and raw):
        raise NotProved("this is no key such as `crmcore keygen` makes")
    if raw[:1] != ED25519 or len(raw) != 1 + KEY_BYTES:
        raise NotProved("this is no key of Ed25519")
    key = Key(name=name, id=bytes.fromhex(named), secret=secret, value=raw[1:])
    if not secret and key.id != key_id(name, key.value):
        raise NotProved("this key is not what it was: its name or its bytes were altered")
    return key


def parsed_note(text: str) -> Note:
    """Return the parts of a signed text; raise NotProved if it is none."""
    said, blank, below = text.rpartition("\n\n")
    lines = below.split("\n")
    found = [_SIGNATURE.fullmatch(line) for line in lines[:-1]]
    if not (blank and found and all(found)) or lines[-1] or _CONTROL.search(text):
        raise NotProved("this is no signed note")
    if len(text) > NOTE_CHARACTERS_MAX:
        raise NotProved(f"a note has {NOTE_CHARACTERS_MAX} characters at most")
    signatures = tuple(_signature(*match.groups()) for match in found if match)
    return Note(text=f"{said}\n", signatures=signatures)


def parsed_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that a text, without signatures, is; raise NotProved if it is none."""
    origin, *lines = text.split("\n")
    root = _bytes64(lines[1]) if len(lines) > 1 else None
    if not (_NAME.fullmatch(origin) and root is not None and len(root) == _ROOT_BYTES):
        raise NotProved("this is no checkpoint")
    if not _SIZE.fullmatch(lines[0]) or lines[2:] != [""]:
        raise NotProved("this is no checkpoint of ours")
    return Checkpoint(origin=origin, size=int(lines[0]), root=root)


def unsigned(note: str) -> Checkpoint:
    """Return the checkpoint of a signed note without a look at who signed it."""
    return parsed_checkpoint(parsed_note(note).text)


def _signature(name: str, written: str) -> Signature:
    raw = _bytes64(written)
    if raw is None or len(raw) <= KEY_ID_BYTES:
        raise NotProved("this is no signed note: a signature cannot be read")
    return Signature(name=name, key_id=raw[:KEY_ID_BYTES], value=raw[KEY_ID_BYTES:])


def _text64(value: bytes) -> str:
    return b64encode(value).decode()


def _bytes64(text: str) -> bytes | None:
    """Return the bytes of a text that is theirs alone; None if it is none's."""
    try:
        value = b64decode(text, validate=True)
    except (Error, ValueError):
        return None
    return value if _text64(value) == text else None
