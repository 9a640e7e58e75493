"""The API of OpenAI's form: models, chat completions, completions; whole or as streams.

Knows how a completion is told in their JSON (https://platform.openai.com/docs/api-reference); knows nothing of how it
is written. Nothing that is said here is kept on the disk.
"""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from bottle import Bottle, request, response

from chat_app.errors import MindBusy, NoSuchModel
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from chat_app.web import streams, wishes
from chat_app.web.completion import Completion, Likelihood, Piece, Told
from chat_app.web.guard import language_of
from chat_app.web.replies import END, EVENTS, body, event, field, gone, reply
from chat_app.web.seats import Seat
from chat_app.web.talks import Talks, Voice
from chat_app.web.wishes import Wish


class OpenAIApi:
    """Answers programs that were written for OpenAI. Every method is a place."""

    def __init__(self, talks: Talks) -> None:
        self._talks = talks

    def serve(self, app: Bottle) -> None:
        """Add the API's places to `app`."""
        app.route("/v1/models", "GET", self.models)
        app.route("/v1/models/<name>", "GET", self.model)
        app.route("/v1/chat/completions", "POST", self.chat)
        app.route("/v1/completions", "POST", self.text)

    def models(self) -> bytes:
        """The mind and its other voices."""
        mind = self._talks.mind
        return reply({"object": "list", "data": [_model(mind, name) for name in _names(mind)]})

    def model(self, name: str) -> bytes:
        """The model of this name."""
        self._voice(name)
        return reply(_model(self._talks.mind, name))

    def chat(self) -> bytes | Iterator[bytes]:
        """An answer to a conversation that the request holds."""
        return self._completed(wishes.of_chat, _ChatForm)

    def text(self) -> bytes | Iterator[bytes]:
        """A text that goes on from the request's."""
        return self._completed(wishes.of_text, _TextForm)

    def _voice(self, model: str) -> Voice:
        """The voice that a model's name stands for. NoSuchModel where there is none."""
        names = _names(self._talks.mind)
        if model not in names:
            raise NoSuchModel(name=model, known=", ".join(names), param="model")
        return self._talks.voice_of(names[model])

    def _completed(
        self, understood: Callable[[dict[str, Any], Mind, Sampling], Wish], form_of: type[_Form]
    ) -> bytes | Iterator[bytes]:
        talks, values = self._talks, body()
        model = field(values, "model", str, talks.mind.name)
        voice = self._voice(model)
        with ExitStack() as held:
            seat = held.enter_context(voice.seats.seat(gone()))  # first: while it is held, the mind stays
            wish = understood(values, talks.mind, voice.sampling)
            completion = Completion(talks.mind, wish, seat.is_over)
            form = form_of(talks.mind, model)
            if wish.stream:
                response.content_type = EVENTS
                events = _streamed(form, wish, completion, seat)
                return streams.served(events, language_of(request.environ), held.pop_all())
            pieces = list(completion.written(seat.take(wish.ids)))
            if completion.broken_off:
                raise MindBusy
            return reply(form.whole(pieces, completion))


def _streamed(form: _Form, wish: Wish, completion: Completion, seat: Seat) -> Iterator[bytes]:
    """The events of one completion."""
    yield from form.opening()
    yield from streams.in_line(seat, wish.ids)
    if seat.engine is not None:
        for piece in completion.written(seat.engine):
            yield event(form.part(piece))
    if completion.broken_off:
        raise MindBusy
    yield event(form.ending(completion))
    if wish.with_usage:
        yield event(form.envelope([], part=True) | {"usage": _usage(completion)})
    yield END


class _Form(ABC):
    """How one of the two kinds of completions is told."""

    whole_object: str
    part_object: str
    prefix: str

    def __init__(self, mind: Mind, model: str) -> None:
        self._id = f"{self.prefix}-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._mind, self._model = mind, model

    def envelope(self, choices: list[dict[str, Any]], *, part: bool) -> dict[str, Any]:
        """What stands around the choices."""
        return {
            "id": self._id, "object": self.part_object if part else self.whole_object, "created": self._created,
            "model": self._model, "system_fingerprint": self._mind.sha256[:16], "choices": choices,
        }  # fmt: skip

    def whole(self, pieces: list[Piece], completion: Completion) -> dict[str, Any]:
        """All of it at once."""
        text, told = "".join(piece.text for piece in pieces), [each for piece in pieces for each in piece.told]
        logprobs = self.logprobs(told) if completion.wish.logprobs is not None else None
        choice = {"index": 0, **self.message(text), "logprobs": logprobs, "finish_reason": completion.finish}
        return self.envelope([choice], part=False) | {"usage": _usage(completion)}

    def part(self, piece: Piece) -> dict[str, Any]:
        """A piece of it."""
        logprobs = self.logprobs(piece.told) if piece.told else None
        choice = {"index": 0, **self.delta(piece.text), "logprobs": logprobs, "finish_reason": None}
        return self.envelope([choice], part=True)

    def ending(self, completion: Completion) -> dict[str, Any]:
        """How it ended."""
        choice = {"index": 0, **self.delta(""), "logprobs": None, "finish_reason": completion.finish}
        return self.envelope([choice], part=True)

    def opening(self) -> Iterator[bytes]:
        """What goes before the first piece."""
        yield from ()

    @abstractmethod
    def message(self, text: str) -> dict[str, Any]:
        """A whole text."""

    @abstractmethod
    def delta(self, text: str) -> dict[str, Any]:
        """A piece of text; empty at the end."""

    @abstractmethod
    def logprobs(self, told: list[Told]) -> dict[str, Any]:
        """Tokens with their log-probabilities."""


class _ChatForm(_Form):
    whole_object, part_object, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def opening(self) -> Iterator[bytes]:
        delta = {"role": "assistant", "content": "", "refusal": None}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield event(self.envelope([choice], part=True))

    def message(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}

    def logprobs(self, told: list[Told]) -> dict[str, Any]:
        content = [_token(t.token) | {"top_logprobs": [_token(each) for each in t.alternatives]} for t in told]
        return {"content": content, "refusal": None}


class _TextForm(_Form):
    whole_object, part_object, prefix = "text_completion", "text_completion", "cmpl"

    def message(self, text: str) -> dict[str, Any]:
        return {"text": text}

    delta = message

    def logprobs(self, told: list[Told]) -> dict[str, Any]:
        return {
            "tokens": [t.token.text for t in told],
            "token_logprobs": [t.token.log_probability for t in told],
            "top_logprobs": [{each.text: each.log_probability for each in t.alternatives} for t in told],
            "text_offset": [t.start for t in told],
        }


def _token(likelihood: Likelihood) -> dict[str, Any]:
    return {"token": likelihood.text, "logprob": likelihood.log_probability, "bytes": list(likelihood.raw)}


def _usage(completion: Completion) -> dict[str, Any]:
    stats = completion.stats
    return {
        "prompt_tokens": stats.prompt,
        "completion_tokens": stats.written,
        "total_tokens": stats.prompt + stats.written,
        "prompt_tokens_details": {"cached_tokens": stats.reused},
    }


def _names(mind: Mind) -> dict[str, str]:
    """The names of models, each with the voice that it stands for."""
    return {mind.name: "", **{f"{mind.name}:{mode}": mode for mode in mind.variants}}


def _model(mind: Mind, name: str) -> dict[str, Any]:
    try:
        created = int(mind.path.stat().st_mtime)
    except OSError:  # moved away meanwhile; its weights are in memory
        created = 0
    owner = str(mind.card.get("author") or "mind-in-a-box")
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
