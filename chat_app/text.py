"""The normaliser that a corpus and a friend's line both pass, so that growing and talking see one alphabet.

Pure `str -> str`; knows no tokenizer and no file.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

VERSION: Final = 1  # stored in every mind; raise it when the result of `normalise` changes

_SPACES: Final = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
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
_IN_TABLE: Final = re.compile("[" + re.escape("".join(map(chr, _TABLE))) + "]")
_COMPOSES_WITH_E: Final = re.compile("[\u0300\u0306\u0308]")  # ѐ, ӗ, ё
_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_DOTS: Final = re.compile(r"\.{3,}")
_SPACES_IN_A_ROW: Final = re.compile(" {2,}")
_SPACES_AT_LINE_END: Final = re.compile(" ?\n ?")
_EMPTY_LINES: Final = re.compile("\n{3,}")


_UNPRINTABLE: Final = {c: None for c in (*range(0x20), *range(0x7F, 0xA0)) if c != ord("\n")} | {ord("\t"): " "}


def encodable(text: str) -> str:
    """Return `text` with each lone surrogate as U+FFFD: they stand for bytes that were not UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def printable(text: str) -> str:
    """Return `text` without the control characters by which a mind could command the terminal; lines stay."""
    return text.translate(_UNPRINTABLE)


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes: two for a wide character, none for a combining one."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)


def normalise(text: str, *, yo_to_e: bool = False) -> str:
    """Return `text` in NFC with one kind of space, quote, dash, ellipsis and line end.

    Idempotent. Guillemets stay; invisible and control characters go; runs of spaces become one and at most
    one empty line stands in a row. `yo_to_e` writes ё as е, as most printed Russian does.
    Lone surrogates become U+FFFD, so that the result can always be encoded.
    """
    text = encodable(text)
    text = _LINE_END.sub("\n", text)
    if _IN_TABLE.search(text):  # most lines hold nothing of it, and translating costs more than looking
        text = text.translate(_TABLE)
    text = unicodedata.normalize("NFC", text)
    if yo_to_e:
        text = text.replace("ё", "е").replace("Ё", "Е")
        while _COMPOSES_WITH_E.search(text) and (composed := _without_yo(text)) != text:
            text = composed  # a second mark on the letter may make it a ё again
    text = _DOTS.sub("…", text)
    text = _SPACES_IN_A_ROW.sub(" ", text)
    text = _SPACES_AT_LINE_END.sub("\n", text)
    return _EMPTY_LINES.sub("\n\n", text)


def _without_yo(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("ё", "е").replace("Ё", "Е")
