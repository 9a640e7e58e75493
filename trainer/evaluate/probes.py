"""What a mind is asked, and what makes an answer right. Everything here is held out; the same probes every time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, zip_longest
from typing import Any, Final, TypeVar

from trainer.dialogues import exercises, intents, trees
from trainer.dialogues.exercises import acquaintance, arithmetic, held_out
from trainer.dialogues.exercises.task import Sign, Task
from trainer.dialogues.sources import smalltalk
from trainer.evaluate import identity, key_words
from trainer.evaluate.measures import counts, last_number, words
from trainer.evaluate.taught import Taught

# Group -> how many. In "talk" and "unknown" nothing is right or wrong: they show how it talks.
GROUPS: Final = {
    "one_digit": 100,  # sums and differences of the tables, in wordings that are held out
    "two_digit": 200,  # sums and differences of families that are held out
    "products": 50,  # of the table, in wordings that are held out
    "exercises": 40,  # quotients, clocks, counting, in wordings that are held out
    "facts": 100,  # what is taught, in wordings that are held out
    "identity": 60,  # greetings and questions about itself
    "memory": 40,  # told a name, asked for it: names that are held out
    "follow_ups": 60,  # what means something only after the line before, in wordings that are held out there
    "talk": 60,  # everyday talk, in wordings that are held out
    "unknown": 40,  # whole intents that are held out
}
QUICK: Final = 10
_COUNTED: Final = ("quotients", "clocks", "counting")
_DRAWN: Final = 2000
_STEPS: Final = 3  # numbers of an answer that shows its way; a longer row is what was asked for
_MOST_KEY_WORDS: Final = 3  # replies that share more tell one story, of which an answer may tell another part
FACTS: Final = ("03-world-and-science", "04-culture-and-language")
_TOLD: Final = ("меня зовут {n}", "привет, меня зовут {n}", "я {n}", "моё имя {n}", "будем знакомы, я {n}")
_ASKED: Final = ("как меня зовут?", "а как меня зовут?", "помнишь, как меня зовут?", "скажи моё имя")


Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Probe:
    """Lines that a person says one after another; the last answer is judged, if anything is `wanted`."""

    group: str
    lines: tuple[str, ...]
    wanted: str = ""
    judge: Callable[[str], bool] | None = None


def of(taught: Taught, *, quick: bool = False) -> list[Probe]:
    """The probes, group by group; of quick ones a tenth of each. Nothing that is taught is among them."""
    small_talk = [row for _, row in smalltalk()]
    every = [row for row in small_talk if "user" in row]
    wordings = _held_wordings(every)
    facts = {row["id"] for row in intents_of(FACTS)}
    made = {
        "one_digit": _sums("one_digit", ("+", "-"), _tables),
        "two_digit": _sums("two_digit", ("+", "-"), _families),
        "products": _sums("products", ("*",), _tables),
        "exercises": _exercises(),
        "facts": _facts(wordings, facts),
        "identity": _identity(),
        "memory": _memory(),
        "follow_ups": _follow_ups(small_talk),
        "talk": _talk(wordings, facts),
        "unknown": _unknown(every),
    }
    found: list[Probe] = []
    seen: set[tuple[str, ...]] = set()
    for group, count in GROUPS.items():
        # The opening of a follow-up is taught; what is not is what is said after it.
        new = _different(made[group], frozenset() if group == "follow_ups" else taught.questions, seen)
        chosen = list(islice(new, count))
        found += chosen[: -(-count // QUICK)] if quick else chosen
    return found


def intents_of(names: Sequence[str]) -> list[Row]:
    """The intents of the small talk's files of these names."""
    return [row for _, row in smalltalk(names) if "user" in row]


def _different(probes: Iterable[Probe], questions: frozenset[str], seen: set[tuple[str, ...]]) -> Iterator[Probe]:
    """Each once, without those `seen` before or whose first line is taught. Signs count: 7 - 8 is not 7 * 8."""
    for probe in probes:
        if probe.lines not in seen and intents.wording(probe.lines[0]) not in questions:
            seen.add(probe.lines)
            yield probe


def _shuffled(rows: Sequence[T]) -> list[T]:
    return random.Random("probes").sample(rows, len(rows))


def _sums(group: str, signs: Sequence[Sign], drawn: Callable[[Sign, random.Random], Task]) -> Iterator[Probe]:
    chance = random.Random(group)
    while True:
        for sign in signs:
            asked = drawn(sign, chance)
            said = arithmetic.exchange(asked, chance)
            if said.held:
                right = partial(_ends_with, number=asked.result)
                yield Probe(group, (said.messages[0].content,), f"{asked} = {asked.result}", right)


def _ends_with(answer: str, number: int) -> bool:
    return last_number(answer) == number


def _tables(sign: Sign, chance: random.Random) -> Task:
    a, b = chance.randint(1, 9), chance.randint(1, 9)
    if sign == "*":
        return Task("*", a, b)
    return Task("+", a, b) if sign == "+" else Task("-", max(a, b), min(a, b))


def _families(sign: Sign, chance: random.Random) -> Task:
    while not held_out.pair(a := chance.randint(11, 99), b := chance.randint(11, 99)) or (sign == "-" and a + b > 99):
        pass
    return Task("+", a, b) if sign == "+" else Task("-", a + b, b)


def _exercises() -> Iterator[Probe]:
    made = [(said for said in exercises.make(kind, _DRAWN, 0) if said.held) for kind in _COUNTED]
    for said in chain.from_iterable(zip(*made)):
        question, reference = (message.content for message in said.messages)
        row = counts(reference)
        wanted = row if len(row) > _STEPS else row[-1:]
        yield Probe("exercises", (question,), ", ".join(wanted), partial(_ends_in, wanted=wanted))


def _ends_in(answer: str, wanted: Sequence[str]) -> bool:
    found = counts(answer)
    return found == wanted if len(wanted) > 1 else found[-1:] == wanted


def _held_wordings(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """(intent, wording) of each wording that is held out of an intent that is taught; shuffled."""
    forbidden = intents.forbidden(rows)
    taught = [row for row in rows if not intents.whole(row["id"])]
    return _shuffled([(row, each) for row in taught for each in row["user"] if intents.wording(each) in forbidden])


def _facts(wordings: Sequence[tuple[Row, str]], of_facts: set[str]) -> Iterator[Probe]:
    for row, phrasing in wordings:
        if row["id"] in of_facts and 0 < len(keys := key_words.of(row["bot"], phrasing)) <= _MOST_KEY_WORDS:
            yield Probe("facts", (phrasing,), ", ".join(keys), partial(key_words.right, keys=keys))


def _talk(wordings: Sequence[tuple[Row, str]], of_facts: set[str]) -> Iterator[Probe]:
    names = set(words(" ".join(acquaintance.NAMES)))  # whoever says his name says what an exercise says
    for row, phrasing in wordings:
        if row["id"] not in of_facts and names.isdisjoint(words(phrasing)):
            yield Probe("talk", (phrasing,))


def _unknown(rows: Sequence[Row]) -> Iterator[Probe]:
    return (Probe("unknown", (row["user"][0],)) for row in _shuffled(rows) if intents.whole(row["id"]))


def _identity() -> Iterator[Probe]:
    """A question of every pattern in turn, so that quick probes hold the rarer ones too."""
    for row in zip_longest(*identity.PROBES.values()):
        for pattern, question in zip(identity.PROBES, row):
            if question:
                yield Probe("identity", (question,), pattern, partial(identity.fits, pattern=pattern))


def _memory() -> Iterator[Probe]:
    chance = random.Random("memory")
    while True:
        for name in acquaintance.HELD_OUT_NAMES:
            lines = chance.choice(_TOLD).format(n=name), chance.choice(_ASKED)
            yield Probe("memory", lines, name, partial(_says, name=name))


def _follow_ups(rows: Sequence[Row]) -> Iterator[Probe]:
    # Trees of a kind: their openings name what they are about, while «загадай загадку» may be answered by any riddle.
    named = [row for row in rows if "alike" in row and not intents.whole(row["id"])]
    for tree in _shuffled(named):
        group, phrasing = trees.held_out(tree)
        opening = tree["opening"]["user"][0]
        if 0 < len(keys := key_words.of(group["bot"], f"{opening} {phrasing}")) <= _MOST_KEY_WORDS:
            yield Probe("follow_ups", (opening, phrasing), ", ".join(keys), partial(key_words.right, keys=keys))


def _says(answer: str, name: str) -> bool:
    return name.lower().replace("ё", "е") in words(answer)
