"""Ed25519 signatures under checkpoints; needs the library `cryptography`, the extra `audit`."""

from typing import TYPE_CHECKING, Any

from crmcore.application.merkle import NotProved
from crmcore.application.notes import (
    Checkpoint,
    Key,
    Note,
    Signature,
    key_id,
    parsed_checkpoint,
    parsed_key,
    parsed_note,
    require_name,
)
from crmcore.domain.value import CRMError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class AuditMissing(CRMError):
    """The library that signs and checks signatures is not installed."""


def new_key(name: str) -> Key:
    """Return a new private key, under the name of the log that it signs for."""
    require_name(name)
    made: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.generate()
    return _private(name, made)


def public(key: Key) -> Key:
    """Return the public part of a private key."""
    value = _signing(key).public_key().public_bytes_raw()
    return Key(name=key.name, id=key_id(key.name, value), secret=False, value=value)


def private_key(text: str) -> Key:
    """Return the private key of a text; raise NotProved if it is none."""
    key = parsed_key(text)
    if not key.secret or public(key).id != key.id:
        raise NotProved("this is no private key such as `crmcore keygen` makes")
    return key


def public_key(text: str) -> Key:
    """Return the public key of a text; raise NotProved if it is none."""
    key = parsed_key(text)
    if key.secret:
        raise NotProved("this is a private key: give the public one, and keep this one to yourself")
    return key


def signed(checkpoint: Checkpoint, key: Key) -> str:
    """Return a checkpoint with a signature under it."""
    text = str(checkpoint)
    value = _signing(key).sign(text.encode())
    signature = Signature(name=key.name, key_id=key.id, value=value)
    return str(Note(text=text, signatures=(signature,)))


def opened(note: str, key: Key) -> Checkpoint:
    """Return the checkpoint of a note that a public key vouches for; raise NotProved else."""
    checkpoint = parsed_checkpoint(vouched(note, key))
    if checkpoint.origin != key.name:
        raise NotProved(f"this is a checkpoint of {checkpoint.origin}, signed by {key.name}")
    return checkpoint


def vouched(note: str, key: Key) -> str:
    """Return the text of a note that a public key vouches for; raise NotProved else.

    Signatures of others may stand under it, and are not looked at.
    """
    trusted = _ed25519().Ed25519PublicKey.from_public_bytes(key.value)
    from cryptography.exceptions import InvalidSignature

    found = parsed_note(note)
    own = [one.value for one in found.signatures if (one.name, one.key_id) == (key.name, key.id)]
    if not own:
        raise NotProved(f"nobody signed this as {key.name} with that key")
    try:
        for signature in own:
            trusted.verify(signature, found.text.encode())
    except InvalidSignature:
        raise NotProved(f"the signature of {key.name} is not under this text") from None
    return found.text


def _private(name: str, made: "Ed25519PrivateKey") -> Key:
    value = made.public_key().public_bytes_raw()
    return Key(name=name, id=key_id(name, value), secret=True, value=made.private_bytes_raw())


def _signing(key: Key) -> "Ed25519PrivateKey":
    made: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.from_private_bytes(key.value)
    return made


def _ed25519() -> Any:  # noqa: ANN401 - a module
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise AuditMissing("signatures need one library more: install `crmcore[audit]`") from error
    return ed25519
