"""A few caches over one set of weights, each lent to one answer at a time; more answers than caches wait in line.

Knows engines and the order of coming; knows nothing of conversations or of HTTP.

Locking: a line's `changed` guards all that it and its seats hold and is never held while anything is computed. An
engine belongs to the one thread that has taken it until its seat is left. The engines are siblings, so the answers
that have one are written side by side, a token each in turn (chat_app/turns.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from chat_app.engine import Engine, common
from chat_app.errors import MindBusy, TooManyAtOnce

AT_ONCE: Final = 4  # answers written side by side, each with a cache of its own
IN_LINE: Final = 8  # answers that wait for one of these; whoever comes then is told to come later
_POLL: Final = 1.0  # seconds
_LAST_WORDS: Final = 60.0  # seconds that answers have to end in when they are told to: a long prompt's block


class Line:
    """The answers of all voices of a mind, in the order of coming: the first AT_ONCE may have an engine."""

    def __init__(self) -> None:
        self.changed: Final = threading.Condition()
        self.seats: Final[list[Seat]] = []
        self.closed = False


class Seats:
    """Room for answers over the weights of one engine, a voice's; its answers wait in `line`."""

    def __init__(self, engine: Engine, line: Line) -> None:
        self.line: Final = line
        self._first: Engine | None = engine
        self._free = [engine]  # the one that was not used for the longest time first
        self._made = 1

    @contextmanager
    def seat(self, gone: Callable[[], bool]) -> Iterator[Seat]:
        """A place in line; `gone` tells when nobody is left to answer.

        TooManyAtOnce where the line is full, MindBusy where the mind is leaving: while a seat is held, it stays.
        """
        seat = Seat(self, gone)
        with self.line.changed:
            if self.line.closed:
                raise MindBusy
            if len(self.line.seats) >= AT_ONCE + IN_LINE:
                raise TooManyAtOnce
            self.line.seats.append(seat)
        try:
            yield seat
        finally:
            with self.line.changed:
                self.line.seats.remove(seat)
                if seat.engine is not None:
                    self._free.append(seat.engine)
                self.line.changed.notify_all()

    def close(self) -> None:
        """End every answer after its token, wait until they have ended, and forget the weights."""
        with self.line.changed:
            self.line.closed = True
            self.line.changed.notify_all()
            self.line.changed.wait_for(lambda: not self.line.seats, _LAST_WORDS)
            self._first = None
            self._free.clear()

    @property
    def engine(self) -> Engine:
        """Any engine of these, to be asked for everything but an answer."""
        if self._first is None:
            raise MindBusy
        return self._first

    def _lend(self, seat: Seat, ids: Sequence[int], seconds: float) -> Engine | None:
        with self.line.changed:
            come = self.line.changed.wait_for(lambda: seat in self.line.seats[:AT_ONCE], seconds)
            if not come or self.line.closed:
                return None
            best = max(self._free, key=lambda engine: _worth(engine.cache.ids, ids), default=None)
            if best is None or (self._made < AT_ONCE and best.cache.ids and not _worth(best.cache.ids, ids)):
                self._made += 1
                return self.engine.sibling()
            self._free.remove(best)
            return best


class Seat:
    """One answer's place. `engine` is its own from `take` until the seat is left."""

    def __init__(self, seats: Seats, gone: Callable[[], bool]) -> None:
        self._seats, self._gone = seats, gone
        self.engine: Engine | None = None

    def take(self, ids: Sequence[int]) -> Engine:
        """The engine that remembers most of `ids`, as soon as one is free. MindBusy where the mind leaves before."""
        while not self.ready(ids, _POLL):
            if self.is_over():
                raise MindBusy
        assert self.engine is not None
        return self.engine

    def ready(self, ids: Sequence[int], seconds: float) -> bool:
        """Wait no longer than so many seconds; whether `engine` is there."""
        if self.engine is None:
            self.engine = self._seats._lend(self, ids, seconds)
        return self.engine is not None

    def is_over(self) -> bool:
        """Whether the answer should end: nobody listens any more, or the mind is about to leave."""
        return self._seats.line.closed or self._gone()


def _worth(cached: Sequence[int], ids: Sequence[int]) -> int:
    """How many ids a cache saves; none where most of what it holds would be lost, to another conversation's cost."""
    same = common(cached, ids)
    return same if 2 * same >= len(cached) else 0
