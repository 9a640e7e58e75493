"""The terminal's face: greeting while the mind wakes, a line from the person, an answer, Ctrl-C for the answer only."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain
from types import FrameType
from typing import Final

from chat_app import commands, language, shades
from chat_app.answer import Answer
from chat_app.awakening import Awakening
from chat_app.chat import Chat
from chat_app.errors import BoxError
from chat_app.line import asker
from chat_app.outcome import Outcome
from chat_app.remarks import DiskWatch, remarks
from chat_app.screen import Screen

_PATIENCE: Final = 0.5  # seconds that a person waits without asking what is going on
_ECHO: Final = 0.1  # seconds; a one-file box hears a Ctrl-C twice, from the terminal and from its outer process


class Terminal:
    """One person at a keyboard."""

    def __init__(self, awakening: Awakening, lang: str, *, plain: bool = False) -> None:
        self._awakening, self._lang = awakening, lang
        self._disk = DiskWatch()
        self._screen = Screen(plain=plain)

    def run(self) -> int:
        """Greet, talk until the person leaves, and return the exit code."""
        self._greet()
        self._talk()
        if self._awakening.succeeded:
            self._remark(self._disk.farewell(self._awakening.chat(), self._lang))
        return 0

    def _talk(self) -> None:
        ask = asker(self._screen, self._lang)
        while True:
            try:
                line = ask()
            except KeyboardInterrupt:
                self._tell_how_to_leave()
                continue
            except EOFError:
                return
            try:
                chat = self._awake()
                if not self._take(chat, line):
                    return
                self._remark(self._disk.remarks(chat, self._lang))
            except KeyboardInterrupt:  # while the mind wakes
                self._tell_how_to_leave()
            except BoxError as error:
                if not self._awakening.succeeded:
                    raise
                self._screen.show("trouble", error.sentence(self._lang))

    def _tell_how_to_leave(self) -> None:
        """A bare line of Windows does not end at Ctrl-D, which is a letter there."""
        ends = not (self._screen.bare and sys.platform == "win32")
        self._remark([(language.LEAVE if ends else language.LEAVE_BY_NAME)(self._lang)])

    def _awake(self) -> Chat:
        if not self._awakening.ready(_PATIENCE):
            self._wait()
        return self._awakening.chat()

    def _wait(self) -> None:
        """Tell how far the mind has woken until it is awake."""
        with self._screen.progress() as tell:
            while True:
                tell(f"{language.WAKING(self._lang)} {shades.share(self._awakening.share, self._lang)}")
                if self._awakening.ready(_PATIENCE):
                    return

    def _greet(self) -> None:
        mind = self._awakening.mind()
        self._screen.show("name", mind.title)
        if mind.manners.greeting:
            self._screen.write([mind.manners.greeting])
        self._remark([language.HINT(self._lang)])

    def _take(self, chat: Chat, line: str) -> bool:
        """Do what one line asks; False when it asks to leave."""
        if commands.is_command(line.strip()):
            with _keys_unseen():
                return self._obey(chat, line.strip())
        if line.strip() or not chat.mind.can_chat:
            self._stream(chat, chat.say(line))
        return True

    def _obey(self, chat: Chat, line: str) -> bool:
        outcome = commands.run(chat, line, self._lang, self._screen.canvas)
        if outcome.text:
            self._screen.write([outcome.text])
        self._draw(outcome)
        if outcome.answer:
            self._stream(chat, outcome.answer)
        for name, answer in outcome.voices:
            self._screen.show("name", name)
            self._stream(chat, answer)
            if answer.stats.finish == "cancelled":  # whoever wants silence does not want the next voice
                break
        return not outcome.leave

    def _draw(self, outcome: Outcome) -> None:
        with _interrupt_cancels(outcome.cancel) if outcome.cancel else nullcontext():
            for line in outcome.lines:
                self._screen.draw(line)

    def _stream(self, chat: Chat, answer: Answer) -> None:
        # What is continued is shown again, so that the two read as one text, even within a word.
        said = [turn.content for turn in chat.conversation.turns if turn.role == "user"]
        before = [] if chat.mind.can_chat else said[-1:]
        if self._screen.plain:
            self._remark([(language.ANSWERS if chat.mind.can_chat else language.GOES_ON)(self._lang)])
        with _interrupt_cancels(answer.cancel):
            self._screen.write(chain(before, answer))
        self._remark(remarks(chat, answer, self._lang))

    def _remark(self, lines: list[str]) -> None:
        for line in lines:
            self._screen.show("remark", line)


@contextmanager
def _interrupt_cancels(cancel: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C asks for the end after this token, instead of tearing through whatever runs."""
    asked = False

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        cancel()

    before = signal.signal(signal.SIGINT, interrupted)
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
