"""The program's own server in a process of its own, which a test may kill: `python program.py MIND PORT [TOKEN]`.

A token given is taken, as if the program had kept it: the page then finds its way back after a restart.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chat_app import blas  # noqa: F401 - before numpy
from chat_app import places
from chat_app.chat import Chat
from chat_app.mind import open_mind
from chat_app.web import guard
from chat_app.web.server import Web

if __name__ == "__main__":
    path, port, token = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if token:
        guard.secrets.token_urlsafe = lambda size: token[0]  # type: ignore[assignment]
    web = Web(Chat.with_mind(open_mind(path), places.conversations()), "ru", port=port)
    print(web.url, flush=True)
    web.wait()
