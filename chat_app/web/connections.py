"""The connections of the server: how many, how slow, how large what comes over them may be.

Knows waitress; knows nothing of what is asked. One thread (waitress's loop) reads all of them, so a slow one holds no
other up; a few answer what has been read whole. An answer that streams keeps its thread, so there are as many as there
are seats (chat_app/web/seats.py), and some for all that takes no time.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from chat_app.errors import HeadTooLarge, NotHttp, RequestTooLarge
from chat_app.web.guard import HEADERS, Guard, refused
from chat_app.web.seats import AT_ONCE, IN_LINE

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
