"""The page and the API at one address of this machine, in a thread of their own. Knows nothing of what is asked."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any, Final

from bottle import Bottle, request

from chat_app.chat import Chat
from chat_app.errors import BoxError, NoNetwork, NoSuchPlace, PortTaken, WrongMethod
from chat_app.web import page
from chat_app.web.connections import Server
from chat_app.web.guard import ADMISSION, Guard, hosts, language_of
from chat_app.web.openai_api import OpenAIApi
from chat_app.web.page_api import PageApi
from chat_app.web.replies import failure, reply
from chat_app.web.talks import Talks

LOOPBACK: Final = "127.0.0.1"


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
        guard = Guard(app, hosts(names, port), key, lang)
        app.route(ADMISSION, "POST", lambda: reply({"token": guard.token}))
        self.address = f"http://{host}:{port}/"
        self.url = f"{self.address}#token={guard.token}"
        self.token, self.key, self.lan = guard.token, key, lan
        self._guard = guard
        logging.getLogger("waitress").addHandler(logging.NullHandler())
        logging.getLogger("waitress").propagate = False  # it would tell the terminal what is asked for
        self._server = Server(guard, listener, lang)
        self._loop = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._loop.start()

    def url_for_browser(self) -> str:
        """The same page under an address that opens it once."""
        return f"{self.address}#ticket={self._guard.ticket()}"

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
        raise PortTaken(address=f"{host}:{port}", reason=error) from error
    return listener


def _own_address() -> str:
    """The address of this machine in the local network: the one that a packet to the outside would leave from.

    None is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that no machine has (RFC 5737)
        except OSError as error:
            raise NoNetwork(reason=error) from error
        return str(probe.getsockname()[0])
