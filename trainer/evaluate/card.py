"""The report card: figures of answers, group by group and together. Knows no file and no page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from chat_app.engine import Engine
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from trainer.evaluate import foretelling, measures
from trainer.evaluate.asking import Asked, ask
from trainer.evaluate.exam import Exam
from trainer.evaluate.probes import GROUPS
from trainer.shares import wilson

# Answers made of numbers repeat each other and no text: they say nothing of variety or copying.
_IN_WORDS: Final = ("facts", "identity", "talk", "unknown")
# Where every question wants an answer of its own: many a greeting fits many a greeting.
_UNLIKE: Final = ("facts", "talk", "unknown")
_SCORED: Final = ("one_digit", "two_digit", "products", "exercises", "facts", "identity", "memory", "follow_ups")


@dataclass(frozen=True, slots=True)
class Group:
    """Shares of a group of answers; `right` and its 95 % interval are missing where nothing is right or wrong."""

    asked: int
    ended: float
    loops_per_100: float
    right: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """All that was found of one mind."""

    sampling: Sampling
    seed: int
    groups: dict[str, Group]
    all: Group
    tokens: float
    distinct_2: float
    canned_per_100: float
    copied: float
    cyrillic: float
    bits_per_byte: dict[str, float]
    asked: list[Asked]

    @property
    def score(self) -> float:
        """What sampling is chosen by: the mean of all shares of right answers, of those that end and do not loop."""
        shares = [group.right for name in _SCORED if (group := self.groups.get(name)) and group.right is not None]
        shares += [self.all.ended, 1 - self.all.loops_per_100 / 100]
        return sum(shares) / len(shares)

    def to_dict(self) -> dict[str, Any]:
        """Figures for a mind's card; the talk is not among them."""
        sampling = {key: value for key, value in self.sampling.to_dict().items() if key != "seed"}
        return {
            "groups": {name: _known(group) for name, group in self.groups.items()}, "all": _known(self.all),
            "tokens": round(self.tokens, 1), "distinct_2": round(self.distinct_2, 4),
            "canned_per_100": round(self.canned_per_100, 2), "copied": round(self.copied, 4),
            "cyrillic": round(self.cyrillic, 4), "score": round(self.score, 4),
            "bits_per_byte": {part: round(bits, 4) for part, bits in self.bits_per_byte.items()},
            "sampling": sampling, "seed": self.seed,
        }  # fmt: skip


def judge(
    mind: Mind,
    engine: Engine,
    exam: Exam,
    *,
    sampling: Sampling,
    seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> Card:
    """Ask all probes, and let the mind foretell what is held out. `step` is called after each of both."""
    asked = ask(mind, engine, exam.probes, sampling, seed, step)
    in_words = [each.text for each in asked if each.probe.group in _IN_WORDS]
    return Card(
        sampling=sampling, seed=seed, asked=asked, all=_group(asked),
        groups={name: _group(found) for name in GROUPS if (found := [a for a in asked if a.probe.group == name])},
        tokens=sum(each.tokens for each in asked) / len(asked), distinct_2=measures.distinct(in_words),
        canned_per_100=100 * measures.canned(each.text for each in asked if each.probe.group in _UNLIKE),
        copied=measures.copied(in_words, exam.taught.runs), cyrillic=measures.cyrillic(each.text for each in asked),
        bits_per_byte=foretelling.bits_per_byte(mind, engine, exam.held, step),
    )  # fmt: skip


def _group(asked: Sequence[Asked]) -> Group:
    judged = [each.right for each in asked if each.right is not None]
    ended = sum(each.ended for each in asked) / len(asked)
    loops = 100 * sum(each.looped for each in asked) / len(asked)
    if len(judged) < len(asked):
        return Group(len(asked), ended, loops)
    return Group(len(asked), ended, loops, sum(judged) / len(judged), *wilson(sum(judged), len(judged)))


def _known(group: Group) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in asdict(group).items() if value is not None}
