"""Which encoding a Russian text is in. Knows letters and their frequencies, no file and no network."""

from __future__ import annotations

import codecs
import re
from typing import Final

ENCODINGS: Final = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")
BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# Letters of Russian prose by frequency, in thousandths.
_FREQUENCY: Final = dict(
    zip(
        "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
        (110, 85, 80, 74, 67, 63, 55, 47, 45, 43, 35, 32, 30, 28, 26, 20, 19, 17, 17, 16, 16, 14, 12, 10, 9, 7, 6, 5, 4,
         3, 3, 1, 1),
    )
)  # fmt: skip
_MISPLACED_CAPITAL: Final = re.compile("[а-яё][А-ЯЁ]")  # what cp1251 and koi8-r make of each other
_UNLIKELY: Final = re.compile("[\u0080-\u009f\u0400\u0402-\u040f\u0450\u0452-\u045f\u0490\u0491\u2500-\u25ff\ufffd]")
SAMPLE: Final = 1 << 18


def detect(data: bytes, declared: str = "") -> str:
    """Return the encoding's name: UTF-8 where nearly all bytes allow it, else the one that reads most like Russian.

    `declared` is what a header or a meta tag says; it decides between equals only, for it is often wrong.
    """
    for bom, name in BOMS.items():
        if data.startswith(bom):
            return name
    sample = data[:SAMPLE]
    text = sample.decode("utf-8", "replace")
    if text.isascii() or text.count("\ufffd") * 20 <= sum(not c.isascii() for c in text):
        return "utf-8"  # a broken letter here and there does not make it another encoding
    names = sorted(ENCODINGS, key=lambda name: name != _known(declared))
    return max(names, key=lambda name: _likeness(sample, name))  # the first of equals


def decode(data: bytes, declared: str = "") -> str:
    """Return the text without a byte order mark; what no encoding allows becomes U+FFFD."""
    return data.decode(detect(data, declared), "replace").removeprefix("\ufeff")


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        return ""
    return {"koi8-u": "koi8-r"}.get(name, name)


def _likeness(data: bytes, encoding: str) -> float:
    """How much the text looks like Russian in this encoding: common letters, no capitals within words."""
    text = data.decode(encoding, "replace")
    letters = sum(text.count(c) * f + text.count(c.upper()) * f * 0.8 for c, f in _FREQUENCY.items())
    faults = len(_MISPLACED_CAPITAL.findall(text)) + 2 * len(_UNLIKELY.findall(text))
    return letters - 80 * faults
