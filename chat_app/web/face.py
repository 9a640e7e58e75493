"""The program in a browser: opens the page, says where it is, and stays until it is told to leave."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import segno

from chat_app import language
from chat_app.chat import Chat
from chat_app.web.server import Web

_FORGOTTEN: Final = 3600.0  # seconds without a request, after which a program that no terminal shows is not needed
_POLL: Final = 0.5  # seconds
_BLACK_ON_WHITE: Final = "\x1b[30;107m"
_AS_BEFORE: Final = "\x1b[0m"


def run(
    chat: Chat, lang: str, *, port: int = 0, lan: bool = False, key: str | None = None, seen: bool = True,
    plain: bool = False,
) -> int:  # fmt: skip
    """Serve the page until Ctrl-C, and the exit code. Where no terminal shows that it runs, until it is forgotten.

    `plain` is for those who listen: nothing is drawn. PortTaken, NoNetwork where the page cannot be served.
    """
    chat.engine.warm_up()
    web = Web(chat, lang, port=port, lan=lan, key=key)
    for name in ("SIGTERM", "SIGBREAK"):  # the end of a session, Ctrl-Break on Windows: what is being written is kept
        if number := getattr(signal, name, None):
            signal.signal(number, _leave)
    try:
        _tell(greeting(web, lang, plain=plain))
        while not web.wait(_POLL) and (seen or web.silence < _FORGOTTEN):
            pass
    except KeyboardInterrupt:
        _tell([language.LEAVING(lang)])
    finally:
        web.stop()
    return 0


def beside(chat: Chat, lang: str) -> str:
    """Open the page beside the terminal, which goes on, and say where it is. PortTaken where it cannot be."""
    if not isinstance(chat.beside, Web):
        chat.beside = web = Web(chat, lang, terminal=True)
        atexit.register(web.stop)  # what is being written when the terminal is left is kept
    return "\n".join(greeting(chat.beside, lang, terminal=True))


def greeting(web: Web, lang: str, *, terminal: bool = False, plain: bool = False) -> list[str]:
    """Open the browser, and what the person should know then."""
    opened = language.PAGE_OPEN if open_browser(web.url_for_browser()) else language.PAGE_AT
    lines = [opened(lang, url=web.url), language.API_AT(lang, url=f"{web.address}v1", key=web.key or web.token)]
    if web.lan:
        from chat_app.screen import Screen  # and prompt_toolkit with it, which the page needs for nothing else

        lines = [*([] if Screen(plain=plain).bare else [qr(web.url)]), language.LAN(lang), *lines]
    return lines if terminal else [*lines, language.LEAVE_PAGE(lang)]


def open_browser(url: str) -> bool:
    """Whether a browser with windows has opened; one in the terminal would take it from whoever looks at it."""
    windows = sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if not windows:
        return False
    import webbrowser

    with _own_libraries_hidden(), suppress(webbrowser.Error, OSError):
        return webbrowser.open(url)
    return False


@contextmanager
def _own_libraries_hidden() -> Iterator[None]:
    """A frozen program points the loader at its own libraries, which a browser started from it must not load."""
    before = os.environ.get("LD_LIBRARY_PATH")
    if not getattr(sys, "frozen", False) or before is None:
        yield
        return
    os.environ["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH_ORIG", "")
    try:
        yield
    finally:
        os.environ["LD_LIBRARY_PATH"] = before


def qr(text: str) -> str:
    """`text` as a QR code in half blocks: black on white, or light on dark on Windows and without colours."""
    rows = [[bool(cell) for cell in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    light = sys.platform == "win32" or bool(os.environ.get("NO_COLOR"))  # what is drawn
    blocks = {(light, light): " ", (light, not light): "▄", (not light, light): "▀", (not light, not light): "█"}
    lines = ["".join(blocks[pair] for pair in zip(*rows[i : i + 2])) for i in range(0, len(rows), 2)]
    return "\n".join(lines if light else [f"{_BLACK_ON_WHITE}{line}{_AS_BEFORE}" for line in lines])


def _tell(lines: list[str]) -> None:
    with suppress(OSError):  # nobody may be there to read it
        print("\n".join(lines), flush=True)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
