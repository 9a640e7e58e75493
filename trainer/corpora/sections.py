"""Cleaners of what stands apart: sections of notes and variants, headings of letters, page numbers. `str -> str`.

They judge a line by its neighbours. In doubt the text stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from trainer.corpora.apparatus import ARCHIVE, GLOSS

_NOTES: Final = re.compile(
    r"(?:\W*)(?:(?:краткие |подстрочные |библиографические )?(?:примечания|комментарии|комментарий|сноски)"
    r"(?: (?:к|редак|переводчик|состав|и коммент|издател|автора|публикатор)[^\n]{0,60})?"
    r"|(?:история|источники) (?:текста|создания)|творческая история|текстологические примечания|реальный комментарий)\W*",
    re.IGNORECASE,
)
_VARIANTS: Final = re.compile(
    r"\W*(?:варианты|разночтения|другие редакции|из (?:ранних|других|черновых) редакций|ранние редакции"
    r"|черновые наброски|из черновых (?:набросков|рукописей))(?: (?:и|к|автограф|прижизн|журналь|рукоп|чернов|перво)[^\n]{0,60})?\W*",
    re.IGNORECASE,
)
_ABBREVIATIONS: Final = re.compile(
    r"\W*(?:список |перечень |принятые |условные ){1,3}(?:принятых |условных )*(?:сокращени[яй]|обозначени[яй])(?: [^\n]{0,60})?\W*"
    r"|\W*(?:архивохранилища|печатные источники)\W*",
    re.IGNORECASE,
)
_CONTENTS: Final = re.compile(
    r"\W*(?:содержание|оглавление|(?:именной |аннотированный )?указатель(?: (?:имен|собственных|произвед)[^\n]{0,60})?"
    r"|иллюстрации|список иллюстраций)\W*",
    re.IGNORECASE,
)
_MARK: Final = re.compile(
    rf"\b(?:[сС]|[сС]тр)\. ?\d|Впервые|Печатается|\b[тТ]\. ?[IVXL\d]|№ ?\d|^\[?\d+[\]).]? |^\*|{GLOSS}|\b[Сс]м\.|\b[Сс]р\.|{ARCHIVE}"
    r"|Имеется в виду|Речь идет|[Рр]укопис|[Аа]втограф|, 1[789]\d\d|\(1[789]\d\d|// |[Вв]местo?:|было:|вычеркнуто|псевдоним|"
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


_INITIALS: Final = r"(?:[А-ЯЁ][а-яё]{0,2}\. ?){1,2}"
_DATIVE: Final = rf"{_INITIALS}(?:[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)*(?:у|ю|ой|ей|ому|ему|е|ым|их)|[А-ЯЁ]{{2,}}(?:-[А-ЯЁ]+)*(?:У|Ю|ОЙ|ЕЙ|ОМУ|ЕМУ|Е|ЫМ|ИХ))"
_MONTH: Final = r"(?:января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря)"
_DATE: Final = (
    rf"(?:(?:Не (?:позднее|ранее)|Между|Около|После|До|Конец|Начало|Середина)[^\n]{{0,40}}1[789]\d\d[^\n]{{0,40}}"
    rf"|[<\[]?\d{{1,2}}(?: ?(?:[-—]|или|и) ?\d{{1,2}})?(?: \(\d{{1,2}}\))? {_MONTH}(?: \(\d{{1,2}} {_MONTH}\))? [<\[]?1[789]\d\d[>\]]?(?: ?г)?\.?[^\n]{{0,40}})"
)
_GREETING: Final = r"(?:Милостив|Дорог|Мил[ыа]|Многоуважаем|Любезн|Уважаем|Глубокоуважаем|Голубчик|Добрейш|Ваше|Друг|Здравствуй|Высокоуважаем)"
_ADDRESSEE: Final = rf"(?:{_DATIVE}(?:,? (?:и|в) [^\n]{{1,40}})?|(?:В редакцию|Редактору|Редакции) [^\n]{{1,40}})\.?"
_LETTER: Final = re.compile(
    rf"^(?:\d{{1,4}}\*?\. ?[А-ЯЁ][^\n]{{2,60}}\n+{_DATE}\n|(?:№ ?)?\d{{1,4}}\*?\. ?{_ADDRESSEE}\n+|{_ADDRESSEE}\n+{_DATE}\n|{_ADDRESSEE}\n+(?={_GREETING}))",
    re.MULTILINE,
)
_ENVELOPE: Final = re.compile(
    r"^(?:С (?:французского|немецкого|английского|итальянского|польского)(?: языка)?:?$|На (?:конверте|обороте|бланке)(?: [^:\n]{1,30})?:|Адрес(?: на конверте)?:).*\n?", re.MULTILINE
)


def letter_headings(text: str) -> str:
    """`А. С. Суворину` and the editor's date above a letter; where there are such, also `На конверте: …`.

    A name in the dative alone is a dedication or a poem's title, and stays.
    """
    without, count = _LETTER.subn("", text)
    return _ENVELOPE.sub("", without) if count else text


_ADDRESS: Final = re.compile(
    r"^(?:Monsieur|Mr|M-r|Madame|Mme|M-me|Mademoiselle|Herrn?|Frau|Signor[ae]?|Sir|To|À|An)\b.*[,.\d]"
    r"|\b(?:[Rr]ue|[Bb]oulevard|[Aa]venue|[Hh][oô]tel|[Pp]oste[ -]restante|[Qq]uai|[Vv]ia|Faubourg|Villa|Street|Square) .*[,.\d]"
    r"|(?:stra(?:ss|ß)e|platz|gasse|[Ss]tr\.) ?\d"
    r"|,? (?:Russie|Russia|Russland|Rußland|St\.?-P[eé]tersbourg|P[eé]tersbourg|Moscou)\.?$"
)
_FAREWELL: Final = re.compile(
    r"(?:Votre|Tout à vous|Bien à vous|À vous|Mille amitiés|Agréez|Recevez|Yours|Sincerely|Truly|Ihr (?:ganz|treu|sehr)|Ganz der|Hochachtungsvoll|Je vous serre)\b"
)
_FOREIGN_DATE: Final = re.compile(
    r"(?:(?:[A-Z][\w-]+|le|Le|den|the),? )?\d{1,2}(?:er|th|st|\.)?(?:/\d{1,2})? (?:janv|févr|fevr|mars|avril|mai|juin|juil"
    r"|ao[uû]t|sept|oct|nov|d[eé]c|Jan|Feb|März|March|Apr|May|Mai|Jun|Jul|Aug|Sep|Okt|Oct|Nov|De[cz])\w*\.? 1[789]\d\d\.?"
    r"|(?:Lundi|Mardi|Mercredi|Jeudi|Vendredi|Samedi|Dimanche|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Sonnabend"
    r"|Sonntag|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\.?"
)
_SIGNED: Final = re.compile(r"(?:(?:[A-ZÉ][\w.éèêëïôüö'’-]*|de|von|et) ?){1,4}\.?")
_LATIN: Final = re.compile(r"[A-Za-zÀ-ÿ]")


def foreign_signatures_and_addresses(text: str) -> str:
    """`Paris, 50, rue de Douai.`, `Monsieur A. Orloff`, `Votre tout dévoué` and the name below it."""
    kept, signing = [], False
    for line in text.split("\n"):
        framed = _is_foreign(line) and (
            _ADDRESS.search(line) is not None
            or _FAREWELL.match(line) is not None
            or _FOREIGN_DATE.fullmatch(line) is not None
            or (signing and _SIGNED.fullmatch(line) is not None)
        )
        signing = framed or (signing and not line)
        if not framed:
            kept.append(line)
    return "\n".join(kept)


def _is_foreign(line: str) -> bool:
    """A short line of Latin letters that is nobody's speech no quotation, and exclaims nothing."""
    if not 3 <= len(line) <= 90 or line.startswith("—") or re.search('[!?…:«»"]', line):
        return False
    latin = len(_LATIN.findall(line))
    return latin >= 3 and latin * 10 >= 9 * sum(c.isalpha() for c in line)


_BARE: Final = re.compile(r"^(\d{1,4})$\n?", re.MULTILINE)
_PAGE: Final = re.compile(r"^(?:[—-] ?\d{1,4} ?[—-]|[\[<](?!1[5-9]\d\d)\d{1,4}[\]>]|[Сс]тр\. \d{1,4})\.?$\n?", re.MULTILINE)


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
    rises = sum(a < b for a, b in zip(numbers, numbers[1:]))
    return set(pages) if max(numbers, default=0) >= 10 and rises >= 0.8 * (len(numbers) - 1) else set()
