"""The slash commands, the same in the terminal and in a pipe: a line in, words or an answer out."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from chat_app import box, card, conversation, language, terms
from chat_app import mind as minds
from chat_app.chat import Chat
from chat_app.errors import BoxError, ConversationUnwritable, FileExists, MindError, UnknownSetting
from chat_app.insight import INSIGHTS
from chat_app.language import HELP
from chat_app.mind import Mind
from chat_app.outcome import Outcome
from chat_app.remarks import stats_line
from chat_app.sampler import SETTINGS
from chat_app.shades import ALOUD, Canvas
from chat_app.voices import VOICES


def is_command(line: str) -> bool:
    """A slash and a word; anything else is said to the mind: `/`, `//`, a path, and several lines unless they are text
    that the command takes.
    """
    if not (named := re.match(r"/([^\W\d][\w-]*)(?![^\s=?!])", line)):
        return False
    return "\n" not in line or named[1].lower() in _OF_TEXT


def run(chat: Chat, line: str, lang: str, canvas: Canvas = ALOUD) -> Outcome:
    """Do what `line` says; `canvas` is where its lines will be drawn. BoxError where it cannot be done."""
    name, rest = _name_and_rest(line[1:])
    name = _ALSO.get(name, name)
    if name in SETTINGS:  # the article's own spelling: /temperature 0.7
        return _set(chat, f"{name} {rest}", lang)
    if command := COMMANDS.get(name):
        return command(chat, rest, lang)
    if voices := VOICES.get(name):
        return voices(chat, rest, lang)
    if insight := INSIGHTS.get(name):
        return insight(chat, rest, lang, canvas)
    nearest = _nearest(name, [*HELP, *SETTINGS], _LIKE)
    hint = language.PERHAPS(lang, nearest=nearest) if nearest else ""
    return Outcome(language.UNKNOWN_COMMAND(lang, name=name, hint=hint))


def _name_and_rest(text: str) -> tuple[str, str]:
    name, rest = [*re.split(r"[\s=]+", text.strip(), maxsplit=1), ""][:2]
    return name.rstrip("?!").lower().replace("-", "_"), rest.strip()


def _nearest(name: str, names: Sequence[str], cutoff: float = 0) -> str:
    begun = [known for known in names if known.startswith(name)]
    return next(iter(begun or difflib.get_close_matches(name, names, n=1, cutoff=cutoff)), "")


def _help(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome("\n".join(f"/{name:<9}  {phrase(lang)}" for name, phrase in HELP.items()))


def _retry(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome(answer=chat.retry())


def _good(chat: Chat, rest: str, lang: str) -> Outcome:
    chat.conversation.rate(good=True)
    return Outcome(language.RATED(lang))


def _bad(chat: Chat, rest: str, lang: str) -> Outcome:
    chat.conversation.rate(good=False)
    return Outcome(language.RATED(lang))


def _undo(chat: Chat, rest: str, lang: str) -> Outcome:
    chat.undo()
    return Outcome(language.UNDONE(lang))


def _reset(chat: Chat, rest: str, lang: str) -> Outcome:
    said = chat.conversation.messages
    path = chat.reset()
    return Outcome(language.RESET(lang, path=path) if said else language.FRESH(lang))


def _set(chat: Chat, rest: str, lang: str) -> Outcome:
    name, value = _name_and_rest(rest)
    if not name:
        values = chat.sampling.to_dict()
        return Outcome("\n".join([language.SETTINGS(lang), *(f"  {key} = {_said(values[key])}" for key in SETTINGS)]))
    if name not in SETTINGS:
        raise UnknownSetting(name=name, nearest=_nearest(name, SETTINGS))
    if value:
        chat.sampling = chat.sampling.changed(name, value)
    return Outcome(language.SET_TO(lang, name=name, value=_said(getattr(chat.sampling, name))))


def _said(value: object) -> object:
    """As a person may say it."""
    return "random" if value is None else value


def _system(chat: Chat, rest: str, lang: str) -> Outcome:
    if not chat.mind.can_chat:
        return Outcome(language.SYSTEM_BASE(lang))
    if rest:
        chat.set_system(rest)
    return Outcome(language.SYSTEM_IS(lang, text=chat.system) if chat.system else language.NO_SYSTEM(lang))


def _save(chat: Chat, rest: str, lang: str) -> Outcome:
    if not chat.conversation.messages:
        return Outcome(language.NOTHING_TO_SAVE(lang))
    if not rest or (path := _absolute(_path(rest))) == chat.conversation.path.absolute():
        chat.conversation.flush()
        if chat.conversation.problem and not chat.conversation.saved:
            raise chat.conversation.problem
        return Outcome(language.SAVED(lang, path=chat.conversation.path))
    if path not in chat.conversation.copies and _stands(path):
        raise FileExists(path=path)
    chat.conversation.save_as(path)
    return Outcome(language.SAVED(lang, path=path))


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError as error:  # the folder that the program was started in is gone
        raise ConversationUnwritable(path=path, reason=error) from error


def _stands(path: Path) -> bool:
    """Whether anything has this name: a file, a device, a link that leads nowhere."""
    try:
        return os.path.lexists(path) and not path.is_dir()  # saving says of a folder that it is one
    except ValueError:  # nothing can have this name, and saving will say so
        return False


def _load(chat: Chat, rest: str, lang: str) -> Outcome:
    if not rest:
        lines = [f"  {path.stem}  {_beginning(path)}".rstrip() for path in conversation.recent(chat.folder)]
        return Outcome("\n".join([language.RECENT(lang), *lines]) if lines else language.NO_RECENT(lang))
    path = conversation.named(chat.folder, rest) or _path(rest)
    chat.load(path)
    lines = [language.LOADED(lang, path=path, count=len(chat.conversation.turns))]
    return Outcome("\n".join(lines + [language.OF_ANOTHER_MIND(lang)] * chat.conversation.foreign))


def _beginning(path: Path) -> str:
    """What was said first; what cannot be read says so when it is chosen."""
    try:
        return conversation.title(conversation.load(path, ""))
    except BoxError:
        return "?"


def _path(text: str) -> Path:
    """What was typed, or pasted in the quotes that a file manager puts around it."""
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # ~ of nobody, or no name at all: opening it will say so
        return Path(text)


def _stats(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome(stats_line(chat.last, lang) if chat.last else language.NO_STATS(lang))


def _context(chat: Chat, rest: str, lang: str) -> Outcome:
    used, limit = chat.context()
    return Outcome(language.CONTEXT(lang, used=used, limit=limit))


def _card(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome(card.told(chat.mind, lang))


def _mind(chat: Chat, rest: str, lang: str) -> Outcome:
    neighbours = box.near(chat.mind.path)
    if not rest:
        lines = [_described(path, chat.mind) for path in neighbours]
        return Outcome("\n".join([language.MINDS(lang), *lines]))
    path = next((path for path in neighbours if rest in (path.stem, path.name)), _path(rest))
    chat.switch(minds.open_mind(path))
    greeting = chat.mind.manners.greeting
    return Outcome("\n".join([language.MIND_IS(lang, title=chat.mind.title), *([greeting] if greeting else [])]))


def _described(path: Path, present: Mind) -> str:
    """A mind in a list, the present one with a star; what cannot be opened says so when it is chosen."""
    here = os.path.realpath(path) == os.path.realpath(present.path)  # a link may lead nowhere, a file be moved
    try:
        title = (present if here else minds.open_mind(path)).title
    except MindError:
        title = "?"
    return f"{'*' if here else ' '} {box.called(path)}: {title}"


def _license(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome(terms.told(chat.mind, rest, lang))


def _where(chat: Chat, rest: str, lang: str) -> Outcome:
    mind = chat.mind.path.absolute()
    return Outcome(language.WHERE(lang, conversation=chat.conversation.path, mind=mind, folder=chat.folder))


def _web(chat: Chat, rest: str, lang: str) -> Outcome:
    from chat_app.web import face  # not before anyone asks: the terminal opens no sockets

    return Outcome(face.beside(chat, lang))


def _quit(chat: Chat, rest: str, lang: str) -> Outcome:
    return Outcome(leave=True)


COMMANDS: Final[dict[str, Callable[[Chat, str, str], Outcome]]] = {
    "help": _help, "retry": _retry, "good": _good, "bad": _bad, "undo": _undo, "reset": _reset, "set": _set,
    "system": _system, "save": _save, "load": _load, "stats": _stats, "context": _context, "card": _card, "mind": _mind,
    "license": _license, "web": _web, "where": _where, "quit": _quit,
}  # fmt: skip


_ALSO: Final = {"exit": "quit", "licence": "license"}
_OF_TEXT: Final = ("system", "both", "attract")
_LIKE: Final = 0.5  # so much alike are a name and what it may have been meant for
