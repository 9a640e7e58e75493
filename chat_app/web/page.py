"""The page itself: one file, and the policy by which a browser runs what stands in it and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from bottle import Bottle, response

_FILE: Final = Path(__file__).resolve().parent.parent / "page.html"
_INLINE: Final = {kind: re.compile(rf"<{kind}\b[^>]*>(.*?)</{kind}>", re.DOTALL) for kind in ("script", "style")}


def serve(app: Bottle) -> None:
    """Add the page to `app`."""
    text = _FILE.read_text("utf-8")  # which makes every line end \n, as the browser does before it hashes
    html, rules = text.encode(), policy(text)

    def page() -> bytes:
        response.content_type = "text/html; charset=utf-8"
        response.set_header("Content-Security-Policy", rules)
        return html

    app.route("/", "GET", page)


def policy(html: str) -> str:
    """The Content-Security-Policy of a page: its own scripts and styles by their SHA-256, its own server, no other."""
    own = {kind: " ".join(map(_hashed, found.findall(html))) or "'none'" for kind, found in _INLINE.items()}
    return (
        f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
