"""Cleaners of what frames published letters: addressees, dates, envelopes, signatures abroad. `str -> str`.

They judge a line by its neighbours. In doubt the text stays: a name in the dative may be a dedication.
"""

from __future__ import annotations

import re
from typing import Final

_INITIALS: Final = r"(?:[А-ЯЁ][а-яё]{0,2}\. ?){1,2}"
_DATIVE: Final = (
    rf"{_INITIALS}(?:[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)*(?:у|ю|ой|ей|ому|ему|е|ым|их)|[А-ЯЁ]{{2,}}(?:-[А-ЯЁ]+)*(?:У|Ю"
    rf"|ОЙ|ЕЙ|ОМУ|ЕМУ|Е|ЫМ|ИХ))"
)
_MONTH: Final = r"(?:января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря)"
_DATE: Final = (
    rf"(?:(?:Не (?:позднее|ранее)|Между|Около|После|До|Конец|Начало|Середина)[^\n]{{0,40}}1[789]\d\d[^\n]{{0,40}}"
    rf"|[<\[]?\d{{1,2}}(?: ?(?:[-—]|или|и) ?\d{{1,2}})?(?: \(\d{{1,2}}\))? {_MONTH}(?: \(\d{{1,2}} {_MONTH}\))?"
    r" [<\[]?1[789]\d\d[>\]]?(?: ?г)?\.?[^\n]{0,40})"
)
_GREETING: Final = (
    r"(?:Милостив|Дорог|Мил[ыа]|Многоуважаем|Любезн|Уважаем|Глубокоуважаем|Голубчик|Добрейш|Ваше|Друг|Здравствуй"
    r"|Высокоуважаем)"
)
_ADDRESSEE: Final = rf"(?:{_DATIVE}(?:,? (?:и|в) [^\n]{{1,40}})?|(?:В редакцию|Редактору|Редакции) [^\n]{{1,40}})\.?"
_LETTER: Final = re.compile(
    rf"^(?:\d{{1,4}}\*?\. ?[А-ЯЁ][^\n]{{2,60}}\n+{_DATE}\n|(?:№ ?)?\d{{1,4}}\*?\. ?{_ADDRESSEE}\n+"
    rf"|{_ADDRESSEE}\n+{_DATE}\n|{_ADDRESSEE}\n+(?={_GREETING}))",
    re.MULTILINE,
)
_ENVELOPE: Final = re.compile(
    r"^(?:С (?:французского|немецкого|английского|итальянского|польского)(?: языка)?:?$|На (?:конверте|обороте"
    r"|бланке)(?: [^:\n]{1,30})?:|Адрес(?: на конверте)?:).*\n?",
    re.MULTILINE,
)


def letter_headings(text: str) -> str:
    """`А. С. Суворину` and the editor's date above a letter; where there are such, also `На конверте: …`.

    A name in the dative alone is a dedication or a poem's title, and stays.
    """
    without, count = _LETTER.subn("", text)
    return _ENVELOPE.sub("", without) if count else text


_ADDRESS: Final = re.compile(
    r"^(?:Monsieur|Mr|M-r|Madame|Mme|M-me|Mademoiselle|Herrn?|Frau|Signor[ae]?|Sir)\b.*[,.\d]"
    r"|\b(?:[Rr]ue|[Bb]oulevard|[Aa]venue|[Hh][oô]tel|[Pp]oste[ -]restante|[Qq]uai|[Vv]ia|Faubourg|Villa|Street"
    r"|Square) .*[,.\d]"
    r"|(?:stra(?:ss|ß)e|platz|gasse|[Ss]tr\.) ?\d"
    r"|,? (?:Russie|Russia|Russland|Rußland|St\.?-P[eé]tersbourg|P[eé]tersbourg|Moscou)\.?$"
)
_FAREWELL: Final = re.compile(
    r"(?:Votre|Tout à vous|Bien à vous|À vous|Mille amitiés|Agréez|Recevez|Yours|Sincerely|Truly|Ihr (?:ganz|treu"
    r"|sehr)|Ganz der|Hochachtungsvoll|Je vous serre)\b"
)
_FOREIGN_DATE: Final = re.compile(
    r"(?:(?:[A-Z][\w-]+|le|Le|den|the),? )?\d{1,2}(?:er|th|st|\.)?(?:/\d{1,2})? (?:janv|févr|fevr|mars|avril|mai"
    r"|juin|juil"
    r"|ao[uû]t|sept|oct|nov|d[eé]c|Jan|Feb|März|March|Apr|May|Mai|Jun|Jul|Aug|Sep|Okt|Oct|Nov"
    r"|De[cz])\w*\.? 1[789]\d\d\.?"
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
