"""What a command leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chat_app.answer import Answer
from chat_app.shades import Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """Words for the person, lines to be drawn one after another, an answer to be streamed, or the end."""

    text: str = ""
    lines: Iterable[Line] = ()
    cancel: Callable[[], None] | None = None
    """Ends `lines` early; None where they are there at once."""
    answer: Answer | None = None
    voices: Iterable[tuple[str, Answer]] = ()
    """Answers to be streamed one after another, each under the name of who speaks."""
    leave: bool = False
