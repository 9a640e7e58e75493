"""The terms of use: the mind's own, and those of everything else in a box. Knows where the packers put the text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chat_app import language
from chat_app.mind import Mind

FILE: Final = "THIRD_PARTY_LICENSES.txt"  # build/contents.py writes it into every box
BESIDE: Final = Path(__file__).resolve().parent.parent  # where a packed program's files stand
ALL: Final = "all"


def told(mind: Mind, rest: str, lang: str) -> str:
    """What `/license` says: the mind's terms; after `all`, those of every program in the box."""
    if rest.lower() == ALL:
        text = _others()
        return text or language.NOT_PACKED(lang)
    own = str(mind.card.get("licence") or language.NO_LICENCE(lang))
    return f"{own}\n{language.OTHERS_TERMS(lang)}" if (BESIDE / FILE).is_file() else own


def _others() -> str:
    try:
        return (BESIDE / FILE).read_text("utf-8").strip()
    except OSError:
        return ""
