"""The conversations of the page: found in their folder, opened, spoken in one at a time, put away.

Knows chats, minds and seats; knows nothing of HTTP.

Locking: `_lock` guards the table of open talks and the mind, so that no talk stays open with a mind that has left, and
is held for a look into files at most. Every talk has a lock of its own, held for as long as something is done with its
chat, a whole answer included; it is always taken without `_lock`. `_changing` is held while a mind or a voice is
loaded. What computes is ordered by seats (chat_app/web/seats.py): a mind leaves when all of them are empty, so whoever
holds one may rely on its staying.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chat_app import box
from chat_app import conversation as conversations
from chat_app import mind as minds
from chat_app.chat import Chat
from chat_app.conversation import Conversation
from chat_app.engine import Engine
from chat_app.errors import (
    BoxError,
    ConversationBusy,
    ConversationElsewhere,
    ConversationUnwritable,
    MindBusy,
    MindError,
    MindMissing,
    MindOfTerminal,
    NoSuchConversation,
    NoSuchVoice,
)
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from chat_app.web.seats import Line, Seats

DELETED: Final = "deleted"  # the folder beside, from which a person may take a conversation back
_OPEN: Final = 16  # talks whose chats are kept; the others are read again from their files
_LISTED: Final = 500
_PATIENCE: Final = 3.0  # seconds that an answer whose reader has left has to end in
_GLANCE: Final = 0.5  # the same for whoever only wants to read, and asks again: each who waits here holds a thread


@dataclass(slots=True)
class Talk:
    """One conversation that the page has open. Whoever holds `lock` may use the chat."""

    chat: Chat
    lock: threading.Lock = field(default_factory=threading.Lock)
    ids: list[int] = field(default_factory=list)
    """What a cache may still hold of it."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of the mind, "" being its own, with seats for its answers and the settings that they begin with."""

    mode: str
    seats: Seats
    sampling: Sampling


class Talks:
    """All conversations with one mind, which may change."""

    def __init__(self, chat: Chat, *, terminal: bool = False) -> None:
        self.folder, self._asked = chat.folder, chat.asked
        self._terminal = chat if terminal else None
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Talk] = OrderedDict()
        self._seen: dict[Path, tuple[tuple[int, int], Any]] = {}  # what files say, until they change
        self._changing = threading.Lock()  # the mind, or its voice
        self.adopt(chat)

    # --- the mind --------------------------------------------------------------------------------------------

    def adopt(self, chat: Chat) -> None:
        """Talk with the mind of `chat`, over the same weights; in caches of its own beside a terminal."""
        own = chat.as_voice("")
        self._speak_with(chat.mind, own.engine.sibling() if self._terminal else own.engine, own.sampling)

    def _speak_with(self, mind: Mind, engine: Engine, sampling: Sampling) -> None:
        with self._lock:
            self.mind, self.voice = mind, Voice("", Seats(engine, Line()), sampling)
            self._voices = {"": self.voice}
            self._put_all_away()  # what was read while this mind woke up has the one before

    def voice_of(self, mode: str) -> Voice:
        """A voice of the mind, loaded when it is first needed. NoSuchVoice, MindError where that fails."""
        with self._changing:
            return self._voice_of(mode)

    def set_mode(self, mode: str) -> None:
        """Answer with another voice of the mind from now on; what is being written goes on as it began."""
        with self._changing:
            self.voice = self._voice_of(mode)

    def _voice_of(self, mode: str) -> Voice:
        if mode not in self._voices:
            if mode not in self.mind.variants:
                raise NoSuchVoice(name=mode, known=", ".join(self.mind.variants) or "-")
            own = self._voices[""].seats
            engine, sampling = own.engine.variant(self.mind, mode), self.mind.variants[mode].sampling
            self._voices[mode] = Voice(mode, Seats(engine, own.line), sampling.settled(self._asked))
        return self._voices[mode]

    def let_go(self) -> None:
        """End every answer and forget the weights of the mind. ConversationUnwritable where anything would be lost."""
        with self._lock:
            for talk in self._open.values():
                talk.chat.conversation.rescue()
        self.close()

    def close(self) -> None:
        """End every answer, and keep all that was said as well as that is possible."""
        for voice in self._voices.values():
            voice.seats.close()
        with self._lock:
            self._put_all_away()

    def switch(self, name: str) -> None:
        """Talk with another mind of the same folder from now on; answers that are being written end here.

        MindMissing, MindError where it cannot be opened: then the present one goes on.
        """
        if self._terminal:
            raise MindOfTerminal(name=name)
        path = next((path for path in box.near(self.mind.path) if box.called(path) == name), None)
        if path is None:
            raise MindMissing(path=name)
        mind = minds.open_mind(path)
        if not self._changing.acquire(blocking=False):
            raise MindBusy
        try:
            self.let_go()
            try:
                self._speak_with(mind, Engine.with_mind(mind), mind.manners.sampling.settled(self._asked))
            except MindError:
                self._speak_with(self.mind, Engine.with_mind(self.mind), self._voices[""].sampling)
                raise
        finally:
            self._changing.release()

    def minds(self) -> list[dict[str, Any]]:
        """The minds of the folder, the present one marked."""
        here = self.mind.path
        return [
            {"name": box.called(path), "title": self._remembered(path, _mind_title), "current": path == here}
            for path in box.near(here)
        ]

    # --- conversations ---------------------------------------------------------------------------------------

    def listed(self) -> list[dict[str, Any]]:
        """What the page shows of every conversation, the newest first."""
        paths = conversations.recent(self.folder, _LISTED)
        with self._lock:
            unsaved = [t.chat.conversation for t in self._open.values() if not self._is_kept(t.chat.conversation)]
        found = [_summary(conversation) for conversation in unsaved if conversation.turns]
        told = {summary["id"] for summary in found}
        found += [s for path in paths if path.stem not in told and (s := self._remembered(path, self._read))]
        return sorted(found, key=lambda summary: (summary["time"], summary["id"]), reverse=True)

    def new(self) -> str:
        """Begin one; its file appears with its first line. Its id."""
        with self._lock:
            talk = Talk(self._chat())
            name = talk.chat.conversation.path.stem
            self._open[name] = talk
            self._put_away()
        return name

    @contextmanager
    def talk(self, name: str, *, at_a_glance: bool = False) -> Iterator[Talk]:
        """The conversation of this id, for the one who asks until the end of the block.

        NoSuchConversation where there is none, ConversationBusy where an answer is being written in it.
        """
        talk = self._taken(name, _GLANCE if at_a_glance else _PATIENCE)
        try:
            yield talk
        finally:
            self._follow(talk, name)
            talk.lock.release()

    def _follow(self, talk: Talk, name: str) -> None:
        """Its id is that of its file, which becomes another one where another program went on with the first."""
        now = talk.chat.conversation.path.stem
        with self._lock:
            if now != name and self._open.get(name) is talk:
                self._open.setdefault(now, self._open.pop(name))

    def _taken(self, name: str, patience: float) -> Talk:
        while True:
            with self._lock:
                talk = self._open.get(name)
                if talk is None or (not talk.lock.locked() and talk.chat.conversation.went_on):
                    self._open.pop(name, None)  # first: it may not be there to be read any more
                    talk = self._open[name] = self._loaded(name)
                self._open.move_to_end(name)
                self._put_away()
            if not talk.lock.acquire(timeout=patience):
                raise ConversationBusy
            if self._open.get(name) is talk:
                return talk
            talk.lock.release()  # deleted, or read anew, while it was waited for

    def check_ours(self, talk: Talk) -> None:
        """ConversationElsewhere where it is the one that goes on in the terminal."""
        if self._terminal and self._terminal.conversation.path == talk.chat.conversation.path:
            raise ConversationElsewhere

    def delete(self, name: str) -> None:
        """Put a conversation into the folder of the deleted."""
        with self.talk(name) as talk:
            self.check_ours(talk)
            path = talk.chat.conversation.path
            try:
                (path.parent / DELETED).mkdir(mode=0o700, exist_ok=True)
                path.replace(path.parent / DELETED / path.name)
            except FileNotFoundError:  # nothing was ever said in it
                pass
            except OSError as error:
                raise ConversationUnwritable(path=path.parent / DELETED, reason=error) from error
            with self._lock:
                self._open.pop(name, None)

    def _chat(self) -> Chat:
        return Chat(self.mind, None, self.folder, self._asked)

    def _loaded(self, name: str) -> Talk:
        path = conversations.named(self.folder, name)
        if path is None or path.stem != name:
            raise NoSuchConversation(name=name)
        talk = Talk(self._chat())
        talk.chat.load(path)
        return talk

    def _put_away(self) -> None:
        """Forget the talks that were not looked at for the longest time and would lose nothing by it."""
        for name, talk in list(self._open.items())[:-_OPEN]:
            if self._is_kept(talk.chat.conversation) and not talk.lock.locked():
                del self._open[name]

    def _put_all_away(self) -> None:
        while self._open:
            with suppress(ConversationUnwritable):
                self._open.popitem()[1].chat.conversation.rescue()

    def _is_kept(self, conversation: Conversation) -> bool:
        """Whether all that was said in it is in the folder, or was until its file was removed."""
        return conversation.saved and conversation.path.parent == self.folder

    def _read(self, path: Path) -> dict[str, Any]:
        return _summary(conversations.load(path, self.mind.sha256))

    def _remembered(self, path: Path, read: Any) -> Any:
        """What `read` says of a file, read again only when it has changed; nothing where it cannot be read."""
        with suppress(OSError):
            state = path.stat()
            known = self._seen.get(path)
            if known is None or known[0] != (state.st_size, state.st_mtime_ns):
                try:
                    found = read(path)
                except BoxError:
                    found = None
                known = self._seen[path] = (state.st_size, state.st_mtime_ns), found
            return known[1]
        return None


def _mind_title(path: Path) -> str:
    return minds.open_mind(path).title


def _summary(conversation: Conversation) -> dict[str, Any]:
    try:
        changed = datetime.fromtimestamp(conversation.path.stat().st_mtime, UTC)
    except OSError:  # the disk does not take it
        changed = datetime.now(UTC)
    time = changed.astimezone().isoformat(timespec="seconds")
    turns = len(conversation.turns)
    return {"id": conversation.path.stem, "title": conversations.title(conversation), "time": time, "turns": turns}
