"""What speaks to the page's server in the tests: whole requests, streams of events, and bytes of any kind."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, NamedTuple

from chat_app.web.server import LOOPBACK, Web


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.value["error"]["message"]

    @property
    def events(self) -> list[Any]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        return "".join(event.get("piece", "") for event in self.events)


class Client:
    """Carries the token, unless told otherwise."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.port = int(web.address.rsplit(":", 1)[1].strip("/"))
        self.host = f"{LOOPBACK}:{self.port}"
        self.token = {"Authorization": f"Bearer {web.token}"}

    def ask(self, method: str, path: str, value: Any = None, data: bytes | None = None, **headers: str) -> Reply:
        body = data if data is not None or value is None else json.dumps(value).encode()
        named = self.token | {name.replace("_", "-"): text for name, text in headers.items()}
        with closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)) as connection:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Reply:
        return self.ask("POST", path, value, **headers)

    def new(self) -> str:
        return f"/api/conversations/{self.post('/api/conversations', {}).value['id']}"

    def connect(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.port), timeout=20)

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back until the server closes."""
        with self.connect() as connection:
            found = b""
            with suppress(ConnectionError):  # refused in the middle
                connection.sendall(data)
            with suppress(ConnectionError):
                while chunk := connection.recv(1 << 16):
                    found += chunk
            return found

    def head(self, method: str = "GET", path: str = "/api/state", *more: str) -> bytes:
        """The head of a request that the server would answer, to be spoiled."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Authorization: Bearer {self.web.token}", *more]
        return "\r\n".join(lines).encode() + b"\r\n"

    def open_stream(self, path: str, value: Any) -> socket.socket:
        """A connection on which the events of an answer arrive."""
        body = json.dumps(value).encode()
        connection = self.connect()
        connection.sendall(self.head("POST", path, f"Content-Length: {len(body)}") + b"\r\n" + body)
        return connection


def pieces(connection: socket.socket) -> Iterator[tuple[float, bytes]]:
    """The events of a stream as they arrive, each with its time."""
    with connection.makefile("rb") as file:
        for line in file:
            if line.startswith((b"data:", b":")):
                yield time.perf_counter(), line.strip()
