"""The terminal's face: greeting while the mind wakes, line editing, streaming, Ctrl-C for the answer only."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from types import FrameType
from typing import Final

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth, is_dumb_terminal

from chat_app import commands, language, places
from chat_app.awakening import Awakening
from chat_app.chat import Answer, Chat
from chat_app.commands import DiskWatch
from chat_app.errors import BoxError
from chat_app.language import HELP
from chat_app.sampler import SETTINGS, Sampling
from chat_app.text import encodable, printable

_STYLE: Final = Style(
    [("remark", "fg:ansibrightblack"), ("trouble", "fg:ansired"), ("name", "bold"), ("you", "fg:ansicyan")]
)
_MARK: Final = "› "
_LONGEST_HELD_WORD: Final = 40
_PATIENCE: Final = 0.5  # seconds that a person waits without asking what is going on
_ECHO: Final = 0.1  # seconds; a one-file box hears a Ctrl-C twice, from the terminal and from its outer process


class Terminal:
    """One person at a keyboard."""

    def __init__(self, awakening: Awakening, lang: str, settle: Callable[[Sampling], Sampling]) -> None:
        self._awakening, self._lang = awakening, lang
        self._settle: Callable[[Sampling], Sampling] | None = settle  # once, when the mind is awake
        self._disk = DiskWatch()

    def run(self) -> int:
        """Greet, talk until the person leaves, and return the exit code."""
        self._greet()
        self._talk()
        if self._awakening.succeeded:
            self._remark(self._disk.farewell(self._awakening.chat(), self._lang))
        return 0

    def _talk(self) -> None:
        ask = _prompt()
        while True:
            try:
                line = ask()
            except KeyboardInterrupt:
                self._remark([language.LEAVE(self._lang)])
                continue
            except EOFError:
                return
            try:
                chat = self._awake()
                if not self._take(chat, line):
                    return
                self._remark(self._disk.remarks(chat, self._lang))
            except KeyboardInterrupt:  # while the mind wakes
                self._remark([language.LEAVE(self._lang)])
            except BoxError as error:
                if not self._awakening.succeeded:
                    raise
                self._show("class:trouble", error.sentence(self._lang))

    def _awake(self) -> Chat:
        if not self._awakening.ready(_PATIENCE):
            self._remark([language.WAKING(self._lang)])
        chat = self._awakening.chat()
        if self._settle is not None:
            chat.sampling = self._settle(chat.sampling)
            self._settle = None
        return chat

    def _greet(self) -> None:
        mind = self._awakening.mind()
        title = str(mind.card.get("title") or mind.path.stem)
        self._show("class:name", title)
        if mind.manners.greeting:
            _write_wrapped([mind.manners.greeting, "\n"])
        self._remark([language.HINT(self._lang)])

    def _take(self, chat: Chat, line: str) -> bool:
        """Do what one line asks; False when it asks to leave."""
        if commands.is_command(line.strip()):
            outcome = commands.run(chat, line.strip(), self._lang)
            if outcome.text:
                _write_wrapped([outcome.text, "\n"])
            if outcome.answer:
                self._stream(chat, outcome.answer)
            return not outcome.leave
        if line.strip() or not chat.mind.can_chat:
            self._stream(chat, chat.say(line))
        return True

    def _stream(self, chat: Chat, answer: Answer) -> None:
        # What is continued is shown again, so that the two read as one text, even within a word.
        before = [] if chat.mind.can_chat else [chat.conversation.turns[-1].content]
        with _interrupt_cancels(answer):
            _write_wrapped(chain(before, answer))
        sys.stdout.write("\n")
        self._remark(commands.remarks(chat, answer, self._lang))

    def _remark(self, lines: list[str]) -> None:
        for line in lines:
            self._show("class:remark", line)

    def _show(self, style: str, text: str) -> None:
        if is_dumb_terminal():
            print(printable(text), flush=True)
            return
        sys.stdout.flush()
        print_formatted_text(FormattedText([(style, text)]), style=_STYLE)


def _prompt() -> Callable[[], str]:
    """What asks for a line."""
    if is_dumb_terminal():  # it would show prompt_toolkit's codes as letters
        return lambda: input(_MARK)
    session: PromptSession[str] = PromptSession(
        history=_history(), completer=_Completer(), complete_while_typing=True,
        key_bindings=_keys(), style=_STYLE, enable_open_in_editor=False,
    )  # fmt: skip
    return lambda: session.prompt(FormattedText([("class:you", _MARK)]))


@contextmanager
def _interrupt_cancels(answer: Answer) -> Iterator[None]:
    """Ctrl-C asks the answer to end after its token, instead of tearing through whatever runs."""
    asked = False

    def cancel(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        answer.cancel()

    before = signal.signal(signal.SIGINT, cancel)
    try:
        with _keys_unseen():
            yield
    finally:
        if asked:
            time.sleep(_ECHO)
        signal.signal(signal.SIGINT, before)


@contextmanager
def _keys_unseen() -> Iterator[None]:
    """While an answer is written, keys are kept for the next prompt instead of appearing amid the text."""
    if sys.platform == "win32":  # shows no keys unless they are read
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] = silent[3] & ~termios.ECHO | termios.NOFLSH  # Ctrl-C forgets none of them either
    termios.tcsetattr(descriptor, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _write_wrapped(pieces: Iterable[str]) -> None:
    """Stream text, breaking lines between words; a word is held back until it is whole."""
    wrap = Wrap(shutil.get_terminal_size().columns)
    for piece in pieces:
        sys.stdout.write(wrap.feed(piece))
        sys.stdout.flush()
    sys.stdout.write(wrap.finish())
    sys.stdout.flush()


class Wrap:
    """Breaks a stream of text at `width` columns, between words where it can."""

    def __init__(self, width: int) -> None:
        self._width = max(width - 1, 10)  # the last column is left free: terminals differ in when they wrap
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """The text that can be shown now."""
        shown = ""
        for character in printable(text):
            if character in " \n":
                shown += self._place(self._word)
                self._word = ""
                shown += self._space(character)
            else:
                self._word += character
                if len(self._word) >= _LONGEST_HELD_WORD:
                    shown += self._place(self._word)
                    self._word = ""
        return shown

    def finish(self) -> str:
        """The word that was held back."""
        word, self._word = self._word, ""
        return self._place(word)

    def _space(self, character: str) -> str:
        if character == " " and not self._column:  # a continuation begins with the space after the prompt
            return ""
        if character == "\n" or self._column >= self._width:
            self._column = 0
            return "\n"
        self._column += 1
        return " "

    def _place(self, word: str) -> str:
        size = get_cwidth(word)
        before = ""
        if self._column and self._column + size > self._width:
            before, self._column = "\n", 0
        self._column = (self._column + size) % self._width if self._column + size > self._width else self._column + size
        return before + word


class _Completer(Completer):
    """Names of commands after a slash, names of settings after /set."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text[1:].partition(" ")
        if not space:
            for name in (*HELP, *SETTINGS):
                if name.startswith(command):
                    yield Completion(name, start_position=-len(command))
        elif command == "set" and " " not in rest:
            for name in SETTINGS:
                if name.startswith(rest):
                    yield Completion(name, start_position=-len(rest))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _SafeHistory(FileHistory):
    """Lines typed before; a disk that takes no more costs the history, never the line."""

    def store_string(self, string: str) -> None:
        try:
            super().store_string(encodable(string))
        except OSError:
            return


def _history() -> History:
    path = places.home() / "line-history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return _SafeHistory(str(path)) if os.access(path, os.R_OK | os.W_OK) else InMemoryHistory()
