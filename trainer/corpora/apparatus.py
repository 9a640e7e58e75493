"""Cleaners of whole lines that editors add: each is named by what it removes, `str -> str`.

They know the forms of Russian scholarly editions, judge every line alone, and expect normalised text with a paragraph
a line. In doubt the text stays.
"""

from __future__ import annotations

import re
from typing import Final

LANGUAGES: Final = (
    r"(?:франц|фр|нем|лат|латин|англ|итал|ит|ит|греч|исп|польск|пол|укр|малорос|татар|тат|тур|церковнослав|ц\.-слав"
    r"|евр|древнеевр"
    r"|швед|чеш|голл|араб|перс|груз)"
)
GLOSS: Final = rf"\((?:искаж\. )?{LANGUAGES}\.(?: (?:яз|посл|погов)\.)?\)"
ARCHIVE: Final = (
    r"\b(?:ЦГАЛИ|РГАЛИ|ГПБ|РНБ|ИРЛИ|ЦГАОР|ЦГИАЛ?|РГИА|ЦГАДА|РГАДА|ГАРФ|РГБ|ГБЛ|ОР ГБЛ|ГЛМ|ГЦТМ|ГИМ|ДМЧ|ТМЧ|ГМТ|ГТГ"
    r"|ЛОЦГА|ААН|АРАН|БАН|ПД|ЛБ|ГТБ|ЛГТБ|ЦНБ|МХАТ)\b"
)
SHELF: Final = (
    r"(?:\bф\. ?№? ?\d|\bоп\. ?\d|\bед\. ?хр\.|\bк\. ?\d+\.|\bкарт\. ?\d|\bл\. ?\d|\bлл\. ?\d|\bшифр\b|, ?№ ?\d)"
)
_MONTH: Final = r"(?:января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря)"
PAGES: Final = r"\d{1,4}(?:(?: ?[-—] ?|, )\d{1,4})*"


def _lines(*forms: str) -> re.Pattern[str]:
    """A pattern of whole lines, each of which begins with one of `forms`."""
    return re.compile(rf"^(?:{'|'.join(forms)}).*\n?", re.MULTILINE)


_CREDITS: Final = _lines(
    r"(?:OCR|ОСR|ОCR|SpellCheck|Spellcheck|Spell check|Origin|Scan(?:ned)?|HTML)\b",
    r"(?:Сканирование|Распознавание|Вычитка|Электронная версия|Оригинал (?:здесь|находится)|Дополнительная правка"
    r"|Первая публикация в электронном|Набор текста|Текст сверен|Форматирование)\b",
    r"(?:Библиотека (?:Максима )?Мошкова|Lib\.ru|Date:|Last-modified|©|\(c\))",
    r".*(?:mailto:|https?://|\bwww\.|\b[\w.]+@[\w-]+\.\w)",
    r"[-_=]{5,}$",
)


def credits_of_the_digitisers(text: str) -> str:
    """Who scanned and proofread, addresses of the web, rules of dashes."""
    return _CREDITS.sub("", text)


_STRONG_NOTE: Final = (
    r"Было начато|Далее (?:было(?: начато)?|начато|следовало|вычеркнут[оы]|зач[её]ркнут[оы])|Вписано"
    r"|Зач[её]ркнуто|Вычеркнуто|Исправлено(?: на| из)?|Незач[её]ркнутый вариант|Вместо вычеркнутого"
)
_WEAK_NOTE: Final = (
    r"Было|Начато|После(?: слов[ао]?)?|Перед(?: слов(?:ами|ом))?|Слов[оа]|Фраз[аы]|Абзац[а]?|Реплик[аи]|Ремарк[аи]"
    r"|Текст|Строк[аи]|Первоначально|Надписано|Зач\.|Переделано из|В подлиннике|В (?:рукописи|автографе|списке"
    r"|черновике|корректуре|журнале|гранках|газете)"
)
_TEXTOLOGY: Final = _lines(
    rf"(?:{PAGES}|[а-яa-z]|\*+)?[.)]? ?(?:{_STRONG_NOTE})(?: [^:\n]{{1,80}})?:",
    rf"(?:{PAGES}|[а-яa-z]|\*+)[.)]? (?:{_WEAK_NOTE})(?: [^:\n]{{1,80}})?(?::| (?:вписан|вычеркнут|зач[её]ркнут"
    rf"|отсутству))",
    rf"(?!Было|Текст|Начато)(?:{_WEAK_NOTE}) [^\n]{{0,120}}"
    r"(?:\b(?:вписан|вычеркнут|зач[её]ркнут)[оаы]?\b|[—,] было:|\bотсутству[ею]т\b|\bначато:)",
    rf"(?:{PAGES}|[а-яa-z]|\*+)?[.)]? ?Вместо(?: слов[а]?| фраз[ы]?| абзаца| текста| строк[и]?)?:",
    rf"{PAGES}[.)]? Вместо [^:\n]{{1,120}}:",
    rf"{PAGES}\.? [^\n]{{1,300}} //? ",
    rf"(?:{PAGES}|[а-яa-z])[.)]? [^\n]{{0,60}}\bнрзб\b",
    r"Далее (?:лист|текст|страница|край|конец)\b[^\n]{0,40}(?:оборван|утрачен|отрезан|не сохран|отсутств|вырван)",
)


def textological_notes(text: str) -> str:
    """`Было начато: …`, `26 Вместо: … // …`, `а Далее вычеркнуто: …`: what stood in the manuscript."""
    return _TEXTOLOGY.sub("", text)


_ARCHIVES: Final = _lines(
    rf"(?!— )[^\n]*{ARCHIVE}[^\n]*{SHELF}",
    rf"(?!— )[^\n]{{0,160}}(?:[Аа]втограф|[Рр]укопись|[Кк]опия|[Пп]одлинник|[Хх]ранится"
    rf"|[Пп]ечатается)[^\n]{{0,100}}{ARCHIVE}",
    rf"[^\n—]{{0,60}}\({ARCHIVE}\)\.?$",
    rf"{ARCHIVE}(?:[.,;]|$)",
)


def archive_codes(text: str) -> str:
    """Lines that say where a manuscript lies: `Автограф — ЦГАЛИ, ф. 571, оп. 1, ед. хр. 20`."""
    return _ARCHIVES.sub("", text)


_HISTORY: Final = _lines(
    r"Впервые(?:(?: был[оаи]?)? (?:опубликован|напечатан|издан|полностью)|:| — ?(?=[«\"А-ЯЁ]|в |сб|кн|газ|журн)"
    r"| в (?:журнале|газете|сб\.|сборнике|кн\.|изд\.))",
    r"(?:Опубликован|Напечатан)[оаы]? впервые",
    r"(?:Печатается|Публикуется|Воспроизводится|Текст печатается) (?:по|с |впервые|в )",
    r"Датируется\b",
    r"(?:Вошл[оаи]|Включен[оаы]?|Перепечатан[оаы]?|Переиздан[оаы]?) (?:с [^\n]{1,40} )?(?:в|во) "
    r"(?:сб\.|сборник|собрани|издани|изд\.|том|т\.|кн\.|книгу «|«|\d)",
    r"(?:Черновой |Беловой |Белового |Наборн\w+ |Авторизованн\w+ )?(?:[Аа]втограф|[Рр]укопись|[Кк]орректура"
    r"|[Кк]опия|[Гг]ранки)"
    r"(?:\w*) [^\n]*(?:хран|неизвест|не сохран|не обнаруж|не найден)",
    r"Сохранил(?:ась|ся|ось|ись) [^\n]{0,60}(?:автограф|рукопис|корректур|гранк|списо?к|черновик|набросо?к)",
    r"При жизни (?:автора|писател|[А-ЯЁ][а-яё]+(?:а|ого|я) )[^\n]*(?:перев|издав|печата|публик|не пере|вош)",
    r"(?:Источник(?:и)? текста|Цензурное разрешение|Ценз\. разр\.|Время (?:работы|написания)|Дата написания)\b",
    r"(?:Написан[оа]?|Закончен[оа]?|Создан[оа]?|Задуман[оа]?) (?:в |не (?:позднее|ранее) |осенью |весной |летом "
    r"|зимой |между )"
    r"[^\n]{0,60}\b1[789]\d\d(?: ?—? ?\d{0,4})? ?гг?\.",
    r"(?:Рассказ|Повесть|Роман|Пьеса|Стихотворение|Очерк|Комедия|Драма) (?:был[аи]? )?(?:впервые )?"
    r"(?:напечатан|опубликован|написан|завершен|начат|задуман|датирован|вошел|вошла|включен)[^\n]*(?:1[789]\d\d|«)",
)


def writing_history(text: str) -> str:
    """When it was written and printed, and by what text: `Впервые — «Нива», 1887, № 3. Подпись: …`."""
    return _HISTORY.sub("", text)


_ABBREVIATIONS: Final = _lines(
    rf"{ARCHIVE} ?(?:\([^)\n]*\) )?— ",
    r"(?:[А-ЯЁ][\w.]*(?: [\w.]+){0,4}|[А-ЯЁ]{2,8}(?:-\d)?) — [^\n]*"
    r"(?:[Оо]тдел рукописей|[Сс]обр(?:ание|\.) соч|[Аа]рхив (?:литературы|древних|внешней|автора)|\bизд\. ?\d"
    r"|[Пп]олн(?:ое|\.) собр)",
    r"[А-ЯЁ]{2,8} — (?:Государственн|Центральн|Институт|Российск|Всесоюзн|Отдел|Рукописн|Научн"
    r"|Литературн\w+ (?:музей|архив))",
)


def abbreviations(text: str) -> str:
    """Entries of lists of abbreviations: `ГМТ — Государственный музей Л. Н. Толстого (Москва)`."""
    return _ABBREVIATIONS.sub("", text)


_MARKS: Final = tuple(
    re.compile(form)
    for form in (
        r"\b(?:М|Л|СПб|Спб|СПБ|Пг|Пб|Киев|Paris|Leipzig|London)\b[.:,;]{0,2} (?:[^\n,.]{1,40}, )?(?:1[789]|20)\d\d",
        r"\b[тТ]\. ?(?:[IVXLC]+|\d+)\b",
        r"\b(?:[сС]|стр|Стр|СС|S|p|P)\. ?\d+",
        r"№№? ?\d+",
        r"\b(?:изд|вып|кн|ред|сост|гл|отд|лл?)\. ?[\dIVX«А-Я]",
        r"[»\"],? (?:от )?(?:\d{1,2} [а-я]+ )?1[789]\d\d",
        r"\b[Сс]м\.|\b[Сс]р\.|[Тт]ам же|\bУказ\. соч",
        r"[Сс]обр(?:ание|\.) соч|\bПСС\b|ГИХЛ|Гослитиздат|Academia|изд-во|Изд-во|Литературное наследство",
        r"^(?:\[\d+\]|\*+\)?) ",
    )
)


def bibliography(text: str) -> str:
    """Lines dense with volumes, pages, numbers and years of editions; a line of speech never."""
    return "\n".join(line for line in text.split("\n") if not _is_bibliography(line))


def _is_bibliography(line: str) -> bool:
    if len(line) < 8 or line.startswith("— ") or not any(c.isdigit() for c in line):
        return False
    counts = [len(mark.findall(line)) for mark in _MARKS]
    kinds, total = sum(map(bool, counts)), sum(counts)
    return (kinds >= 2 and total * 60 >= len(line)) or (kinds >= 3 and total * 120 >= len(line))


_PEOPLE: Final = _lines(
    r"(?!— )[А-ЯЁ][^\n]{2,60} \((?:ок\. |ум\. |род\. |р\. )?1[5-9]\d\d(?: ?[—-] ?(?:1[5-9])?\d\d)?\)(?:,| —)",
    rf"[А-ЯЁ][\w-]+(?: \([^)\n]{{2,30}}\))?,? (?:[А-ЯЁ]\. ?){{1,2}}(?:\([^)\n]*\) ?)?— {PAGES}\.?$",
    rf"[А-ЯЁ][\w-]+(?: \([^)\n]{{2,30}}\))?, [А-ЯЁ][^\n—]{{1,60}} — {PAGES}\.?$",
)


def people_explained(text: str) -> str:
    """`Ольхин Иван Ильич (1803—1859) — поэт`, and entries of an index: `Лейкин Н. А. — 12, 46`."""
    return _PEOPLE.sub("", text)


_PAGE_LINES: Final = _lines(
    rf"(?:К |На )?(?:[Сс]тр|С|СС|Сс|с)\. ?{PAGES}(?:[.:,;]|$| —| [А-ЯЁ«<…])",
    rf"К (?:стр|с)\. ?{PAGES}",
    rf"(?:Строк[аи]|Стихи?) {PAGES}[.:,]",
    rf"\((?:[^()\n]{{1,60}}, )?(?:стр|с)\. ?{PAGES}\)\.?$",
)


def page_references(text: str) -> str:
    """Comments that begin with the page: `Стр. 13. …наша земля велика… — слова летописи`."""
    return _PAGE_LINES.sub("", text)


def is_scholarly(line: str) -> bool:
    """Whether the line speaks of archives, editions or pages: no author's footnote does so for long."""
    forms = (_ARCHIVES, _HISTORY, _PEOPLE, _PAGE_LINES, _ABBREVIATIONS)
    return any(form.match(line) for form in forms) or _is_bibliography(line)


_GLOSSES: Final = _lines(
    rf"(?!— )[^\n]{{1,250}}{GLOSS}[.;,]?(?: — Ред\.)?$", r"[^\n]{1,250}(?:— |\()(?:Прим\. )?[Рр]ед\.\)?$"
)
_NOTE: Final = re.compile(
    r"^(?:\[(\d{1,3})\]|\((\d{1,3})\)|([1-9]\d{0,2})(?=[ ][А-ЯЁA-Z«…\"])|(\*+)\)?(?=[ ]?[А-ЯЁA-Z«…\"])) ?(.*)$",
    re.MULTILINE,
)


def footnotes(text: str) -> str:
    """Translations (`Прощайте! (франц.)`), and notes that begin with a number or an asterisk."""
    lines = _GLOSSES.sub("", text).split("\n")
    notes = [_NOTE.match(line) for line in lines]
    return "\n".join(line for i, line in enumerate(lines) if not (notes[i] and _is_footnote(notes, i)))


def _is_footnote(notes: list[re.Match[str] | None], i: int) -> bool:
    """A bracketed or starred one always; a bare number if it explains, or counts on from its neighbour."""
    note = notes[i]
    assert note
    if note[1] or note[4]:
        return True
    number, body = int(note[2] or note[3]), note[5]
    if re.search(r"[^—]{2,80} — \w|\b[Сс]м\.|\b[Тт]ак |Имеется в виду|Речь идет|Цитата|Неточн", body) and not note[2]:
        return True
    near = [n for j in (i - 2, i - 1, i + 1, i + 2) if 0 <= j < len(notes) and (n := notes[j]) and (n[2] or n[3])]
    return any(abs(int(n[2] or n[3]) - number) in (1, 2) for n in near)
