"""Talking with a mind: turns to ids, ids to text as it is written. All that the faces know of a mind.

A mind with a chat template answers; one without continues what it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from chat_app import attraction, look
from chat_app import conversation as conversations
from chat_app.attraction import Continuation
from chat_app.conversation import Conversation
from chat_app.engine import Cancel, Engine, Stats
from chat_app.errors import (
    MessageTooLong,
    NoSuchAlternative,
    NoSuchToken,
    NoSuchVoice,
    NothingToLookAt,
    NothingToRetry,
)
from chat_app.look import Token
from chat_app.mind import Mind
from chat_app.sampler import LARGEST_SEED, Sampling
from chat_app.template import Message, render
from chat_app.text import encodable
from chat_app.tokenizer import Detokenizer
from chat_app.trace import TOP, Trace

_FULLEST: Final = 0.6  # of the context: dropping more than needed lets the next turns reuse the cache


class Beside(Protocol):
    """Who else uses the weights of a chat's engine, and must let go of them before others take their place."""

    url: str

    def let_go(self) -> None:
        """Stop using the weights."""

    def adopt(self, chat: Chat) -> None:
        """Use those that the chat has now."""


class Chat:
    """One mind, one conversation, and how freely the mind speaks.

    For one thread at a time. It needs an `engine` to answer, not to be read, so it may be given one later.
    """

    def __init__(self, mind: Mind, engine: Engine | None, folder: Path) -> None:
        self.mind, self.folder = mind, folder
        self.mode = ""
        """Which voice of the mind speaks: "" is its own, else a variant's name."""
        self._engines = {} if engine is None else {"": engine}  # of each voice that has spoken
        self.beside: Beside | None = None
        self.sampling = mind.manners.sampling
        self._samplings: dict[str, Sampling] = {}  # of the voices that do not speak now
        self.conversation = Conversation(folder, mind.sha256)
        self.last: Answer | None = None
        self._dropped = 0  # turns that no longer fit into the context
        self._retries = 0

    @classmethod
    def with_mind(cls, mind: Mind, folder: Path) -> Chat:
        """Load the weights and be ready. MindError where they cannot be loaded."""
        return cls(mind, Engine.with_mind(mind), folder)

    @property
    def engine(self) -> Engine:
        """The engine of the voice that speaks, loaded when it is first needed, and again after another mind could not
        take its place. MindError where that fails.
        """
        if "" not in self._engines and not self.mode:
            self._engines[""] = Engine.with_mind(self.mind)
            if self.beside is not None:
                self.beside.adopt(self)
        if self.mode not in self._engines:
            self._engines[self.mode] = self.as_voice("").engine.variant(self.mind, self.mode)
        return self._engines[self.mode]

    @engine.setter
    def engine(self, engine: Engine) -> None:
        """Answer with this one from now on, whose cache may hold anything."""
        self._engines[self.mode] = engine

    def as_voice(self, mode: str) -> Chat:
        """The same conversation, spoken in with another voice of the mind. NoSuchVoice: it has none called so."""
        if mode and mode not in self.mind.variants:
            raise NoSuchVoice(name=mode, known=", ".join(self.mind.variants) or "-")
        other = copy.copy(self)
        other.mode = mode
        own = self.mind.variants[mode].sampling if mode else self.mind.manners.sampling
        other.sampling = self.sampling if mode == self.mode else self._samplings.get(mode, own)
        return other

    def set_mode(self, mode: str) -> None:
        """Answer with another voice of the mind from now on. NoSuchVoice, or MindError where it cannot be loaded."""
        other = self.as_voice(mode)
        _ = other.engine
        self._samplings[self.mode] = self.sampling
        self.mode, self.sampling = mode, other.sampling

    def aside(self, mode: str) -> Answer:
        """What another voice says to the last line; the conversation goes on without it, and the file keeps it apart.

        NothingToRetry where nothing was said yet, NoSuchVoice, MindError.
        """
        turns = self.conversation.turns
        while turns and turns[-1].role == "assistant":
            turns.pop()
        if not turns:
            raise NothingToRetry
        other = self.as_voice(mode)
        ids, remember, _ = other._prompt(turns)
        return Answer(other, ids, remember, aside=True)

    @property
    def system(self) -> str:
        """The system text in force: the person's, else the mind's own."""
        return self.mind.manners.system if self.conversation.system is None else self.conversation.system

    def set_system(self, text: str) -> None:
        """Give the mind another system text from now on. MessageTooLong where it leaves no room to talk."""
        message = Message("system", encodable(text))
        ids, _ = render(self.mind.tokenizer, [message, Message("user", "")], answer=True)
        if len(ids) > self._limit:
            raise MessageTooLong(tokens=len(ids), limit=self._limit)
        self.conversation.add(message)

    def say(self, text: str) -> Answer:
        """Take the person's line and answer it. MessageTooLong where the mind cannot hold it."""
        message = Message("user", encodable(text))
        prompt = self._prompt([*self.conversation.turns, message])
        self.conversation.add(message)
        self._retries = 0
        return self._answer(*prompt)

    def retry(self) -> Answer:
        """Answer the last line anew."""
        turns = self.conversation.turns
        if not turns:
            raise NothingToRetry
        answered = turns[-1].role == "assistant"
        prompt = self._prompt(turns[:-1] if answered else turns)
        if answered:
            self.conversation.undo(answer_only=True)
        self._retries += 1
        return self._answer(*prompt)

    def look(self, top: int = TOP) -> list[Token]:
        """The last answer token by token, with what the mind thought at each. NothingToLookAt where there is none.

        The answer is read once more for it, so that talking costs nothing, and so that a loaded one can be looked into.
        """
        turns = self.conversation.turns
        ids, trace = self._last_answer(turns), Trace(top)
        prompt, _, _ = self._prompt(turns[:-1])
        self.engine.score(prompt, ids, trace, never=self.mind.never, slide=not self.mind.can_chat)
        return look.tokens(self.mind.tokenizer, trace.steps, inside=not self.mind.can_chat)

    def fork(self, position: int, token: int) -> Answer:
        """Take the last answer back from its id number `position`, put `token` there, and go on.

        NothingToLookAt, NoSuchToken, NoSuchAlternative where that cannot be. The file keeps what was taken back.
        """
        turns = self.conversation.turns
        ids = self._last_answer(turns)
        if not 0 <= position < len(ids):
            raise NoSuchToken(number=position + 1, count=len(ids))
        if not 0 <= token < self.mind.tokenizer.vocab_size or token in self.mind.never:
            raise NoSuchAlternative(name=token, number=position + 1)
        prompt = self._prompt(turns[:-1])
        self.conversation.undo(answer_only=True)
        return self._answer(*prompt, begun=[*ids[:position], token])

    def _last_answer(self, turns: list[Message]) -> list[int]:
        if not turns or turns[-1].role != "assistant" or not turns[-1].content:
            raise NothingToLookAt
        text, encode = turns[-1].content, self.mind.tokenizer.encode
        return turns[-1].ids or (encode(text.strip()) if self.mind.can_chat else encode(text, inside=True))

    def edit(self, index: int, text: str) -> Answer:
        """Say `text` in the place of the turn at `index`, a line of the person's; it and all after it are taken back.

        NothingToRetry where that is no such line, MessageTooLong where the mind cannot hold the new one.
        """
        turns = self.conversation.turns
        if not 0 <= index < len(turns) or turns[index].role != "user":
            raise NothingToRetry
        message, dropped = Message("user", encodable(text)), self._dropped
        self._dropped = min(dropped, index)
        try:
            prompt = self._prompt([*turns[:index], message])
        except MessageTooLong:
            self._dropped = dropped
            raise
        while len(self.conversation.turns) > index:
            self.conversation.undo()
        self.conversation.add(message)
        self._retries = 0
        return self._answer(*prompt)

    def attract(
        self, prompt: str, count: int = attraction.COUNT, cancel: Cancel | None = None
    ) -> Iterator[Continuation]:
        """What the mind would say to `prompt`, `count` times over; the conversation hears nothing of it.

        MessageTooLong where the mind cannot hold the prompt.
        """
        alone = Chat(self.mind, self.engine.sibling(), self.folder)  # without a line, it leaves no file either
        alone.conversation.messages = [m for m in self.conversation.messages if m.role == "system"]
        ids, remember, _ = alone._prompt([Message("user", encodable(prompt))])
        return attraction.continuations(
            self.mind, alone.engine, ids, self.sampling, count=count, remember=remember, cancel=cancel
        )

    def undo(self) -> None:
        """Take back the last line and its answer."""
        self.conversation.undo()
        self._dropped = min(self._dropped, len(self.conversation.turns))

    def reset(self) -> Path:
        """Begin another conversation; the file that the old one stays in. ConversationUnwritable without any."""
        kept = self.conversation.rescue()
        self._begin(Conversation(self.folder, self.mind.sha256))
        return kept

    def load(self, path: Path) -> None:
        """Go on with a saved conversation. ConversationUnwritable where the present one would be lost."""
        conversation = conversations.load(path, self.mind.sha256)
        tokenizer = self.mind.tokenizer
        for message in conversation.messages:
            if any(i >= tokenizer.vocab_size or i in tokenizer.control.values() for i in message.ids):
                message.ids = []  # written by hand: its text is as good
        self.conversation.rescue()
        self._begin(conversation)

    def _begin(self, conversation: Conversation) -> None:
        self.conversation, self.last, self._dropped, self._retries = conversation, None, 0, 0

    def switch(self, mind: Mind) -> None:
        """Talk with another mind from now on, in a conversation of its own.

        ConversationUnwritable where the present one would be lost, MindError where the other mind cannot be loaded:
        then the present one goes on.
        """
        self.conversation.rescue()
        if self.beside is not None:
            self.beside.let_go()
        self.mode = ""
        self._engines.clear()  # first, or both minds' weights would stand in memory
        self._engines[""] = Engine.with_mind(mind)
        self.mind, self.sampling, self._samplings = mind, mind.manners.sampling, {}
        self._begin(Conversation(self.folder, mind.sha256))
        if self.beside is not None:
            self.beside.adopt(self)

    def context(self) -> tuple[int, int]:
        """(tokens that the conversation takes now, tokens that the mind can hold)."""
        return len(self.engine.cache.ids), self.mind.config.block_size

    def _answer(self, ids: list[int], remember: int, forgot: bool, begun: Sequence[int] = ()) -> Answer:
        self.last = Answer(self, ids, remember, forgot=forgot, begun=begun)
        return self.last

    @property
    def _limit(self) -> int:
        """Tokens that a prompt may take: the context without what is kept free for the answer."""
        size = self.mind.config.block_size
        return size - min(self.sampling.max_tokens, size // 4)

    def _prompt(self, turns: list[Message]) -> tuple[list[int], int, bool]:
        """(ids to answer, how many of them the repetition rules look back on, whether turns were just dropped)."""
        _ = self.engine  # first: where it cannot be loaded anew, nothing is said
        return self._rendered(turns) if self.mind.can_chat else self._continued(turns)

    def _rendered(self, turns: list[Message]) -> tuple[list[int], int, bool]:
        limit, first_time = self._limit, self._dropped == 0
        ids, _ = self._render(turns[self._dropped :])
        if len(ids) <= limit:
            return ids, 0, False
        dropped = self._dropped
        while len(ids) > limit * _FULLEST and dropped + 2 < len(turns):
            dropped += 2  # a line and its answer
            ids, _ = self._render(turns[dropped:])
        if len(ids) > limit:
            raise MessageTooLong(tokens=len(ids), limit=limit)
        self._dropped = dropped
        return ids, 0, first_time

    def _render(self, turns: list[Message]) -> tuple[list[int], list[int]]:
        system = [Message("system", self.system)] if self.system else []
        return render(self.mind.tokenizer, [*system, *turns], answer=True)

    def _continued(self, turns: list[Message]) -> tuple[list[int], int, bool]:
        tokenizer = self.mind.tokenizer
        ids: list[int] = []
        for turn in turns:
            new_line = bool(ids) and turn.role == "user" and bool(turn.content)
            ids += turn.ids or tokenizer.encode("\n" * new_line + turn.content, inside=bool(ids))
        start = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
        limit = self._limit
        forgot = len(start + ids) > limit
        ids = ids[-max(1, int(limit * _FULLEST)) :] if forgot else start + ids
        first_time, self._dropped = forgot and not self._dropped, int(forgot)
        return ids or tokenizer.encode("\n") or [0], len(ids), first_time


class Answer:
    """One answer while it is written: iterate for its text, piece by piece; `cancel` stops it.

    However it ends, what was written is in the conversation afterwards.
    """

    def __init__(
        self, chat: Chat, ids: list[int], remember: int, *, forgot: bool = False, begun: Sequence[int] = (),
        aside: bool = False,
    ) -> None:  # fmt: skip
        self._chat, self._prompt, self._remember, self._begun = chat, ids, remember, begun
        self._aside = aside
        self._cancel = Cancel()
        self.forgot = forgot  # the oldest turns fell out of the context for the first time
        self.ids: list[int] = []
        self.text = ""
        self.stats = Stats()
        self.trace: Trace | None = None
        """Set it before the first piece is asked for, and it takes what the mind thought of every id."""

    def cancel(self) -> None:
        """Stop before the next token; may be called from another thread or a signal handler."""
        self._cancel.set()

    def cancel_when(self, gone: Callable[[], bool]) -> None:
        """Stop before the first token at which `gone` says so."""
        self._cancel.gone = gone

    @property
    def prompt(self) -> list[int]:
        """The ids that it follows."""
        return [*self._prompt, *self._begun]

    def __iter__(self) -> Generator[str]:
        chat = self._chat
        detokenizer = Detokenizer(chat.mind.tokenizer, inside=not chat.mind.can_chat)
        try:
            for token in self._written():
                self.ids.append(token)
                if piece := detokenizer.feed(token):
                    self.text += piece
                    yield piece
        finally:
            del self.ids[len(self.ids) - detokenizer.owed :]  # half a letter would spoil what is written after it
            message, voice = Message("assistant", self.text, self.ids), {"mode": chat.mode} if chat.mode else {}
            if self._aside:
                chat.conversation.note(message, finish=self.stats.finish, **voice)
            else:
                chat.conversation.add(message, finish=self.stats.finish, **voice)

    def _written(self) -> Iterator[int]:
        """The ids that it begins with, then those that the mind adds."""
        chat, begun = self._chat, list(self._begun)
        stop_ids, sampling = chat.mind.manners.stop_ids, chat.sampling
        if begun and begun[-1] in stop_ids:
            self.stats.finish = "stop"
            yield from begun[:-1]
            return
        yield from begun
        if self._cancel.is_set():  # before it came to its turn: the engine may be another answer's by now
            return
        if sampling.seed is not None:
            sampling = replace(sampling, seed=(sampling.seed + chat._retries) % (LARGEST_SEED + 1))
        sampling = replace(sampling, max_tokens=max(1, sampling.max_tokens - len(begun)))
        yield from chat.engine.generate(
            [*self._prompt, *begun], sampling, stop_ids=stop_ids, never=chat.mind.never,
            slide=not chat.mind.can_chat, remember=self._remember + len(begun), stats=self.stats, trace=self.trace,
            cancel=self._cancel,
        )  # fmt: skip
