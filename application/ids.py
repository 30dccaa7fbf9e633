"""Names of other systems as ids of ours: the same name is always the same id."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0d3c64-5a3e-5b0f-9c55-1f7a3f4f2f10")


def aggregate_id(kind: str, source: str, key: str) -> UUID:
    """Return the id of an aggregate that another system knows by a key (RFC 9562, version 5)."""
    return uuid5(_NAMESPACE, f"{kind}/{source}/{key}")


def refused_id(command: UUID) -> UUID:
    """Return the id under which it is kept that a command was refused, however often it is."""
    return uuid5(_NAMESPACE, f"refused/{command}")


def command_id(source: str, row: str, command: str) -> UUID:
    """Return the id of the command that a row of a source stands for, however often it is read."""
    return uuid5(_NAMESPACE, f"command/{source}/{row}/{command}")
