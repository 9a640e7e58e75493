"""The page and the API at one address of this machine: sockets, threads, the browser.

Knows waitress and bottle; knows nothing of what is asked. One thread (waitress's loop) reads all connections, so a
slow one holds no other up; a few answer what has been read whole. An answer that streams keeps its thread, so there
are as many as there are seats (chat_app/web/seats.py), and some for all that takes no time.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

from bottle import Bottle, request
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from chat_app.chat import Chat
from chat_app.errors import (
    BoxError,
    HeadTooLarge,
    NoNetwork,
    NoSuchPlace,
    NotHttp,
    PortTaken,
    RequestTooLarge,
    WrongMethod,
)
from chat_app.web import page
from chat_app.web.guard import HEADERS, Guard, language_of, refused
from chat_app.web.openai_api import OpenAIApi
from chat_app.web.page_api import PageApi
from chat_app.web.replies import failure, reply
from chat_app.web.seats import AT_ONCE, IN_LINE
from chat_app.web.talks import Talks

LOOPBACK: Final = "127.0.0.1"
LARGEST_BODY: Final = 1 << 20  # bytes
_LARGEST_HEAD: Final = 1 << 15  # bytes of the request line and the headers
_CONNECTIONS: Final = 200  # at most; of more, the oldest that asks nothing is closed
_QUICK: Final = 4  # threads for what takes no time
_SILENCE: Final = 60  # seconds that a connection may say nothing
_SLOW: Final = 30  # seconds that a request may take to arrive
_DROPPED: Final = 1 << 24  # bytes of a refused body that are waited for


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when its request began to arrive. All but its construction happens in waitress's loop.

    Closed while a body that was refused is still coming, it would be reset, and the refusal be lost on its way: so it
    is closed in one direction first, and what comes from the other is dropped for a while.
    """

    begun = 0.0
    close_when_flushed = False  # waitress's own
    refuses = False  # a body that may still be coming
    dropped = -1  # bytes of it, once the refusal has left

    def received(self, data: bytes) -> bool:
        """Take in what has arrived."""
        if self.request is None:
            self.begun = time.time()
        return bool(super().received(data))

    def readable(self) -> bool:
        """Whether more may come."""
        return self.dropped >= 0 or bool(super().readable())

    def handle_read(self) -> None:
        """Read what has come; `recv` closes where nothing will."""
        if self.dropped < 0:
            super().handle_read()
            return
        try:
            self.dropped += len(self.recv(self.adj.recv_bytes))
        except OSError:
            self.will_close = True
        self.will_close = self.will_close or self.dropped > _DROPPED

    def handle_write(self) -> None:
        """Write what waits to be written, and end what is to end then."""
        if self.refuses and self.close_when_flushed and not self.total_outbufs_len and self.dropped < 0:
            self.close_when_flushed = False
            self.dropped = 0
            with suppress(OSError):  # it has gone
                self.socket.shutdown(socket.SHUT_WR)
            return
        super().handle_write()


class Refusal(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses: a body too large, a head too large, no HTTP at all."""

    def execute(self) -> None:
        """Write the response; called by one of waitress's threads."""
        errors = {413: RequestTooLarge(limit=LARGEST_BODY), 431: HeadTooLarge(limit=_LARGEST_HEAD)}
        error = errors.get(self.request.error.code, NotHttp())

        def start(line: str, headers: list[tuple[str, str]]) -> None:
            self.status = line
            self.response_headers = [*headers, *HEADERS]

        self.channel.refuses = isinstance(error, RequestTooLarge)
        (data,) = refused(error, self.channel.server.lang, start)
        self.content_length = len(data)
        self.set_close_on_finish()
        self.write(data)


Channel.error_task_class = Refusal


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress's server, which lets no slow connection stay for ever and no crowd of them keep others out."""

    channel_class = Channel

    def __init__(self, app: Guard, listener: socket.socket, lang: str) -> None:
        self.lang, address = lang, listener.getsockname()
        settings = Adjustments(
            host=address[0], port=address[1], ident="", threads=0, connection_limit=2 * _CONNECTIONS,
            channel_timeout=_SILENCE, cleanup_interval=5, channel_request_lookahead=1,  # or it sees nobody leave
            max_request_header_size=_LARGEST_HEAD, max_request_body_size=LARGEST_BODY,
            inbuf_overflow=2 * LARGEST_BODY,  # what people say touches no disk on its way
            log_socket_errors=False, clear_untrusted_proxy_headers=False,
        )  # fmt: skip
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(AT_ONCE + IN_LINE + _QUICK)
        place = (listener.family, listener.type, listener.proto, address)
        self._over, self._ending = False, threading.Lock()
        super().__init__(app, {}, True, listener, threads, settings, place, bind_socket=False)

    def set_reuse_addr(self) -> None:
        """The listener is bound, and on Windows nobody else may be bound there too."""

    def handle_accept(self) -> None:
        """Take a connection; of too many, the oldest that is not being answered makes room."""
        super().handle_accept()
        open_ones = [channel for channel in self.active_channels.values() if not channel.will_close]
        idle = [channel for channel in open_ones if not channel.requests]
        if len(open_ones) > _CONNECTIONS and idle:
            min(idle, key=lambda channel: channel.creation_time).will_close = True

    def maintenance(self, now: float) -> None:
        """Close what is silent for too long, and requests that take for ever to arrive."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            arriving = channel.request is not None or channel.dropped >= 0
            if arriving and not channel.requests and now - channel.begun > _SLOW:
                channel.will_close = True

    def run(self) -> None:
        """The loop, until `end` is called, and then close everything."""
        while not self._over:
            wasyncore.loop(timeout=self.adj.asyncore_loop_timeout, use_poll=True, map=self._map, count=1)
        with self._ending:  # or the trigger would be closed while it is pulled
            wasyncore.close_all(self._map)

    def end(self) -> None:
        """Finish what is being answered, and make the loop end."""
        self.task_dispatcher.shutdown()
        with self._ending:
            self._over = True
            self.trigger.pull_trigger()


class App(Bottle):  # type: ignore[misc]
    """bottle, whose failures are sentences too."""

    def default_error_handler(self, res: Any) -> bytes:
        """What stands at no place, or is asked for in a way that the place does not know."""
        path, method = request.path, request.method
        error: BoxError = WrongMethod(path=path, method=method) if res.status_code == 405 else NoSuchPlace(path=path)
        return reply(failure(error, language_of(request.environ)))


class Web:
    """The page and the API over the mind of a chat, served until `stop`.

    PortTaken, NoNetwork where they cannot be.
    """

    def __init__(
        self, chat: Chat, lang: str, *, terminal: bool = False, port: int = 0, lan: bool = False,
        key: str | None = None,
    ) -> None:  # fmt: skip
        listener = _listener(_own_address() if lan else LOOPBACK, port)
        host, port = listener.getsockname()
        self.talks = Talks(chat, terminal=terminal)
        app = App()
        app.config["catchall"] = False  # the guard catches
        page.serve(app)
        PageApi(self.talks).serve(app)
        OpenAIApi(self.talks).serve(app)
        names = {host} if lan else {host, "localhost"}
        guard = Guard(app, {f"{name}:{port}" for name in names}, key, lang)
        self.address = f"http://{host}:{port}/"
        self.url = f"{self.address}#token={guard.token}"
        self.token, self.key, self.lan = guard.token, key, lan
        self._guard = guard
        logging.getLogger("waitress").addHandler(logging.NullHandler())
        logging.getLogger("waitress").propagate = False  # it would tell the terminal what is asked for
        self._server = Server(guard, listener, lang)
        self._loop = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._loop.start()

    def let_go(self) -> None:
        """End every answer and forget the weights: another mind is to take its place."""
        self.talks.let_go()

    def adopt(self, chat: Chat) -> None:
        """Talk with the mind of `chat` from now on."""
        self.talks.adopt(chat)

    @property
    def silence(self) -> float:
        """Seconds since somebody last asked for something and was let in."""
        return time.monotonic() - self._guard.asked

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is stopped; whether it is."""
        self._loop.join(seconds)
        return not self._loop.is_alive()

    def stop(self) -> None:
        """End every answer and close the address. What was said is in its files."""
        if self.wait(0):
            return
        self.talks.close()
        self._server.end()
        self._loop.join()


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # Windows shares a port by SO_REUSEADDR
        listener.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(address=f"{host}:{port}", reason=error.strerror or error) from error
    return listener


def _own_address() -> str:
    """The address of this machine in the local network: the one that a packet to the outside would leave from.

    None is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that no machine has (RFC 5737)
        except OSError as error:
            raise NoNetwork(reason=error.strerror or error) from error
        return str(probe.getsockname()[0])
