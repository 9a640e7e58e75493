"""One answer while it is written: ids to text, piece by piece. Knows the chat that it belongs to, and no face."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chat_app.engine import Cancel, Stats
from chat_app.prompt import Prompt
from chat_app.sampler import LARGEST_SEED
from chat_app.template import Message
from chat_app.tokenizer import Detokenizer
from chat_app.trace import Trace

if TYPE_CHECKING:
    from chat_app.chat import Chat


class Answer:
    """One answer while it is written: iterate for its text, piece by piece; `cancel` stops it.

    However it ends, what was written is in the conversation afterwards.
    """

    def __init__(self, chat: Chat, prompt: Prompt, begun: Sequence[int] = (), *, aside: bool = False) -> None:
        self._chat, self._prompt, self._begun, self._aside = chat, prompt, begun, aside
        self._cancel = Cancel()
        self.mode = chat.mode
        """Whose voice it is."""
        self.forgot = False
        """Whether it is the first that the oldest turns no longer fit beside."""
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
        return [*self._prompt.ids, *self._begun]

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
            message = Message("assistant", self.text, self.ids, self.mode)
            keep = chat.conversation.note if self._aside else chat.conversation.add
            keep(message, finish=self.stats.finish)

    def _written(self) -> Iterator[int]:
        """The ids that it begins with, then those that the mind adds."""
        chat, begun = self._chat, self._begun
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
        remember = self._prompt.remember + len(begun)
        yield from chat.engine.generate(
            self.prompt, sampling, stop_ids=stop_ids, never=chat.mind.never, slide=not chat.mind.can_chat,
            remember=remember, stats=self.stats, trace=self.trace, cancel=self._cancel,
        )  # fmt: skip
