"""From logits to the next id: repetition penalty, no-repeat n-grams, temperature, top-k, top-p, min-p.

Knows numbers, no text. Filters work in the order named, as in Hugging Face transformers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import numpy as np

from chat_app.errors import BadSetting, Reason

LARGEST_SEED: Final = (1 << 63) - 1
_FIRST_LOOK: Final = 256  # candidates sorted before it is known that a nucleus needs more
_WIDER_LOOK: Final = 8  # times as many, each time the nucleus turns out larger
_ROWS: Final = 64  # of the table whose columns' maxima are looked at first
_GREEDY_BELOW: Final = 1e-3  # as good as 0, and 1 / temperature stays finite in fp32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How freely a mind speaks. A temperature of 0 always takes the likeliest id."""

    temperature: float = 0.8
    top_k: int = 0
    """Only the k likeliest; 0 is all."""
    top_p: float = 1.0
    """Only the likeliest that together reach p (nucleus, arXiv 1904.09751)."""
    min_p: float = 0.0
    """Only those at least min_p times as likely as the likeliest (arXiv 2407.01082)."""
    repetition_penalty: float = 1.0
    """Divides the positive and multiplies the negative logits of recent ids (CTRL, arXiv 1909.05858, section 4.1)."""
    repetition_window: int = 256
    """How many recent ids the penalty looks at; 0 is all."""
    no_repeat_ngram: int = 0
    """No run of so many ids is written twice; 0 is off."""
    max_tokens: int = 400
    seed: int | None = None
    """The same seed, mind and text give the same answer; without one every answer is new."""

    def __post_init__(self) -> None:
        for name, (holds, expected) in _LIMITS.items():
            value = getattr(self, name)
            if not holds(value):
                raise BadSetting(name=name, value=value, expected=expected)

    @classmethod
    def from_dict(cls, values: dict[str, Any], base: Sampling) -> Sampling:
        """A mind's defaults over `base`. ValueError where a key is unknown or a value impossible."""
        try:
            return replace(base, **values)
        except (TypeError, BadSetting) as error:
            raise ValueError(f"its sampling defaults do not hold: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return asdict(self)

    def changed(self, name: str, text: str) -> Sampling:
        """The settings with `name` read from what a person typed. BadSetting says what would do."""
        holds, expected = _LIMITS[name]
        try:
            value: object = None if text.lower() in ("none", "off", "random") and name == "seed" else _number(text)
        except ValueError:
            raise BadSetting(name=name, value=text, expected=expected) from None
        if not holds(value):
            raise BadSetting(name=name, value=text, expected=expected)
        if isinstance(value, int) and isinstance(getattr(Sampling(), name), float):
            value = float(value)
        return replace(self, **{name: value})  # type: ignore[arg-type]

    def settled(self, asked: Mapping[str, str]) -> Sampling:
        """The settings with all of `asked` read as `changed` reads one."""
        settled = self
        for name, text in asked.items():
            settled = settled.changed(name, text)
        return settled


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text.replace(",", "."))
        return int(number) if number.is_integer() else number


def _whole(least: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value <= LARGEST_SEED


def _between(least: float, most: float, *, above: bool = False) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        return type(value) in (int, float) and (least < value if above else least <= value) and value <= most  # type: ignore[operator]

    return holds


RANGES: Final[dict[str, tuple[float, float]]] = {
    "temperature": (0, 100), "top_k": (0, LARGEST_SEED), "top_p": (0.01, 1), "min_p": (0, 1),
    "repetition_penalty": (0.01, 100), "repetition_window": (0, LARGEST_SEED), "no_repeat_ngram": (0, LARGEST_SEED),
    "max_tokens": (1, LARGEST_SEED), "seed": (0, LARGEST_SEED),
}  # fmt: skip
"""The least and the most that each setting is offered with; any top_p above 0 is taken."""
_ANY_NUMBER: Final = Reason("целое число ≥ 0", "a whole number ≥ 0")
_LIMITS: Final[dict[str, tuple[Callable[[object], bool], str | Reason]]] = {
    "temperature": (_between(*RANGES["temperature"]), "0…100"),
    "top_k": (_whole(0), _ANY_NUMBER),
    "top_p": (_between(0, 1, above=True), Reason("число больше 0 и до 1", "a number above 0, up to 1")),
    "min_p": (_between(*RANGES["min_p"]), "0…1"),
    "repetition_penalty": (_between(*RANGES["repetition_penalty"]), "0.01…100"),
    "repetition_window": (_whole(0), _ANY_NUMBER),
    "no_repeat_ngram": (_whole(0), _ANY_NUMBER),
    "max_tokens": (_whole(1), Reason("целое число ≥ 1", "a whole number ≥ 1")),
    "seed": (
        lambda value: value is None or _whole(0)(value),
        Reason("целое число ≥ 0 или random", "a whole number ≥ 0, or random"),
    ),
}
# A mind that chats is held back from loops unless its own defaults say otherwise.
CHATTING: Final = Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.1, no_repeat_ngram=6)
SETTINGS: Final = tuple(field.name for field in fields(Sampling))


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties:
    """What OpenAI's API takes off the logits of ids that an answer holds already; beside a mind's own settings.

    mu[j] - c[j] frequency_penalty - (c[j] > 0) presence_penalty, where c[j] is how often id j was picked before
    (OpenAI's guide to text generation, "Frequency and presence penalties").
    """

    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("frequency_penalty", "presence_penalty"):
            if not _between(-2, 2)(value := getattr(self, name)):
                raise BadSetting(name=name, value=value, expected="-2…2")


class Sampler:
    """Picks ids one after another for one answer. `never` are ids that no answer may hold."""

    def __init__(self, sampling: Sampling, never: Sequence[int] = (), penalties: Penalties | None = None) -> None:
        self.sampling, self.penalties = sampling, penalties or Penalties()
        self._picked: dict[int, int] = {}
        self._never = np.array(never, np.intp)
        self._dice = random.Random(sampling.seed)  # not numpy.random: it would add 3 MB to a box
        self._followers: dict[tuple[int, ...], set[int]] = {}
        self._seen = 0
        self._every: np.ndarray | None = None

    def pick(self, logits: np.ndarray, written: Sequence[int]) -> int:
        """The next id. `logits` [V] fp32 are changed in place; `written` are the ids of the text so far."""
        s = self.sampling
        if self._never.size:
            logits[self._never] = -np.inf
        self._penalise(logits)
        if s.repetition_penalty != 1.0 and written:
            recent = np.array(written[-s.repetition_window :], np.intp)
            values = logits[recent]
            # An id that stands twice among the recent ones is read once and written twice, the same.
            logits[recent] = np.where(values > 0, values / s.repetition_penalty, values * s.repetition_penalty)
        if s.no_repeat_ngram and (banned := self._would_repeat(written)):
            kept = logits[banned]
            logits[banned] = -np.inf
            if logits.max() == -np.inf:  # everything would repeat: better that than nothing
                logits[banned] = kept
        token = int(logits.argmax()) if s.temperature < _GREEDY_BELOW else self._roll(logits)
        self._picked[token] = self._picked.get(token, 0) + 1
        return token

    def _penalise(self, logits: np.ndarray) -> None:
        frequency, presence = self.penalties.frequency_penalty, self.penalties.presence_penalty
        if (frequency or presence) and self._picked:
            counts = np.fromiter(self._picked.values(), np.float32)
            logits[np.fromiter(self._picked, np.intp)] -= counts * np.float32(frequency) + np.float32(presence)

    def _would_repeat(self, written: Sequence[int]) -> list[int]:
        """Ids that would complete an n-gram that `written` already holds."""
        size = self.sampling.no_repeat_ngram
        for end in range(max(self._seen, size - 1), len(written)):
            self._followers.setdefault(tuple(written[end - size + 1 : end]), set()).add(written[end])
        self._seen = len(written)
        return list(self._followers.get(tuple(written[len(written) - size + 1 :]), ()))

    def _roll(self, logits: np.ndarray) -> int:
        s = self.sampling
        ids, odds, mass = self._likeliest(logits)
        if s.min_p > 0:
            likely = odds >= s.min_p
            ids, odds = ids[likely], odds[likely]
        total = odds.cumsum()
        kept = len(odds)
        if s.top_p < 1:
            kept = min(kept, int(total.searchsorted(s.top_p * mass)) + 1)
        chosen = int(total[:kept].searchsorted(self._dice.random() * float(total[kept - 1]), side="right"))
        return int(ids[min(chosen, kept - 1)])

    def _likeliest(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """(ids, their odds, the sum of odds that top_p is a share of).

        Odds are probabilities divided by the highest one. The likeliest come first wherever the order matters.
        """
        s, colder = self.sampling, np.float32(1 / self.sampling.temperature)
        if s.top_k:
            ids = largest(logits, s.top_k)
            odds = np.exp((logits[ids] - logits[ids[0]]) * colder)
            return ids, odds, float(odds.sum())
        logits -= logits.max()
        logits *= colder
        every = np.exp(logits)
        if s.top_p == 1:
            return self._all(len(every)), every, 0.0
        mass, count = float(every.sum()), _FIRST_LOOK
        ids = largest(every, count)
        while count < len(every) and every[ids].sum() < s.top_p * mass:
            count *= _WIDER_LOOK
            ids = largest(every, count)
        return ids, every[ids], mass

    def _all(self, size: int) -> np.ndarray:
        if self._every is None:
            self._every = np.arange(size)
        return self._every


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest scores, largest first, the lower index first where they are equal."""
    if count >= len(scores):
        return (-scores).argsort(kind="stable")
    # The count-th largest of some columns' maxima is a bound that at least `count` scores reach, and few more do.
    columns = len(scores) // _ROWS
    bounds = scores[: _ROWS * columns].reshape(_ROWS, columns).max(axis=0) if columns >= 2 * count else scores
    least = np.partition(bounds, len(bounds) - count)[len(bounds) - count]
    ids = np.flatnonzero(scores >= least)
    order: np.ndarray = ids[(-scores[ids]).argsort(kind="stable")[:count]]
    return order
