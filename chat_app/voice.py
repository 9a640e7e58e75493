"""The voices of a mind: an engine for each, and the settings that it has while it is silent. Knows no conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from chat_app.engine import Engine
from chat_app.errors import NoSuchVoice
from chat_app.mind import Mind
from chat_app.sampler import Sampling

if TYPE_CHECKING:
    from chat_app.chat import Chat

OWN: Final = "normal"  # what a person calls the mind's own voice


class Beside(Protocol):
    """Who else uses the weights of a chat's engine, and must let go of them before others take their place."""

    url: str

    def let_go(self) -> None:
        """Stop using the weights."""

    def adopt(self, chat: Chat) -> None:
        """Use those that the chat has now."""


class Voices:
    """Those of one mind, "" being its own. Each is loaded when it is first needed."""

    def __init__(self, mind: Mind, engine: Engine | None, asked: Mapping[str, str]) -> None:
        """`asked` are settings that lie over those of every voice."""
        self._mind, self._asked = mind, asked
        self._engines = {} if engine is None else {"": engine}
        self._samplings: dict[str, Sampling] = {}

    @property
    def awake(self) -> bool:
        """Whether the mind's own weights are loaded, which the other voices share."""
        return "" in self._engines

    def engine(self, mode: str) -> Engine:
        """The engine of a voice. MindError where it cannot be loaded."""
        if mode not in self._engines:
            self.wake(mode, self.engine("").variant(self._mind, mode) if mode else Engine.with_mind(self._mind))
        return self._engines[mode]

    def wake(self, mode: str, engine: Engine) -> None:
        """Let the voice speak with this engine."""
        self._engines[mode] = engine

    def sleep(self) -> None:
        """Forget all weights."""
        self._engines.clear()

    def sampling(self, mode: str) -> Sampling:
        """The settings of a voice that is silent: those that were kept, else its own. NoSuchVoice."""
        if mode and mode not in self._mind.variants:
            raise NoSuchVoice(name=mode, known=", ".join((OWN, *self._mind.variants)))
        own = self._mind.variants[mode].sampling if mode else self._mind.manners.sampling
        return self._samplings.get(mode) or own.settled(self._asked)

    def keep(self, mode: str, sampling: Sampling) -> None:
        """Remember the settings of a voice that falls silent."""
        self._samplings[mode] = sampling
