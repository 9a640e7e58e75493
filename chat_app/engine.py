"""Ids in, ids out: one model, one conversation's cache, one answer at a time. Knows no text."""

from __future__ import annotations

import copy
import errno
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from chat_app.blas import Threads
from chat_app.errors import MindError, MindTooLarge, MindUnreadable
from chat_app.mind import Mind
from chat_app.model import BLOCK, Cache, forward, logits_everywhere
from chat_app.sampler import Penalties, Sampler, Sampling
from chat_app.trace import Trace
from chat_app.turns import Turns
from chat_app.weights import Weights

import numpy as np  # isort: skip

T = TypeVar("T")
Finish = Literal["stop", "length", "context", "cancelled"]
_NO_MEMORY: Final = (8, 1455)  # Windows' ERROR_NOT_ENOUGH_MEMORY and ERROR_COMMITMENT_LIMIT
_KEPT_ON_SLIDE: Final = 0.5  # of the context, when a continuation outgrows it
_SCORED: Final = 128  # positions whose logits are looked at together: 16 MB where the vocabulary is 32,000


class Cancel:
    """Ends an answer, and may be set in a signal handler: an Event set twice there would wait for its own lock.

    `gone` is asked before every token too: whether nobody is left to answer.
    """

    def __init__(self, gone: Callable[[], bool] | None = None) -> None:
        self._asked = False
        self.gone = gone

    def set(self) -> None:
        """Ask for the end."""
        self._asked = True

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._asked or (self.gone is not None and self.gone())


@dataclass(slots=True)
class Stats:
    """What one answer cost. `reused` are prompt ids the cache still held; times are in seconds."""

    prompt: int = 0
    reused: int = 0
    written: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    finish: Finish = "cancelled"  # until it ends by itself

    @property
    def tokens_per_second(self) -> float:
        """Speed of writing, the prompt not counted."""
        return self.written / self.decode_seconds if self.decode_seconds else 0.0


class Engine:
    """Weights and a cache, for one answer at a time.

    Siblings share the weights, the count of threads and the turns: they may answer at the same time, each in a thread
    of its own, and compute one after the other, a token or a block of a prompt each.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.config = weights.config
        self.cache = Cache(weights.config)
        self.threads = Threads(weights.h[0].c_up)
        self.turns = Turns()

    def sibling(self) -> Engine:
        """Another engine over the same weights, with a cache of its own."""
        other = copy.copy(self)
        other.cache = Cache(self.config)
        return other

    def variant(self, mind: Mind, mode: str) -> Engine:
        """A sibling that speaks with a variant of the mind that this engine is of. MindError as `with_mind`."""

        def load() -> Engine:
            other = self.sibling()
            other.weights = self.weights.variant(mind, mode)
            return other

        return _loaded(mind, load)

    @classmethod
    def with_mind(cls, mind: Mind, progress: Callable[[float], None] | None = None) -> Engine:
        """Load the weights; `progress` hears which share of them is read.

        MindError where the file cannot be read any more, or memory does not hold them.
        """
        return _loaded(mind, lambda: cls(Weights.from_mind(mind, progress)))

    def warm_up(self) -> None:
        """Touch every weight once, so that the first token does not pay for the first visit, and know its time."""
        started = time.perf_counter()
        forward(self.weights, [0], self.cache)
        self.threads.observe(time.perf_counter() - started)
        self.cache.keep(0)

    def read(self, ids: Sequence[int], stats: Stats, cancel: Cancel) -> np.ndarray | None:
        """Logits [V] after `ids` (at least one, at most block_size); only what the cache lacks is computed.

        None when cancelled. What was read until then stays in the cache.
        """
        reused = common(self.cache.ids, ids[:-1])
        self.cache.keep(reused)
        stats.prompt, stats.reused = len(ids), reused
        logits = None
        for start in range(reused, len(ids), BLOCK):
            if cancel.is_set():
                return None
            with self.turns, self.threads.reading(len(ids) - reused):
                started = time.perf_counter()
                logits = forward(self.weights, list(ids[start : start + BLOCK]), self.cache)
                stats.prefill_seconds += time.perf_counter() - started
        return logits

    def generate(
        self,
        ids: Sequence[int],
        sampling: Sampling,
        *,
        stop_ids: Sequence[int] = (),
        never: Sequence[int] = (),
        penalties: Penalties | None = None,
        slide: bool = False,
        remember: int = 0,
        stats: Stats | None = None,
        trace: Trace | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[int]:
        """Yield the ids that follow `ids`, the stop id left out; `stats.finish` tells why it ended.

        `never` are ids no answer holds. The last `remember` ids of the prompt count as written for the repetition
        rules. With `slide`, a text that outgrows the context goes on from its second half; without, it ends there.
        A `trace` takes what the mind thought of every id. Setting `cancel` ends it before the next token.
        """
        stats = stats or Stats()
        cancel = cancel or Cancel()
        context = self._slid(ids) if slide else list(ids)
        written = list(ids[len(ids) - remember :]) if remember else []
        if len(context) > self.config.block_size:
            stats.finish = "context"
            return
        sampler = Sampler(sampling, never, penalties)
        logits = self.read(context, stats, cancel)
        while True:
            if cancel.is_set() or logits is None:
                stats.finish = "cancelled"
                return
            started = time.perf_counter()
            thought = None if trace is None else logits.copy()  # the sampler changes them
            token = sampler.pick(logits, written)
            if token in stop_ids:
                stats.finish = "stop"
                return
            if trace is not None and thought is not None:
                trace.add(thought, token, never)
            written.append(token)
            context.append(token)
            stats.written += 1
            stats.decode_seconds += time.perf_counter() - started
            yield token
            if stats.written >= sampling.max_tokens:
                stats.finish = "length"
                return
            if len(context) > self.config.block_size:
                if not slide:
                    stats.finish = "context"
                    return
                context = self._slid(context)
                logits = self.read(context, Stats(), cancel)
                continue
            with self.turns:
                started = time.perf_counter()
                logits = forward(self.weights, [token], self.cache)
                took = time.perf_counter() - started
                self.threads.observe(took)
            stats.decode_seconds += took

    def score(
        self, ids: Sequence[int], answer: Sequence[int], trace: Trace, *, never: Sequence[int] = (), slide: bool = False
    ) -> None:
        """Give `trace` what the mind thinks of an `answer` after `ids`: as while it was written, but in one reading.

        Without `slide`, of as much of the answer as the context holds.
        """
        size, done = self.config.block_size, 0
        while done < len(answer):
            context = self._slid([*ids, *answer[:done]]) if slide else [*ids, *answer[:done]]
            part = answer[done : done + min(_SCORED, max(0, size - len(context) + 1))]
            if not part:
                return
            before = context[:-1]
            if before and self.cache.ids[: len(before)] != before:
                self.read(before, Stats(), Cancel())
            self.cache.keep(len(before))
            with self.turns, self.threads.reading(len(part)):
                rows = logits_everywhere(self.weights, [context[-1], *part[:-1]], self.cache)  # [T, V]
            for logits, token in zip(rows, part, strict=True):
                trace.add(logits, token, never)
            done += len(part)

    def _slid(self, ids: Sequence[int]) -> list[int]:
        """The end of `ids` that stands in the context if each time a text outgrows it its second half is kept."""
        size = self.config.block_size
        kept = max(1, int(size * _KEPT_ON_SLIDE))
        beyond = len(ids) - (size + 1)
        return list(ids) if beyond < 0 else list(ids[-(kept + beyond % (size + 1 - kept)) :])


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    for i, (a, b) in enumerate(zip(first, second)):
        if a != b:
            return i
    return min(len(first), len(second))


def _loaded(mind: Mind, load: Callable[[], T]) -> T:
    """What `load` gives, or what kept it from being loaded, as a MindError."""
    try:
        return load()
    except MindError as error:
        problem = error.with_traceback(None)  # or its frames would keep what was loaded by then
    except MemoryError:
        problem = MindTooLarge(path=mind.path)
    except OSError as error:
        full = error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _NO_MEMORY
        reason = OSError(error.errno, error.strerror)  # without what `error` holds on to
        problem = MindTooLarge(path=mind.path) if full else MindUnreadable(path=mind.path, reason=reason)
    raise problem
