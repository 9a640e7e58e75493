"""The normaliser that a corpus and a friend's line both pass, so that growing and talking see one alphabet.

Pure `str -> str`; knows no tokenizer and no file.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

VERSION: Final = 1  # stored in every mind; raise it when the result of `normalise` changes

_SPACES: Final = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_LINE_ENDS: Final = "\r\n|[\r\x0b\x0c\x85\u2028\u2029]"
_TABLE: Final = {
    **{ord(c): " " for c in _SPACES},
    **{ord(c): '"' for c in "\u201c\u201d\u201e\u201f\u2033\u275d\u275e"},  # “ ” „ ‟ ″
    **{ord(c): "'" for c in "\u2018\u2019\u201a\u201b\u2032"},  # ‘ ’ ‚ ‛ ′
    **{ord(c): "\u2014" for c in "\u2012\u2013\u2015\u2e3a\u2e3b"},  # figure, en, bar, two- and three-em: —
    **{ord(c): "-" for c in "\u2010\u2011\u2212\ufe63\uff0d"},  # hyphens and the minus sign
    **dict.fromkeys((0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065))),
    **dict.fromkeys(c for c in (*range(0x20), *range(0x7F, 0xA0)) if c not in b"\t\n\x0b\x0c\r\x85"),
    # U+2581 is how SentencePiece writes a space: left in, a text could not be told from its own pieces.
    0x2581: "_",
}
_YO: Final = {ord("ё"): "е", ord("Ё"): "Е"}


def _once(text: str, yo_to_e: bool) -> str:
    text = re.sub(_LINE_ENDS, "\n", text)
    text = unicodedata.normalize("NFC", text.translate(_TABLE))
    if yo_to_e:
        text = text.translate(_YO)
    text = re.sub(r"\.{3,}", "…", text)
    text = re.sub(" {2,}", " ", text)
    text = re.sub(" ?\n ?", "\n", text)
    return re.sub("\n{3,}", "\n\n", text)


def encodable(text: str) -> str:
    """Return `text` with each lone surrogate as U+FFFD: they stand for bytes that were not UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def normalise(text: str, *, yo_to_e: bool = False) -> str:
    """Return `text` in NFC with one kind of space, quote, dash, ellipsis and line end.

    Idempotent. Guillemets stay; invisible and control characters go; runs of spaces become one and at most
    one empty line stands in a row. `yo_to_e` writes ё as е, as most printed Russian does.
    Lone surrogates become U+FFFD, so that the result can always be encoded.
    """
    text = encodable(text)
    # A combining mark freed by one pass may compose in the next, so go on until nothing moves.
    while (once := _once(text, yo_to_e)) != text:
        text = once
    return text
