"""Who is let in: requests of this machine's own page, with the token of this launch or an API key.

Knows addresses, tokens and headers; knows nothing of what is asked for.

A page of another site may send requests to any port of this machine, and a name of its own may lead here (DNS
rebinding); neither knows the token, and both betray themselves by Origin and Host.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from chat_app import __version__, places
from chat_app.errors import BoxError, Breakdown, ForeignPage, NoHost, NoToken, ProgramBroke, WrongKey
from chat_app.web.replies import JSON, failure, status

Environ = dict[str, Any]
_LANGUAGE: Final = "mind_in_a_box.language"
_OWN_LANGUAGE: Final = "mind_in_a_box.own_language"
HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
REASONS: Final = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 413: "Content Too Large", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}  # fmt: skip
ADMISSION: Final = "/api/token"
_LATER: Final = "3"  # seconds
_USUAL_PORT: Final = 80


class Guard:
    """Stands before an application, and turns every failure into a sentence."""

    def __init__(self, app: Callable[..., Iterable[bytes]], hosts: Iterable[str], key: str | None, lang: str) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._key = key
        self._lang = lang
        self.token = secrets.token_urlsafe(24)
        self._tickets: set[str] = set()
        self.asked = time.monotonic()
        """When somebody was last let in."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ[_LANGUAGE], environ[_OWN_LANGUAGE] = _language(environ, self._lang), self._lang

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            named = {name.lower() for name, _ in headers}
            return start_response(line, headers + [h for h in HEADERS if h[0].lower() not in named], exc_info)

        try:
            self._check(environ)
            self.asked = time.monotonic()
            return self._app(environ, start)
        except BoxError as error:
            return refused(error, environ[_LANGUAGE], start)
        except Exception as error:  # noqa: BLE001 - the last net: a person must never see a traceback
            return refused(broken(error), environ[_LANGUAGE], start)

    def _check(self, environ: Environ) -> None:
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if not host:
            raise NoHost
        if host.lower() not in self._hosts:
            raise ForeignPage(origin=host)
        if origin is not None and origin.lower() not in self._origins:
            raise ForeignPage(origin=origin)
        path = environ["PATH_INFO"]
        if path == "/":
            return
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        of_api = path.startswith("/v1/")
        keys = [self.token, *([self._key] if self._key and of_api else [])]
        if path == ADMISSION:
            keys += self._tickets
        fits = [key for key in keys if hmac.compare_digest(given.strip().encode(), key.encode())]
        if scheme.lower() != "bearer" or not fits:
            raise WrongKey if of_api else NoToken
        self._tickets -= set(fits)

    def ticket(self) -> str:
        """What the token is given for at `ADMISSION`, once: the address that a browser is started with may be read in
        the list of processes, by everyone who has an account on the machine.
        """
        ticket = secrets.token_urlsafe(24)
        self._tickets.add(ticket)
        return ticket


def hosts(names: set[str], port: int) -> set[str]:
    """What Host may be at an address: clients leave out the port that every http has."""
    return {f"{name}:{port}" for name in names} | (names if port == _USUAL_PORT else set())


def language_of(environ: Environ) -> str:
    """The language in which the one who asks is answered."""
    return str(environ[_LANGUAGE])


def own_language(environ: Environ) -> str:
    """The language that the program was started in, whatever the browser prefers."""
    return str(environ[_OWN_LANGUAGE])


def _language(environ: Environ, default: str) -> str:
    """By ?lang=, by X-Language, by the first language of Accept-Language that we speak."""
    asked = [part.removeprefix("lang=") for part in environ["QUERY_STRING"].split("&") if part.startswith("lang=")]
    asked.append(environ.get("HTTP_X_LANGUAGE", ""))
    asked += [part.strip()[:2] for part in environ.get("HTTP_ACCEPT_LANGUAGE", "").split(",")]
    return next((lang for lang in map(str.lower, asked) if lang in ("ru", "en")), default)


def refused(error: BoxError, lang: str, start_response: Callable[..., Any]) -> list[bytes]:
    """`error` as a whole response."""
    number, data = status(error), orjson.dumps(failure(error, lang))
    headers = [("Content-Type", JSON), ("Content-Length", str(len(data)))]
    if number == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    if number == 429:
        headers.append(("Retry-After", _LATER))
    start_response(f"{number} {REASONS[number]}", headers)
    return [data]


def broken(error: Exception) -> ProgramBroke:
    """A mistake of ours as a sentence; its details go to a file, without a word of what was said."""
    steps = "".join(traceback.format_tb(error.__traceback__))
    path = places.home() / "last-error.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        version = f"mind-in-a-box {__version__}, Python {sys.version}, {sys.platform}"
        path.write_text(f"{version}\n{steps}{type(error).__name__}\n", "utf-8")
    except OSError:  # the sentence is told all the same
        return ProgramBroke(reason=type(error).__name__)
    return Breakdown(reason=type(error).__name__, path=path)
