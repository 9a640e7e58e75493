"""A completion while it is written: pieces of text with the log-probabilities of their tokens, and how it ended.

Knows engines and wishes; knows nothing of how they are told in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from chat_app.engine import Cancel, Engine, Stats
from chat_app.mind import Mind
from chat_app.pieces import BYTE, CONTROL
from chat_app.tokenizer import Detokenizer
from chat_app.trace import Step, Trace
from chat_app.web.stops import Stops
from chat_app.web.wishes import Wish


@dataclass(frozen=True, slots=True)
class Likelihood:
    """One token as it reads where it stands, and how likely the mind held it, in nats.

    `raw` are its bytes; the first bytes of a letter are no text, and their `text` names them.
    """

    text: str
    raw: bytes
    log_probability: float


@dataclass(frozen=True, slots=True)
class Told:
    """A token of the answer with its alternatives; `start` is the place in the text from which it reads."""

    token: Likelihood
    alternatives: tuple[Likelihood, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that may be shown, and the tokens that begin in it."""

    text: str
    told: list[Told]


class Completion:
    """Iterate for its pieces. `finish` and `stats` hold afterwards."""

    def __init__(self, mind: Mind, wish: Wish, gone: Callable[[], bool]) -> None:
        self._mind, self.wish = mind, wish
        self._cancel = Cancel(gone)
        self._trace = None if wish.logprobs is None else Trace(wish.logprobs)
        self._detokenizer = Detokenizer(mind.tokenizer, inside=wish.inside)
        self.stats = Stats()
        self.finish: Literal["stop", "length"] = "length"

    @property
    def broken_off(self) -> bool:
        """Whether it ended, or never began, because the mind is leaving or nobody listens."""
        return self.stats.finish == "cancelled" and self.finish != "stop"

    def written(self, engine: Engine) -> Iterator[Piece]:
        """Write it with this engine."""
        wish, mind, stops = self.wish, self._mind, Stops(self.wish.stops)
        waiting: list[Told] = []
        read = shown = 0  # letters
        for token in engine.generate(
            wish.ids, wish.sampling, stop_ids=mind.manners.stop_ids, never=mind.never, penalties=wish.penalties,
            remember=wish.remember, stats=self.stats, trace=self._trace, cancel=self._cancel,
        ):  # fmt: skip
            if self._trace is not None:
                waiting.append(self._told(self._trace.steps[-1], read))
            text = self._detokenizer.feed(token)
            read += len(text)
            safe = stops.feed(text)
            shown += len(safe)
            if safe:
                told = [each for each in waiting if each.start < shown]
                del waiting[: len(told)]
                yield Piece(safe, told)
            if stops.hit:
                self.finish = "stop"
                return
        if self.stats.finish == "stop":
            self.finish = "stop"
        if (rest := stops.rest()) or waiting:
            yield Piece(rest, waiting)

    def _told(self, step: Step, start: int) -> Told:
        alternatives = tuple(self._likelihood(*pair) for pair in step.alternatives)
        return Told(self._likelihood(step.token, step.log_probability), alternatives, start)

    def _likelihood(self, token: int, log_probability: float) -> Likelihood:
        pieces = self._mind.tokenizer.pieces
        piece, kind = pieces.pieces[token], pieces.types[token]
        if kind == BYTE:
            byte = int(piece[1:-1], 16)
            return Likelihood(f"\\x{byte:02x}", bytes([byte]), log_probability)
        text = piece if kind == CONTROL else self._detokenizer.peek(token)
        return Likelihood(text, text.encode(), log_probability)
