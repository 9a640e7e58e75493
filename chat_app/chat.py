"""Talking with a mind: turns to ids, ids to text as it is written. All that the faces know of a mind.

A mind with a chat template answers; one without continues what it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from chat_app import attraction, look
from chat_app import conversation as conversations
from chat_app import prompt as prompts
from chat_app.answer import Answer
from chat_app.attraction import Continuation
from chat_app.conversation import Conversation
from chat_app.engine import Cancel, Engine
from chat_app.errors import NoSuchAlternative, NoSuchToken, NothingToLookAt, NothingToRetry
from chat_app.look import Token
from chat_app.mind import Mind
from chat_app.prompt import Prompt
from chat_app.template import Message
from chat_app.text import encodable
from chat_app.trace import TOP, Trace
from chat_app.voice import Beside, Voices


class Chat:
    """One mind, one conversation, and how freely the mind speaks.

    For one thread at a time. It needs an `engine` to answer, not to be read, so it may be given one later.
    """

    def __init__(
        self, mind: Mind, engine: Engine | None, folder: Path, asked: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.mind, self.folder = mind, folder
        self.asked: Final = asked
        """Settings, as typed, that the command line puts over those of every voice of every mind."""
        self.mode = ""
        """Which voice of the mind speaks: "" is its own, else a variant's name."""
        self._voices = Voices(mind, engine, asked)
        self.sampling = self._voices.sampling("")
        self.beside: Beside | None = None
        self.conversation = Conversation(folder, mind.sha256)
        self.last: Answer | None = None
        self._dropped = 0  # turns that no longer fit into the context
        self._forgetting = False  # the person knows that some do not
        self._retries = 0

    @classmethod
    def with_mind(cls, mind: Mind, folder: Path, asked: Mapping[str, str] = MappingProxyType({})) -> Chat:
        """Load the weights and be ready. MindError where they cannot be loaded."""
        return cls(mind, Engine.with_mind(mind), folder, asked)

    @property
    def engine(self) -> Engine:
        """The engine of the voice that speaks, loaded when it is first needed, and again after another mind could not
        take its place. MindError where that fails.
        """
        asleep = not self._voices.awake
        engine = self._voices.engine(self.mode)
        if asleep and self._voices.awake and self.beside is not None:
            self.beside.adopt(self)
        return engine

    @engine.setter
    def engine(self, engine: Engine) -> None:
        """Answer with this one from now on, whose cache may hold anything."""
        self._voices.wake(self.mode, engine)

    def as_voice(self, mode: str) -> Chat:
        """The same conversation, spoken in with another voice of the mind. NoSuchVoice: it has none called so."""
        other = copy.copy(self)
        other.mode = mode
        other.sampling = self.sampling if mode == self.mode else self._voices.sampling(mode)
        return other

    def set_mode(self, mode: str) -> None:
        """Answer with another voice of the mind from now on. NoSuchVoice, or MindError where it cannot be loaded."""
        other = self.as_voice(mode)
        _ = other.engine
        self._voices.keep(self.mode, self.sampling)
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
        return Answer(other, other._prompt(turns), aside=True)

    @property
    def answered_by(self) -> str | None:
        """The voice that gave the last answer, where nothing was said after it."""
        turns = self.conversation.turns
        return turns[-1].mode if turns and turns[-1].role == "assistant" else None

    @property
    def system(self) -> str:
        """The system text in force: the person's, else the mind's own."""
        return self.mind.manners.system if self.conversation.system is None else self.conversation.system

    def set_system(self, text: str) -> None:
        """Give the mind another system text from now on. MessageTooLong where it leaves no room to talk."""
        message = Message("system", encodable(text))
        prompts.of(self.mind, message.content, [Message("user", "")], 0, self._limit)
        self.conversation.add(message)

    def say(self, text: str) -> Answer:
        """Take the person's line and answer it. MessageTooLong where the mind cannot hold it."""
        message = Message("user", encodable(text))
        prompt = self._prompt([*self.conversation.turns, message])
        self.conversation.add(message)
        self._retries = 0
        return self._answer(prompt)

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
        return self._answer(prompt)

    def look(self, top: int = TOP) -> list[Token]:
        """The last answer token by token, with what the voice that gave it thought at each.

        The answer is read once more for it, so that talking costs nothing, and so that a loaded one can be looked into.
        NothingToLookAt where there is none.
        """
        turns = self.conversation.turns
        ids, trace = self._last_answer(turns), Trace(top)
        voice = self.as_voice(turns[-1].mode)
        prompt = voice._prompt(turns[:-1]).ids
        voice.engine.score(prompt, ids, trace, never=self.mind.never, slide=not self.mind.can_chat)
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
        return self._answer(prompt, [*ids[:position], token])

    def _last_answer(self, turns: list[Message]) -> list[int]:
        if not turns or turns[-1].role != "assistant" or not turns[-1].content:
            raise NothingToLookAt
        text, encode = turns[-1].content, self.mind.tokenizer.encode
        ids = turns[-1].ids or (encode(text.strip()) if self.mind.can_chat else encode(text, inside=True))
        if not ids:
            raise NothingToLookAt
        return ids

    def edit(self, index: int, text: str) -> Answer:
        """Say `text` in the place of the turn at `index`, a line of the person's; it and all after it are taken back.

        NothingToRetry where that is no such line, MessageTooLong where the mind cannot hold the new one.
        """
        turns = self.conversation.turns
        if not 0 <= index < len(turns) or turns[index].role != "user":
            raise NothingToRetry
        message = Message("user", encodable(text))
        self._dropped = 0
        prompt = self._prompt([*turns[:index], message])
        while len(self.conversation.turns) > index:
            self.conversation.undo()
        self.conversation.add(message)
        self._retries = 0
        return self._answer(prompt)

    def attract(
        self, prompt: str, count: int = attraction.COUNT, cancel: Cancel | None = None
    ) -> Iterator[Continuation]:
        """What the mind would say to `prompt`, `count` times over; the conversation hears nothing of it.

        MessageTooLong where the mind cannot hold the prompt.
        """
        alone = Chat(self.mind, self.engine.sibling(), self.folder)  # without a line, it leaves no file either
        alone.conversation.messages = [m for m in self.conversation.messages if m.role == "system"]
        told = alone._prompt([Message("user", encodable(prompt))])
        return attraction.continuations(
            self.mind, alone.engine, told.ids, self.sampling, count=count, remember=told.remember, cancel=cancel
        )

    def undo(self) -> None:
        """Take back the last line and its answer."""
        self.conversation.undo()
        self._dropped = 0  # what fell out may fit again

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
            if message.mode not in self.mind.variants:
                message.mode = ""
        self.conversation.rescue()
        self._begin(conversation)

    def _begin(self, conversation: Conversation) -> None:
        self.conversation, self.last, self._retries = conversation, None, 0
        self._dropped, self._forgetting = 0, False

    def switch(self, mind: Mind) -> None:
        """Talk with another mind from now on, in a conversation of its own.

        ConversationUnwritable where the present one would be lost, MindError where the other mind cannot be loaded:
        then the present one goes on.
        """
        self.conversation.rescue()
        if self.beside is not None:
            self.beside.let_go()
        self._voices.sleep()  # first, or both minds' weights would stand in memory
        self._voices = Voices(mind, Engine.with_mind(mind), self.asked)
        self.mind, self.mode, self.sampling = mind, "", self._voices.sampling("")
        self._begin(Conversation(self.folder, mind.sha256))
        if self.beside is not None:
            self.beside.adopt(self)

    def context(self) -> tuple[int, int]:
        """(tokens that the conversation takes now, tokens that the mind can hold)."""
        turns = self.conversation.turns
        kept = turns[self._dropped :] if self.mind.can_chat else turns
        return prompts.size(self.mind, self.system, kept), self.mind.config.block_size

    def _answer(self, prompt: Prompt, begun: Sequence[int] = ()) -> Answer:
        self.last = Answer(self, prompt, begun)
        self.last.forgot = prompt.dropped > 0 and not self._forgetting
        self._dropped, self._forgetting = prompt.dropped, prompt.dropped > 0
        return self.last

    @property
    def _limit(self) -> int:
        return prompts.limit(self.mind, self.sampling)

    def _prompt(self, turns: Sequence[Message]) -> Prompt:
        """What to answer. MessageTooLong; and what `engine` raises, or something would be said that no one answers."""
        _ = self.engine
        return prompts.of(self.mind, self.system, turns, self._dropped, self._limit)
