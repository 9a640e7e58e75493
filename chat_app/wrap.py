"""Breaking a stream of text into the lines of a window. Knows columns, no window."""

from __future__ import annotations

from typing import Final

from prompt_toolkit.utils import get_cwidth

from chat_app.text import printable

_LONGEST_HELD_WORD: Final = 40
_STOPS: Final = ".!?…"  # some people type two spaces after them


class Wrap:
    """Breaks a stream of text at `width` columns, between words where it can. A line's own indent stays.

    A line of two columns, parted by two spaces or more, goes on under its second one.
    """

    def __init__(self, width: int) -> None:
        self._width = max(width - 1, 10)  # the last column is left free: terminals differ in when they wrap
        self._column = 0
        self._spaces = 0  # that came last
        self._hang = 0  # where the line goes on when it is broken
        self._last = ""  # letter before those spaces
        self._word = ""
        self._begun = False  # a part of a word so long that it is shown in parts
        self._broken = True  # the line was begun here, so it does not begin with a space, as continuations do

    def feed(self, text: str) -> str:
        """The text that can be shown now."""
        shown = ""
        for character in printable(text):
            if character in " \n":
                shown += self.finish() + self._space(character)
            else:
                self._word += character
                if len(self._word) >= _LONGEST_HELD_WORD:
                    shown += self.finish()
                    self._begun = True
        return shown

    def finish(self) -> str:
        """The word that was held back."""
        word, self._word = self._word, ""
        placed, self._begun = self._place(word), False
        return placed

    def _space(self, character: str) -> str:
        if character == "\n":
            self._column = self._spaces = self._hang = 0
            self._broken = False
            return "\n"
        if self._broken and self._column == self._hang:
            return ""
        if self._column >= self._width:
            return self._break()
        self._column += 1
        self._spaces += 1
        return " "

    def _break(self) -> str:
        self._column, self._broken = self._hang, True
        return "\n" + " " * self._hang

    def _place(self, word: str) -> str:
        size = get_cwidth(word)
        before = ""
        if word:
            if self._spaces > 1 and self._last not in _STOPS and self._spaces < self._column <= self._width // 2:
                self._hang = self._column
            if self._hang + size > self._width >= size:
                self._hang = 0
            self._spaces, self._last = 0, word[-1]
        if self._column > self._hang and self._column + size > self._width and not self._begun:
            before = self._break()  # or an address would be torn
        self._column = (self._column + size) % self._width if self._column + size > self._width else self._column + size
        return before + word
