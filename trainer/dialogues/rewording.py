"""One and the same question as somebody else would put it: in other words, with an address, with a slip of the finger.

So a mind learns to look at what is asked, not at how. Every change keeps the sense, whatever the text.
"""

from __future__ import annotations

import random
import re
from typing import Final

_OTHERWISE: Final = {
    r"^что такое (.+)$": (
        r"\1 это что", r"\1 что это такое", r"что это такое \1", r"объясни, что такое \1", r"\1 — это что такое",
    ),
    r"^([\w-]+(?: [\w-]+)?) это$": (r"что такое \1", r"\1 это что", r"\1 что это"),
    r"^кто так(ой|ая|ие) (.+)$": (r"\2 это кто", r"\2 кто так\1", r"а \2 кто это", r"расскажи, кто так\1 \2"),
    r"^(.+) это кто$": (r"\1 кто это", r"кто это \1"),
    r"^что значит (.+)$": (r"\1 что значит", r"\1 — это что значит", r"что означает \1", r"скажи, что значит \1"),
    r"^почему (.+)$": (r"отчего \1", r"из-за чего \1", r"а почему же \1", r"скажи, почему \1", r"почему так: \1"),
    r"^зачем (.+)$": (r"для чего \1", r"а зачем же \1", r"объясни, зачем \1"),
    r"^для чего (.+)$": (r"зачем \1",),
    r"^как (.+)$": (r"подскажи, как \1", r"а как вообще \1", r"как же \1", r"расскажи, как \1"),
    r"^(где|когда|сколько|какой|какая|какое|какие) (.+)$": (r"а \1 же \2", r"скажи, \1 \2", r"\1 вообще \2"),
    r"^(кто|что) (.+)$": (r"а \1 \2", r"скажи, \1 \2", r"\1 же \2"),
    r"^расскажи (.+)$": (r"расскажи-ка \1", r"можешь рассказать \1", r"а расскажи \1", r"послушаю: расскажи \1"),
    r"^ты (.+)$": (r"а ты \1", r"скажи, ты \1", r"ты вообще \1", r"так ты \1"),
    r"^у тебя (.+)$": (r"а у тебя \1", r"скажи, у тебя \1", r"у тебя вообще \1"),
    r"^я (.+)$": (r"а я \1", r"знаешь, я \1", r"вот я \1", r"что-то я \1"),
}  # fmt: skip
_QUESTION: Final = re.compile(
    r"^(?:а |и |ну )?(?:кто|что|как|где|куда|откуда|когда|почему|зачем|отчего|сколько|чей|чья|чем|какой|какая|какое|"
    r"какие|правда ли|для чего|из чего|из-за чего)\b|\b(?:кто|что|чем|зачем|когда|что такое|какой|какая)$"
)
_BEFORE: Final = (
    "слушай, ", "а ", "ну ", "эй, ", "кстати, ", "гомункул, ", "гом, ", "дружище, ", "так, ", "ой, ", "вот ", "друг, ",
    "послушай, ", "приятель, ", "да ", "хм, ", "привет, ", "привет! ", "знаешь, ", "сосед, ", "старина, ",
)  # fmt: skip
_BEFORE_QUESTIONS: Final = (
    "скажи, ", "подскажи, ", "интересно, ", "не знаешь, ", "вот скажи, ", "скажи-ка, ", "хочу спросить: ", "ответь, ",
    "давно хотел узнать, ", "спрошу: ", "вопрос: ", "привет! ", "привет, ", "здравствуй! ", "привет! скажи, ",
    "добрый день! ", "и снова привет, ", "слушай, а ", "есть вопрос: ",
)  # fmt: skip
_AFTER: Final = (
    ", друг", ", гомункул", ", дружище", ", приятель", ", гом", ", брат", ", милый", ", дорогой", ", родной", ", умник",
    ", солнышко", ", железяка", ", братец", ", старина", ", сосед", ", кроха", ", голубчик", ", сударь", ", товарищ",
    ", друг мой", ", родненький", ", хороший мой", ", коллега", ", чудо", ", нейросеть", ", машинка", ", бот",
)  # fmt: skip
_AFTER_QUESTIONS: Final = (", а?", ", скажи", ", не знаешь?", ", интересно", " вообще", " пожалуйста", ", подскажи")
_SLIP: Final = 0.1
_LEAST_LETTERS: Final = 5  # of a word that a slip leaves readable
_WORD: Final = re.compile(rf"[а-яё]{{{_LEAST_LETTERS},}}")


def reworded(text: str, chance: random.Random) -> str:
    """The same, said otherwise; by chance only the capital and the stop differ. Signs alone stay as they are."""
    if not (said := text.rstrip("?.! ")):
        return text
    if said[:1].isupper() and not said[1:2].isupper():
        said = said[0].lower() + said[1:]
    asks = text.endswith("?") or bool(_QUESTION.search(said))
    if chance.random() < 0.4:
        said = _otherwise(said, chance)
    if chance.random() < 0.25:
        said = chance.choice(_BEFORE_QUESTIONS if asks and chance.random() < 0.5 else _BEFORE) + said
    if chance.random() < 0.25:
        said += chance.choice(_AFTER_QUESTIONS if asks and chance.random() < 0.4 else _AFTER)
    if chance.random() < _SLIP:
        said = _slipped(said, chance)
    return _stopped(said, text, asks, chance)


def _otherwise(said: str, chance: random.Random) -> str:
    for pattern, others in _OTHERWISE.items():
        if found := re.match(pattern, said):
            return found.expand(chance.choice(others))
    return said


def _slipped(said: str, chance: random.Random) -> str:
    """With two letters of a long word swapped, one left out, or one doubled; never its first."""
    words = list(_WORD.finditer(said))
    if not words:
        return said
    place = chance.randrange((word := chance.choice(words)).start() + 1, word.end() - 1)
    a, b = said[place], said[place + 1]
    return said[:place] + chance.choice((b + a, b, a + a + b)) + said[place + 2 :]


def _stopped(said: str, text: str, asks: bool, chance: random.Random) -> str:
    """Most people write small letters and no stop; some write both."""
    if chance.random() < 0.4:
        said = said[:1].upper() + said[1:]
    if said.endswith("?") or chance.random() < 0.5:
        return said
    if asks:
        return said + "?"
    return said + (text[-1] if text[-1] in ".!" else chance.choice(".!"))
