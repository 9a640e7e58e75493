"""The commands that look into a mind: what it thought, where it might have gone, where it is drawn, how it grew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from chat_app import attraction, childhood, language, shades
from chat_app.chat import Chat
from chat_app.engine import Cancel
from chat_app.errors import BadSetting, NoSuchAlternative, NoSuchToken, NothingSaid
from chat_app.look import Alternative, Token
from chat_app.outcome import Outcome
from chat_app.shades import Canvas, Line

_LONGEST_NUMBER: Final = 9  # digits


def _look(chat: Chat, rest: str, lang: str, canvas: Canvas) -> Outcome:
    tokens = chat.look()
    if not rest:
        hint: Line = [("remark", language.LOOK_HINT(lang))]
        return Outcome(lines=[*shades.answer(tokens, canvas, lang), hint])
    number = _number(rest, tokens)
    return Outcome(lines=shades.alternatives(number, tokens[number - 1], canvas, lang))


def _fork(chat: Chat, rest: str, lang: str, canvas: Canvas) -> Outcome:
    place, _, wanted = rest.partition(" ")
    if not place:
        return Outcome(language.FORK_HOW(lang))
    tokens = chat.look()
    number = _number(place, tokens)
    return Outcome(answer=chat.fork(number - 1, _alternative(number, tokens[number - 1], wanted.strip()).id))


def _number(text: str, tokens: list[Token]) -> int:
    number = _read(text)
    if number is not None and 1 <= number <= len(tokens):
        return number
    raise NoSuchToken(number=text, count=len(tokens))


def _read(text: str) -> int | None:
    """A number that a person would type."""
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def _alternative(number: int, token: Token, wanted: str) -> Alternative:
    """The one at this place, else the one with this text; the likeliest other one where nothing is wanted."""
    others = [other for other in token.alternatives if other.id != token.id]
    if not wanted and others:
        return others[0]
    place = _read(wanted)
    if place is not None and 1 <= place <= len(token.alternatives):
        return token.alternatives[place - 1]
    for other in token.alternatives:
        if wanted and wanted in (other.text, other.text.strip(), other.piece, shades.name(other)):
            return other
    raise NoSuchAlternative(name=wanted, number=number)


def _attract(chat: Chat, rest: str, lang: str, canvas: Canvas) -> Outcome:
    first, _, prompt = rest.partition(" ")
    count = attraction.COUNT
    if (number := _read(first)) is not None and (prompt.strip() or rest == first):
        count, rest = number, prompt
    if not 1 <= count <= attraction.MOST:
        raise BadSetting(name="/attract", value=count, expected=f"1…{attraction.MOST}")
    survey = Survey(chat, rest.strip() or _last_line(chat), count, lang, canvas)
    return Outcome(lines=survey, cancel=survey.cancel)


def _last_line(chat: Chat) -> str:
    """What the person said last. NothingSaid where nothing was."""
    said = [message.content for message in chat.conversation.turns if message.role == "user"]
    if not said:
        raise NothingSaid(command="/attract")
    return said[-1]


class Survey:
    """Lines that come as fast as the mind writes: each continuation, then the groups they fall into."""

    def __init__(self, chat: Chat, prompt: str, count: int, lang: str, canvas: Canvas) -> None:
        """MessageTooLong where the mind cannot hold the prompt."""
        self._cancel = Cancel()
        self._ways = chat.attract(prompt, count, self._cancel)
        self._count, self._lang, self._canvas = count, lang, canvas

    def cancel(self) -> None:
        """Write no more; what there is is still grouped."""
        self._cancel.set()

    def __iter__(self) -> Iterator[Line]:
        texts: list[str] = []
        for way in self._ways:
            texts.append(way.text)
            before = f"{len(texts):>{len(str(self._count))}}/{self._count}  "
            room = None if self._canvas.aloud else self._canvas.width - len(before) - 1
            yield [("remark", before), ("", shades.one_line(way.text, room))]
        if texts:
            yield from shades.groups(attraction.groups(texts), len(texts), self._canvas, self._lang)


def _childhood(chat: Chat, rest: str, lang: str, canvas: Canvas) -> Outcome:
    lines: list[str] = []
    for one in childhood.of(chat.mind.card):
        if one.prompt:
            lines.append(language.AFTER(lang, prompt=one.prompt))
        for stage in one.stages:
            tokens = language.number(stage.tokens, lang) if stage.tokens is not None else "?"
            lines += [language.STAGE(lang, iteration=stage.iteration, tokens=tokens), stage.text, ""]
    return Outcome("\n".join(lines[:-1]))


INSIGHTS: Final[dict[str, Callable[[Chat, str, str, Canvas], Outcome]]] = {
    "look": _look, "fork": _fork, "attract": _attract, "childhood": _childhood,
}  # fmt: skip
