"""What is written, as streams of events: a token is sent as soon as it is there, and a reader who leaves ends it.

Knows answers and seats; knows nothing of how they were asked for. waitress closes a stream whose reader has gone: the
generator then ends where it is, and what was written by then is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Any, Final

from chat_app.answer import Answer
from chat_app.attraction import Continuation, groups
from chat_app.chat import Chat
from chat_app.errors import BoxError, MindBusy
from chat_app.web.guard import broken
from chat_app.web.replies import WAITING, event, failure
from chat_app.web.seats import Seat
from chat_app.web.talks import Talk

_PATIENCE: Final = 1.0  # seconds between two signs of life to someone who waits in line


def served(events: Iterator[bytes], lang: str, held: ExitStack) -> Iterator[bytes]:
    """`events`, and as their last what broke them: the status is sent already, and a sentence still fits in.

    `held` is let go when they end, or when nobody wants them any more.
    """
    with held:
        try:
            yield from events
        except Exception as error:  # noqa: BLE001 - the last net, as the guard's
            yield event(failure(error if isinstance(error, BoxError) else broken(error), lang))


def in_line(seat: Seat, ids: Sequence[int]) -> Iterator[bytes]:
    """Signs of life until the seat has its engine, or is over before."""
    while not (seat.is_over() or seat.ready(ids, _PATIENCE)):
        yield WAITING


def answer(talk: Talk, seat: Seat, answer: Answer) -> Iterator[bytes]:
    """The events of one answer."""
    started, first, begun = time.perf_counter(), 0.0, False
    answer.cancel_when(seat.is_over)
    try:
        yield from in_line(seat, answer.prompt)
        if seat.engine is None:
            answer.cancel()
        else:
            talk.chat.engine = seat.engine
        begun = True
        with closing(iter(answer)) as pieces:
            for piece in pieces:
                first = first or time.perf_counter() - started
                yield event({"piece": piece})
        yield event({"done": _done(talk.chat, answer, time.perf_counter() - started, first)})
    finally:
        if not begun:  # it stands in the conversation all the same, as empty as it is
            answer.cancel()
            for _ in answer:
                pass
        talk.ids = [*answer.prompt, *answer.ids]


def attraction(ways: Iterator[Continuation], seat: Seat) -> Iterator[bytes]:
    """The events of many continuations, and of the groups into which they fall."""
    texts = []
    yield from in_line(seat, ())
    if seat.engine is None:
        raise MindBusy
    for way in ways:
        texts.append(way.text)
        told = {"text": way.text, "log_probability": way.log_probability, "finish": way.finish}
        yield event({"continuation": told})
    yield event({"done": {"groups": [asdict(group) for group in groups(texts)]}})


def _done(chat: Chat, answer: Answer, seconds: float, first: float) -> dict[str, Any]:
    return {
        "id": chat.conversation.path.stem,
        "finish": answer.stats.finish,
        "tokens": answer.stats.written,
        "tokens_per_second": answer.stats.tokens_per_second,
        "seconds": seconds,
        "first_token_seconds": first,
        "context": chat.context(),
        "forgot": answer.forgot,
    }
