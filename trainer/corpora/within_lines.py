"""Cleaners of what editors and printers leave within lines: words cut in two, references, brackets. `str -> str`.

They shorten lines and drop none. In doubt the text stays.
"""

from __future__ import annotations

import re
from typing import Final

from trainer.corpora.apparatus import ARCHIVE, GLOSS, PAGES

# An end of line within a word; a particle keeps its hyphen.
_HYPHEN: Final = re.compile(r"\b([А-Яа-яёA-Za-z]{1,60})-\n([а-яёa-z]+)")
_HYPHENATED: Final = re.compile(
    r"\w+-(?:то|либо|нибудь|таки|ка|де|с)|(?:кое|кой)-\w+|из-(?:за|под)|во?-(?:перв|втор|трет|четв[её]рт)\w+"
    r"|по-(?:\w+[сц]ки|(?:мо|тво|сво|наш|ваш|прежн)ему|(?:стар|нов|друг|ин|сво|видим)ому)",
    re.IGNORECASE,
)


def hyphenation(text: str) -> str:
    """`пере-` at the end of a line and `воз` on the next are one word."""
    return _HYPHEN.sub(lambda match: _joined(match[1], match[2]), text)


def _joined(left: str, right: str) -> str:
    word = f"{left}-{right}"
    return word if _HYPHENATED.fullmatch(word) else left + right


_INLINE: Final = re.compile(
    rf" ?\[[^\[\]\n]{{1,250}}{GLOSS}[^\[\]\n]{{0,3}}\]"  # [как вам угодно (франц.)]
    rf"| ?\((?:[^()\n]{{0,60}}, )?(?:т\. ?[IVX\d]+, )?(?:стр|с)\. ?{PAGES}\.?\)"
    r"| ?\((?:[Сс]м\.|[Сс]р\.) [^()\n]{0,80}\d[^()\n]{0,20}\)"
    r"| ?[\[{<](?:(?:стр|с)\. ?)?(?!1[5-9]\d\d)\d{1,4}[\]}>](?=[\s.,;:!?»…—)]|$|[А-Яа-я])"
    r"|(?<=[а-яёa-z»!?.,;…])(?:[¹²³⁴⁵⁶⁷⁸⁹⁰]+|\*\d{1,2}|\(\*\)|\*{1,2}(?![*\w]))"
    r"| ?[<\[(](?:\d+ )?нрзб\.?[>\])]"
    r"|(?:(?<=[а-яё]{3})|(?<=»))\d{1,2}(?=[\s.,;:!?»…)]|$)(?! (?i:январ|феврал|март|апрел|ма[яй]|ию[нл]|август"
    r"|сентябр|октябр|ноябр|декабр|час|числ|год|руб|коп|верст|вёрст|стр))"
    r"| ?\{[^{}\n]{3,400}\}",
    re.MULTILINE,
)


def marks_within_lines(text: str) -> str:
    """References to notes and pages, and translations in brackets, that interrupt a sentence."""
    return _INLINE.sub("", text)


_ARCHIVE_WITHIN: Final = re.compile(rf" ?[(\[][^()\[\]\n]{{0,80}}{ARCHIVE}[^()\[\]\n]{{0,80}}[)\]]")


def archive_codes_within_lines(text: str) -> str:
    """`(ЦГАЛИ, ф. 571)` in the middle of a sentence."""
    return _ARCHIVE_WITHIN.sub("", text)


_CONJECTURE: Final = re.compile(r"<([А-Яа-яё][А-Яа-яё .,-]{0,30}|[.,:;!?—…])>|(?<=[а-яё])\[([а-яё]{1,12})\]")


def conjecture_brackets(text: str) -> str:
    """`дек<абря>` is `декабря`: the letters stay, the editor's brackets go."""
    return _CONJECTURE.sub(lambda match: match[1] or match[2], text)
