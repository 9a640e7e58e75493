"""The commands of a mind with several voices: which one speaks, and both to the same line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chat_app import language
from chat_app.answer import Answer
from chat_app.chat import Chat
from chat_app.errors import NothingSaid
from chat_app.outcome import Outcome
from chat_app.voice import OWN


def mode(chat: Chat, rest: str, lang: str) -> Outcome:
    """The voices, or another one from now on."""
    if rest:
        chat.set_mode(_called(chat, rest))
        return Outcome(language.VOICE_IS(lang, title=title(chat, chat.mode)))
    if not chat.mind.variants:
        return Outcome(language.ONE_VOICE(lang))
    lines = [
        f"{'*' if name == chat.mode else ' '} {name or OWN}: {_described(chat, name)}"
        for name in ("", *chat.mind.variants)
    ]
    return Outcome("\n".join([language.VOICES(lang), *lines]))


def both(chat: Chat, rest: str, lang: str) -> Outcome:
    """Every voice answers a line, and the talk goes on from what the present one says; or those that have not yet
    answered the last one do.
    """
    if not chat.mind.variants:
        return Outcome(language.ONE_VOICE(lang))
    if not rest and not chat.conversation.turns:
        raise NothingSaid(command="/both")
    return Outcome(voices=_answers(chat, rest))


def _answers(chat: Chat, line: str) -> Iterator[tuple[str, Answer]]:
    if line:
        yield title(chat, chat.mode), chat.say(line)
    answered = chat.answered_by
    for name in ("", *chat.mind.variants):
        if name != answered:
            yield title(chat, name), chat.aside(name)


def title(chat: Chat, name: str) -> str:
    """What a voice is called."""
    return (chat.mind.variants[name].title or name) if name else chat.mind.title


def _described(chat: Chat, name: str) -> str:
    about = chat.mind.variants[name].description if name else ""
    return f"{title(chat, name)}, {about}" if about else title(chat, name)


def _called(chat: Chat, text: str) -> str:
    """The voice meant, whatever its capitals."""
    known = {name.lower(): name for name in chat.mind.variants}
    return "" if text.lower() == OWN else known.get(text.lower(), text)


VOICES: Final = {"mode": mode, "both": both}
