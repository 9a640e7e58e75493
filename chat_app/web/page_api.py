"""What the page asks for: the state, conversations, answers as streams of events, a look inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from bottle import Bottle, request, response

from chat_app import __version__, attraction, childhood
from chat_app import conversation as conversations
from chat_app.answer import Answer
from chat_app.chat import Chat
from chat_app.config import tensor_shapes
from chat_app.engine import Cancel
from chat_app.errors import BadSetting, ConversationBusy, NoChildhood
from chat_app.remarks import unsaved
from chat_app.sampler import RANGES
from chat_app.voice import OWN
from chat_app.web import streams
from chat_app.web.guard import language_of, own_language
from chat_app.web.replies import EVENTS, body, changed, field, gone, reply
from chat_app.web.talks import Talks


class PageApi:
    """Answers the page. Every method is a place; `name` is the id of a conversation."""

    def __init__(self, talks: Talks) -> None:
        self._talks = talks

    def serve(self, app: Bottle) -> None:
        """Add the page's places to `app`."""
        app.route("/api/state", "GET", self.state)
        app.route("/api/mind", "POST", self.mind)
        app.route("/api/mode", "POST", self.mode)
        app.route("/api/childhood", "GET", self.childhood)
        app.route("/api/attract", "POST", self.attract)
        app.route("/api/conversations", "GET", self.conversations)
        app.route("/api/conversations", "POST", self.begin)
        app.route("/api/conversations/<name>", "GET", self.conversation)
        app.route("/api/conversations/<name>", "DELETE", self.delete)
        for place in ("undo", "system", "say", "retry", "edit", "fork"):
            app.route(f"/api/conversations/<name>/{place}", "POST", getattr(self, place))
        app.route("/api/conversations/<name>/look", "GET", self.look)

    def state(self) -> bytes:
        """The mind, its neighbours, its settings."""
        mind, card = self._talks.mind, self._talks.mind.card
        return reply({
            "version": __version__,
            "lang": own_language(request.environ),
            "mind": {
                "name": mind.name, "title": mind.title, "description": card.get("description"),
                "author": card.get("author"), "licence": card.get("licence"), "can_chat": mind.can_chat,
                "greeting": mind.manners.greeting, "block_size": mind.config.block_size,
                "parameters": sum(math.prod(shape) for shape in tensor_shapes(mind.config).values()),
                "figures": card.get("figures", {}),
            },
            "minds": self._talks.minds(),
            "modes": [OWN, *mind.variants] if mind.variants else [],
            "mode": (self._talks.voice.mode or OWN) if mind.variants else None,
            "sampling": self._talks.voice.sampling.to_dict(),
            "limits": RANGES,
            "childhood": self._remembers_childhood(),
        })  # fmt: skip

    def mind(self) -> bytes:
        """Another mind takes the place of this one."""
        self._talks.switch(field(body(), "name", str))
        return self.state()

    def mode(self) -> bytes:
        """Another voice of the mind speaks from now on."""
        name = field(body(), "name", str)
        self._talks.set_mode("" if name == OWN else name)
        return self.state()

    def childhood(self) -> bytes:
        """What the mind wrote while it grew."""
        return reply({"childhoods": [asdict(found) for found in childhood.of(self._talks.mind.card)]})

    def _remembers_childhood(self) -> bool:
        try:
            return bool(childhood.of(self._talks.mind.card))
        except NoChildhood:
            return False

    # --- conversations ---------------------------------------------------------------------------------------

    def conversations(self) -> bytes:
        """All of them, the newest first."""
        return reply(self._talks.listed())

    def begin(self) -> bytes:
        """A new one."""
        return reply({"id": self._talks.new()})

    def conversation(self, name: str) -> bytes:
        """What was said in one."""
        with self._talks.talk(name, at_a_glance=True) as talk:
            return reply(_conversation(talk.chat))

    def delete(self, name: str) -> bytes:
        """It goes into the folder of the deleted."""
        self._talks.delete(name)
        return reply({})

    def undo(self, name: str) -> bytes:
        """Its last line and the answer are taken back."""
        with self._talks.talk(name) as talk:
            self._talks.check_ours(talk)
            talk.chat.undo()
            return reply(_conversation(talk.chat))

    def system(self, name: str) -> bytes:
        """Another system text for it."""
        text = field(body(), "text", str)
        with self._talks.talk(name) as talk:
            self._talks.check_ours(talk)
            talk.chat.set_system(text)
            return reply(_conversation(talk.chat))

    def look(self, name: str) -> bytes:
        """Its last answer, token by token."""
        with self._talks.talk(name, at_a_glance=True) as talk:
            mode = talk.chat.answered_by or ""
        voice = self._talks.voice_of(mode)  # loaded before its seat is taken, and its seat before the talk
        with voice.seats.seat(gone()) as seat, self._talks.talk(name) as talk:
            if talk.chat.answered_by not in (mode, None):
                raise ConversationBusy
            talk.chat.mode, talk.chat.engine = voice.mode, seat.take(talk.ids)
            return reply({"tokens": [asdict(token) for token in talk.chat.look()]})

    # --- answers ---------------------------------------------------------------------------------------------

    def say(self, name: str) -> Iterator[bytes]:
        """A line of the person, and its answer."""
        values = body()
        text = field(values, "text", str)
        return self._answered(name, values, lambda chat: chat.say(text))

    def retry(self, name: str) -> Iterator[bytes]:
        """The last line is answered anew."""
        return self._answered(name, body(), Chat.retry)

    def edit(self, name: str) -> Iterator[bytes]:
        """A line of the person becomes another one."""
        values = body()
        index, text = field(values, "index", int), field(values, "text", str)
        return self._answered(name, values, lambda chat: chat.edit(index, text))

    def fork(self, name: str) -> Iterator[bytes]:
        """The last answer goes on from another token."""
        values = body()
        position, token = field(values, "position", int), field(values, "token", int)
        return self._answered(name, values, lambda chat: chat.fork(position, token))

    def _answered(self, name: str, values: dict[str, Any], ask: Callable[[Chat], Answer]) -> Iterator[bytes]:
        talks, voice = self._talks, self._talks.voice
        sampling = changed(voice.sampling, field(values, "sampling", dict, {}))
        with ExitStack() as held:
            seat = held.enter_context(voice.seats.seat(gone()))  # first: while it is held, the mind stays
            talk = held.enter_context(talks.talk(name))
            talks.check_ours(talk)
            talk.chat.mode, talk.chat.engine, talk.chat.sampling = voice.mode, voice.seats.engine, sampling
            answer = ask(talk.chat)
            response.content_type = EVENTS
            events = streams.answer(talk, seat, answer)
            return streams.served(events, language_of(request.environ), held.pop_all())

    def attract(self) -> Iterator[bytes]:
        """Where many continuations of a prompt go; no conversation hears of it."""
        values, talks, voice = body(), self._talks, self._talks.voice
        prompt, count = field(values, "prompt", str), field(values, "count", int, attraction.COUNT)
        if not 1 <= count <= attraction.MOST:
            raise BadSetting(name="count", value=count, expected=f"1…{attraction.MOST}")
        with ExitStack() as held:
            seat = held.enter_context(voice.seats.seat(gone()))
            chat = Chat(talks.mind, None, talks.folder)  # its sampling is the voice's
            chat.mode, chat.engine = voice.mode, voice.seats.engine
            chat.sampling = changed(voice.sampling, field(values, "sampling", dict, {}))
            ways = chat.attract(prompt, count, Cancel(seat.is_over))
            response.content_type = EVENTS
            return streams.served(streams.attraction(ways, seat), language_of(request.environ), held.pop_all())


def _conversation(chat: Chat) -> dict[str, Any]:
    conversation = chat.conversation
    messages: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in conversation.turns]
    if chat.last is not None and messages and messages[-1]["content"] == chat.last.text:
        messages[-1]["finish"] = chat.last.stats.finish
    return {
        "id": conversation.path.stem,
        "title": conversations.title(conversation),
        "system": chat.system,
        "messages": messages,
        "problem": " ".join(unsaved(conversation, language_of(request.environ))) or None,
    }
