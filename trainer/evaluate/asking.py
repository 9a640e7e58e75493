"""A mind is asked: every probe a conversation of its own, with the mind's own sampling. Knows Chat and probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from chat_app.chat import Chat
from chat_app.engine import Engine
from chat_app.errors import MessageTooLong
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from trainer.errors import StageError
from trainer.evaluate import measures
from trainer.evaluate.probes import Probe


@dataclass(frozen=True, slots=True)
class Asked:
    """What the mind said to each line of a probe. All but `texts` is of the last answer."""

    probe: Probe
    texts: tuple[str, ...]
    tokens: int
    ended: bool
    """It came to its end by itself, and did not run into a limit."""
    looped: bool
    right: bool | None

    @property
    def text(self) -> str:
        """The answer that is judged."""
        return self.texts[-1]


def ask(
    mind: Mind, engine: Engine, probes: Sequence[Probe], sampling: Sampling, seed: int, step: Callable[[], None]
) -> list[Asked]:
    """Every probe's answers. The number of the probe and `seed` decide the dice; `step` is called after each.

    StageError where the mind cannot hold a question.
    """
    found = []
    with TemporaryDirectory() as folder:
        for number, probe in enumerate(probes):
            found.append(_ask(Chat(mind, engine, Path(folder)), probe, replace(sampling, seed=seed + number)))
            step()
    return found


def _ask(chat: Chat, probe: Probe, sampling: Sampling) -> Asked:
    chat.sampling = sampling
    texts = []
    for line in probe.lines:
        try:
            answer = chat.say(line)
        except MessageTooLong as error:
            raise StageError(
                f"With the system text the question “{line}” takes {error.details['tokens']} tokens, and this mind "
                f"holds {error.details['limit']} beside its answer: a report card is for minds with a longer context."
            ) from error
        for _ in answer:
            pass
        texts.append(answer.text.strip())
    return Asked(
        probe=probe, texts=tuple(texts), tokens=len(answer.ids), ended=answer.stats.finish == "stop",
        looped=measures.loops(answer.ids, texts[-1]), right=probe.judge(texts[-1]) if probe.judge else None,
    )  # fmt: skip
