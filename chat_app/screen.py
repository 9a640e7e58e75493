"""The window that a person looks at, or hears: shades and wrapped lines, bare text, or whole lines to be read aloud."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prompt_toolkit import print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import is_dumb_terminal

from chat_app.shades import Canvas, Line, text_of
from chat_app.text import columns, printable
from chat_app.wrap import Wrap

STYLE: Final = Style([
    ("remark", "fg:ansibrightblack"), ("scale", "fg:ansibrightblack"), ("trouble", "fg:ansired"), ("name", "bold"),
    ("you", "fg:ansicyan"),
    ("sure", "fg:ansigreen"), ("likely", "fg:ansicyan"), ("possible", "fg:ansiyellow"),
    ("unlikely", "fg:ansimagenta"), ("surprising", "fg:ansired bold"),
])  # fmt: skip
_SENTENCES: Final = ("remark", "trouble", "name")
_RARELY: Final = 10.0  # seconds between two sentences on the same matter


class Screen:
    """Where everything is written. `plain` is for those who listen: no codes, no redrawing, nothing but whole lines."""

    def __init__(self, *, plain: bool = False) -> None:
        self.plain = plain
        self.bare: Final = plain or is_dumb_terminal()

    @property
    def canvas(self) -> Canvas:
        """What can be drawn now: a window may have been resized."""
        shaded = not self.bare and not os.environ.get("NO_COLOR")
        return Canvas(shutil.get_terminal_size().columns, shaded=shaded, aloud=self.plain)

    def draw(self, line: Line) -> None:
        """One line in its shades; a sentence of the program's own in as many as it takes."""
        sys.stdout.flush()
        if len(line) == 1 and line[0][0] in _SENTENCES and not self.plain:
            line = [(line[0][0], "".join(self._wrapped([line[0][1]])).removesuffix("\n"))]
        if self.bare:
            print(printable(text_of(line)), flush=True)
        else:
            parts = [(f"class:{shade}" if shade else "", printable(text)) for shade, text in line]
            print_formatted_text(FormattedText(parts), style=STYLE)

    def show(self, shade: str, text: str) -> None:
        """A sentence of the program's own."""
        self.draw([(shade, text)])

    def write(self, pieces: Iterable[str]) -> None:
        """Stream a text and end its line: broken between words, or line by whole line where it is heard."""
        for shown in self._lines(pieces) if self.plain else self._wrapped(pieces):
            sys.stdout.write(shown)
            sys.stdout.flush()

    def _wrapped(self, pieces: Iterable[str]) -> Iterator[str]:
        """A word is held back until it is whole."""
        wrap, begun = Wrap(shutil.get_terminal_size().columns), False
        for piece in pieces:
            begun = True
            yield wrap.feed(piece)
        if begun:
            yield wrap.finish() + "\n"

    def _lines(self, pieces: Iterable[str]) -> Iterator[str]:
        line = ""
        for piece in pieces:
            *whole, line = (line + printable(piece)).split("\n")
            yield from (each + "\n" for each in whole)
        yield line + "\n"

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """What tells how far something has come: in one line that is redrawn, or now and then where nothing can be."""
        told, widest = -math.inf, 0

        def tell(text: str) -> None:
            nonlocal told, widest
            if not self.bare:
                sys.stdout.write(f"\r{printable(text)}" + " " * (widest - columns(text)))
                sys.stdout.flush()
                widest = max(widest, columns(text))
            elif time.monotonic() - told > _RARELY:
                told = time.monotonic()
                print(printable(text), flush=True)

        try:
            yield tell
        finally:
            if not self.bare:
                print("\r" + " " * widest, end="\r", flush=True)
