"""A conversation and its file: JSON lines, appended after every turn and never rewritten.

Undoing is a line too, so whatever happens to the program, all that was ever said is still there. A file that another
program went on with is left to it, and one that vanished is written anew: what is in memory is never lost.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import orjson

from chat_app import places
from chat_app.errors import (
    BoxError,
    ConversationShared,
    ConversationUnreadable,
    ConversationUnwritable,
    NotAConversation,
    NothingToRate,
    NothingToRetry,
)  # fmt: skip
from chat_app.template import Message

SUFFIX: Final = ".jsonl"
_ROLES: Final = ("system", "user", "assistant")
_RATINGS: Final = ("bad", "good")
_TITLE: Final = 80  # letters
_BEGINNING: Final = threading.Lock()


class Conversation:
    """Messages in memory and on the disk. `problem` is to be shown while they are not saved where they were."""

    _latest: ClassVar = datetime.now()

    def __init__(self, folder: Path, mind: str = "") -> None:
        self.path = folder / self._name()
        self.mind = mind
        self.messages: list[Message] = []
        self.rated: list[tuple[list[Message], bool]] = []
        """Answers that the person called good or bad, with all that stood before each, whatever was undone since."""
        self.foreign = False
        """Whether another mind spoke in it."""
        self.copies: set[Path] = set()
        """Files that `save_as` wrote."""
        self.problem: BoxError | None = None
        self._size = 0  # bytes that the file had when it was read, or written, here
        self._waiting: list[bytes] = []  # lines that the disk has not taken yet
        self._begun = False  # the first line of the file is written, or waits
        self._on_disk = False
        self._exiled: BoxError | None = None
        """Why its file is no longer the one that it was begun or read in, which holds until the end."""

    @staticmethod
    def _name() -> str:
        """Of a new file: the moment, and later than at the last call, for a clock of Windows stands still for 16 ms."""
        with _BEGINNING:
            Conversation._latest = max(datetime.now(), Conversation._latest + timedelta(microseconds=1))
            return f"{Conversation._latest:%Y-%m-%d-%H%M%S-%f}{SUFFIX}"

    @property
    def system(self) -> str | None:
        """The system text that the person set in this conversation, if any."""
        return next((m.content for m in self.messages if m.role == "system"), None)

    @property
    def turns(self) -> list[Message]:
        """The messages without the system text."""
        return [m for m in self.messages if m.role != "system"]

    @property
    def saved(self) -> bool:
        """Whether the disk has taken every line."""
        return not self._waiting

    @property
    def went_on(self) -> bool:
        """Whether another program went on with the file, and nothing would be lost if it were read anew."""
        try:
            return self.saved and self.path.stat().st_size != self._size
        except OSError:
            return self.saved and self._size > 0

    def add(self, message: Message, **details: Any) -> None:
        """Append a turn, first to memory, then to the file."""
        self._apply(message)
        self._write({"role": message.role} | _said(message) | details)

    def note(self, message: Message, **details: Any) -> None:
        """Keep in the file what was said beside the conversation, as by another voice."""
        self._write({"aside": message.role} | _said(message) | details)

    def undo(self, *, answer_only: bool = False) -> None:
        """Take back the last answer, and the line it answers too. NothingToRetry where there is none."""
        self._undo(answer_only)
        self._write({"undo": "answer" if answer_only else "turn"})

    def rate(self, good: bool) -> None:
        """Keep what the person thinks of the last answer. NothingToRate where there is none."""
        self._rate(good)
        self._write({"rating": _RATINGS[good]})

    def _rate(self, good: bool) -> None:
        if not self.messages or self.messages[-1].role != "assistant":
            raise NothingToRate
        if self.rated and self.rated[-1][0][-1] is self.messages[-1]:  # the person thought again
            self.rated.pop()
        self.rated.append((list(self.messages), good))

    def _apply(self, message: Message) -> None:
        if message.role == "system":
            self.messages = self.turns
            if message.content:
                self.messages.insert(0, message)
        else:
            self.messages.append(message)

    def _undo(self, answer_only: bool) -> None:
        if not self.turns:
            raise NothingToRetry
        if self.messages[-1].role == "assistant":
            self.messages.pop()
        if not answer_only and self.turns:
            self.messages.pop()

    def _write(self, row: dict[str, Any]) -> None:
        if not self._begun:
            self._begun = True
            self._waiting.append(orjson.dumps({"start": 1, "mind": self.mind, "time": _now()}))
        self._waiting.append(orjson.dumps(row | {"time": _now()}))
        self.flush()

    def flush(self) -> None:
        """Try to bring to the disk all that it has not taken; sets or clears `problem`.

        A folder that cannot be written at all is given up for the system's temporary one, and `problem` says so.
        """
        try:
            self._append()
            self.problem = self._exiled
        except OSError as error:
            self.problem = ConversationUnwritable(path=self.path.parent, reason=error)
            if self._exiled is None and not self._on_disk:
                with suppress(OSError):
                    self.path = self._shelter()
                    self._exiled = self.problem
                    self._append()

    def rescue(self) -> Path:
        """Before it is left, bring all of it to the disk; the file it is in, which may be another one.

        ConversationUnwritable where it can be nowhere but in memory.
        """
        self.flush()
        if self.saved:
            return self.path
        try:
            path = self._shelter()
        except OSError as error:
            raise ConversationUnwritable(path=self.path.parent, reason=error) from error
        self.save_as(path)
        return path

    def _shelter(self) -> Path:
        return places.shelter() / self.path.name

    def _append(self) -> None:
        if not self._waiting:
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._on_disk and (size := self.path.stat().st_size if self.path.exists() else 0) != self._size:
            self._waiting = self._lines()
            if size:
                self._exiled = ConversationShared(path=self.path)
                self.path = self.path.with_name(self._name())
        left = memoryview(data := b"".join(line + b"\n" for line in self._waiting))
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(before)  # a full disk takes half a line; the next try writes it whole
                raise
        self._waiting.clear()
        self._size = before + len(data)
        self._on_disk = True

    def _lines(self) -> list[bytes]:
        """The file's lines for the conversation as it now stands."""
        rows: list[dict[str, Any]] = [{"start": 1, "mind": self.mind, "time": _now()}]
        rated = {id(messages[-1]): good for messages, good in self.rated}
        for message in self.messages:
            rows.append({"role": message.role} | _said(message))
            if id(message) in rated:
                rows.append({"rating": _RATINGS[rated[id(message)]]})
        return [orjson.dumps(row) for row in rows]

    def save_as(self, path: Path) -> None:
        """Write the conversation as it now stands: JSON lines, or a readable text for .txt and .md."""
        if path.suffix.lower() in (".txt", ".md"):
            names = {"system": "#", "user": ">", "assistant": ""}
            data = "\n\n".join(f"{names[m.role]} {m.content}".strip() for m in self.messages).encode() + b"\n"
        else:
            data = b"".join(line + b"\n" for line in self._lines())
        # tempfile would go on to the next name in a folder that Windows forbids, two thousand million times.
        partial = path.parent / f".{path.stem[:40]}-{time.time_ns():x}"
        try:
            partial.touch(mode=0o600, exist_ok=False)
            try:
                partial.write_bytes(data)
                partial.replace(path)
                self.copies.add(path)
            finally:  # closed by now: Windows removes no open file
                partial.unlink(missing_ok=True)
        except (OSError, ValueError) as error:  # ValueError: no file can have this name
            raise ConversationUnwritable(path=path, reason=error) from error


def load(path: Path, mind: str) -> Conversation:
    """Open a saved conversation to go on with it, in the same file. A torn last line is left out.

    Ids are those of another mind's vocabulary where its sha256 differs from `mind`, and are then forgotten.
    """
    conversation = Conversation(path.parent, mind)
    same_mind = False
    try:
        if path.is_dir():  # of which Windows says that permission is denied
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        raise ConversationUnreadable(path=path, reason=error) from error
    for line in data.splitlines():
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(row, dict):
            raise NotAConversation(path=path)
        if "start" in row:
            same_mind = row.get("mind") == mind
            conversation.foreign |= not same_mind
        elif row.get("role") in _ROLES and isinstance(row.get("content"), str):
            conversation._apply(Message(row["role"], row["content"], *(_written(row) if same_mind else ())))
        elif row.get("rating") in _RATINGS:
            with suppress(NothingToRate):
                conversation._rate(row["rating"] == _RATINGS[True])
        elif "undo" in row and conversation.turns:
            conversation._undo(row["undo"] == "answer")
    if not conversation.messages:
        raise NotAConversation(path=path)
    conversation.path, conversation._on_disk = path, True
    conversation._begun = same_mind  # or a line of its own says whose ids follow
    conversation._size = len(data)
    if not data.endswith(b"\n"):
        conversation._waiting.append(b"")  # the next line must not run into the torn one
    return conversation


def _said(message: Message) -> dict[str, Any]:
    """What a row says of a message, beside whose it is."""
    row: dict[str, Any] = {"content": message.content}
    if message.ids:
        row["ids"] = message.ids
    if message.mode:
        row["mode"] = message.mode
    return row


def _written(row: dict[str, Any]) -> tuple[list[int], str]:
    """The ids of an answer, and the voice; a file is open to anyone, so they may be anything."""
    if row["role"] != "assistant":
        return [], ""
    ids, mode = row.get("ids"), row.get("mode")
    sound = isinstance(ids, list) and all(type(i) is int and i >= 0 for i in ids)
    return list(ids) if sound and ids else [], mode if isinstance(mode, str) else ""


def recent(folder: Path, count: int = 10) -> list[Path]:
    """The latest conversations, the newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)[:count]


def title(conversation: Conversation) -> str:
    """The first line of the person, or its beginning."""
    lines = (line.strip() for message in conversation.turns for line in message.content.splitlines())
    return next((line for line in lines if line), "")[:_TITLE]


def named(folder: Path, name: str) -> Path | None:
    """The conversation that `recent` lists by this name."""
    return next((path for path in folder.glob(f"*{SUFFIX}") if name in (path.stem, path.name)), None)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
