"""Cleaners of what stands apart: sections of notes and variants, tables of contents, page numbers. `str -> str`.

They judge a line by its neighbours. In doubt the text stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from trainer.corpora.apparatus import ARCHIVE, GLOSS, is_scholarly

_NOTES: Final = re.compile(
    r"(?:\W*)(?:(?:краткие |подстрочные |библиографические )?(?:примечания|комментарии|комментарий|сноски)"
    r"(?: (?:к|редак|переводчик|состав|и коммент|издател|автора|публикатор)[^\n]{0,60})?"
    r"|(?:история|источники) (?:текста|создания|писания)(?: и печатания)?|описание рукописей|творческая история"
    r"|текстологические примечания|реальный комментарий)\W*",
    re.IGNORECASE,
)
_VARIANTS: Final = re.compile(
    r"\W*(?:варианты|разночтения|другие редакции|из (?:ранних|других|черновых) редакций|ранние редакции"
    r"|черновые наброски|из черновых (?:набросков|рукописей))(?: (?:и|к|автограф|прижизн|журналь|рукоп|чернов"
    r"|перво)[^\n]{0,60})?\W*",
    re.IGNORECASE,
)
_ABBREVIATIONS: Final = re.compile(
    r"\W*(?:список |перечень |принятые |условные ){1,3}(?:принятых |условных )*(?:сокращени[яй]"
    r"|обозначени[яй])(?: [^\n]{0,60})?\W*"
    r"|\W*(?:архивохранилища|печатные источники)\W*",
    re.IGNORECASE,
)
_CONTENTS: Final = re.compile(
    r"\W*(?:содержание|оглавление|(?:именной |аннотированный )?указатель(?: (?:имен|собственных|произвед)[^\n]{0,60})?"
    r"|иллюстрации|список иллюстраций)\W*",
    re.IGNORECASE,
)
_MARK: Final = re.compile(
    rf"\b(?:[сС]|[сС]тр)\. ?\d|Впервые|Печатается|\b[тТ]\. ?[IVXL\d]|№ ?\d|^\[?\d+[\]).]? |^\*|{GLOSS}|\b[Сс]м\."
    rf"|\b[Сс]р\.|{ARCHIVE}"
    r"|Имеется в виду|Речь идет|[Рр]укопис|[Аа]втограф|, 1[789]\d\d|\(1[789]\d\d|// |[Вв]место:|было:|вычеркнуто"
    r"|псевдоним|"
    r"\bизд\.|[Сс]обр\. соч|Цитата|Неточн"
)
_CHANGE: Final = re.compile(
    r"^\d|//|[Вв]место|[Бб]ыло:|[Дд]алее|[Пп]осле(?: слов)?:|^[Сс]тр|^С\. \d|вычеркнут|отсутству|[Вв]писано| / "
)
_ENTRY: Final = re.compile(r"^[^—\n]{1,60} — .")
_LISTED: Final = re.compile(r"(?:\d|[IVXLC])[.)]?$")
_HEADING: Final = re.compile(
    r"(?:глава|часть|книга|том|действие|акт|сцена|явление|картина|эпилог|пролог|письмо)\b.{0,60}|[IVXLC]+\.?|— .+"
    r"|(?!.*[,;:—])[А-ЯЁ«][^\n]{1,50}[^.,;:\d]",
    re.IGNORECASE,
)


def notes(text: str) -> str:
    """The section under `Примечания`, `Комментарии`, `История текста`, as far as it reads like notes."""
    return _without(text, _NOTES, _MARK.search, 0.3)


def variants(text: str) -> str:
    """The section under `Варианты`, `Другие редакции`, `Разночтения`."""
    return _without(text, _VARIANTS, _CHANGE.search, 0.5)


def lists_of_abbreviations(text: str) -> str:
    """The list under `Условные сокращения`."""
    return _without(text, _ABBREVIATIONS, _ENTRY.match, 0.5)


def contents(text: str) -> str:
    """Tables of contents and indexes: most of their lines end with a number."""
    return _without(text, _CONTENTS, _LISTED.search, 0.6)


def _without(text: str, heading: re.Pattern[str], reads: Callable[[str], object], share: float) -> str:
    """Drop every section whose heading matches and of whose lines at least `share` read as it should."""
    lines = text.split("\n")
    kept, i = [], 0
    while i < len(lines):
        end = i
        if len(lines[i]) < 100 and heading.fullmatch(lines[i]):
            end = _end(lines, i + 1, reads)
            body = [line for line in lines[i + 1 : end] if line]
            if not body or sum(bool(reads(line)) for line in body) < share * len(body):
                end = i
        if end == i:
            kept.append(lines[i])
            end = i + 1
        i = end
    return "\n".join(kept)


def _end(lines: list[str], start: int, reads: Callable[[str], object]) -> int:
    """Where prose begins again: at a heading or a line of speech after which three lines read otherwise."""
    for i in range(start, len(lines)):
        if lines[i] and not reads(lines[i]) and _HEADING.fullmatch(lines[i]):
            following = [line for line in lines[i + 1 : i + 12] if line][:3]
            if len(following) == 3 and not any(map(reads, following)):
                return i
    return len(lines)


def notes_without_heading(text: str) -> str:
    """Scholarly lines and the remarks among them, where those are three at least and the most."""
    lines = text.split("\n")
    marked = [i for i, line in enumerate(lines) if line and is_scholarly(line)]
    dropped: set[int] = set()
    for run in _runs(marked, lines):
        between = [i for i in range(run[0], run[-1] + 1) if lines[i]]
        if len(run) >= 3 and len(run) * 2 > len(between):
            dropped.update(between)
    return "\n".join(line for i, line in enumerate(lines) if i not in dropped) if dropped else text


def _runs(marked: list[int], lines: list[str]) -> Iterator[list[int]]:
    """Groups of marked lines with no more than two others in a gap, and no speech in any."""
    run: list[int] = []
    for i in marked:
        gap = [line for line in lines[run[-1] + 1 : i] if line] if run else []
        if len(gap) > 2 or any(line.startswith("— ") for line in gap):
            yield run
            run = []
        run.append(i)
    yield run or [0]


_BARE: Final = re.compile(r"^(\d{1,4})$\n?", re.MULTILINE)
_PAGE: Final = re.compile(
    r"^(?:[—-] ?\d{1,4} ?[—-]|[\[<](?!1[5-9]\d\d)\d{1,4}[\]>]|[Сс]тр\. \d{1,4})\.?$\n?", re.MULTILINE
)


def page_numbers(text: str) -> str:
    """`— 45 —`, `[45]`, and bare numbers that count no chapters and rise as pages do; years stay too."""
    text = _PAGE.sub("", text)
    pages = _bare_pages(text)
    return _BARE.sub(lambda match: "" if match.start() in pages else match[0], text) if pages else text


def _bare_pages(text: str) -> set[int]:
    """Where bare page numbers stand. Chapters begin low and go on, with a gap where one was lost."""
    chapter, pages = 0, {}
    for match in _BARE.finditer(text):
        number = int(match[1])
        if number <= 3 or chapter < number <= chapter + 4 * (chapter > 0):
            chapter = number
        elif not 1500 <= number <= 2000:
            pages[match.start()] = number
    numbers = list(pages.values())
    rises = sum(a < b for a, b in pairwise(numbers))
    return set(pages) if max(numbers, default=0) >= 10 and rises >= 0.8 * (len(numbers) - 1) else set()
