"""A proxy before a PostgreSQL server that cuts connections, or swallows all that they carry."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from select import select
from threading import Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

CHUNK_BYTES = 65_536
POLL_S = 0.05
PROTOCOL_3 = 3 << 16


class Cut(NamedTuple):
    """When to cut: at a statement with this text, after the server's reply or without waiting."""

    text: bytes
    replied: bool


class Proxy:
    """Listens on a free port of this machine and forwards to an embedded server's socket.

    While it is `dark` it takes everything and passes on nothing, as a network does that lost its
    way. To the client's system all looks well: what it sends is received.
    """

    def __init__(self, url: str) -> None:
        self.cuts = 0
        self.dark = False
        self._cut: Cut | None = None
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
        host, port = self._listener.getsockname()
        self.url = f"postgresql://{parts.username}@{host}:{port}{parts.path}"
        self._target = f"{asked['host'][0]}/.s.PGSQL.{asked['port'][0]}"
        self._threads = [Thread(target=self._accept)]
        self._open = True

    def cut_at(self, text: bytes, *, replied: bool) -> None:
        """Cut the next connection on which the server has received a statement with this text."""
        with self._lock:
            self._cut = Cut(text, replied)

    def __enter__(self) -> Self:
        """Start."""
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all connections."""
        self._open = False
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            if select([self._listener], [], [], POLL_S)[0]:
                client, _ = self._listener.accept()
                thread = Thread(target=self._carry, args=[client])
                self._threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        conversation = Conversation()
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._target)
            while self._open:
                for ready in select([client, server], [], [], POLL_S)[0]:
                    data = ready.recv(CHUNK_BYTES)
                    if not data:
                        return
                    if self.dark:
                        continue
                    if ready is server:
                        client.sendall(data)
                        continue
                    server.sendall(data)
                    if cut := self._due(conversation.carried_out(data)):
                        if cut.replied:
                            server.recv(CHUNK_BYTES)
                        return

    def _due(self, statements: Iterator[bytes]) -> Cut | None:
        """Return how to cut if one of these statements is the one to cut at."""
        for statement in statements:
            with self._lock:
                if (cut := self._cut) and cut.text in statement:
                    self._cut = None
                    self.cuts += 1
                    return cut
        return None


class Conversation:
    """Follows what a client says in PostgreSQL's protocol (its manual, 54.7)."""

    def __init__(self) -> None:
        self._unread = b""
        self._started = False
        self._prepared: dict[bytes, bytes] = {}
        self._bound: list[bytes] = []

    def carried_out(self, data: bytes) -> Iterator[bytes]:
        """Yield the statements that the server carries out when it has received this, too."""
        self._unread += data
        while (message := self._message()) is not None:
            kind, body = message
            match kind:
                case b"Q":
                    yield body
                case b"P":
                    name, sql, _ = body.split(b"\0", 2)
                    self._prepared[name] = sql
                case b"B":
                    _, name, _ = body.split(b"\0", 2)
                    self._bound.append(self._prepared[name])
                case b"S":
                    yield from self._bound
                    self._bound = []
                case _:
                    pass

    def _message(self) -> tuple[bytes, bytes] | None:
        """Return the next whole message; those before the conversation starts have no kind."""
        header = 1 if self._started else 0
        end = header + int.from_bytes(self._unread[header : header + 4])
        if len(self._unread) < max(end, header + 4):
            return None
        kind, body = self._unread[:header], self._unread[header + 4 : end]
        self._unread = self._unread[end:]
        self._started = self._started or int.from_bytes(body[:4]) == PROTOCOL_3
        return kind, body
