"""The program itself, serving its page in a process that a test may kill: `python program.py MIND PORT [TOKEN]`.

Port 0 is any free one. A token given is taken instead of a new one, as if nothing had happened to the program.
"""

from __future__ import annotations

import sys

from chat_app.__main__ import main
from chat_app.web import guard

if __name__ == "__main__":
    mind, port, *token = sys.argv[1:]
    if token:
        guard.secrets.token_urlsafe = lambda size: token[0]
    sys.exit(main([mind, "--web", "--lang", "ru", *(["--port", port] if port != "0" else [])]))
