from __future__ import annotations

import random
import re
from itertools import combinations
from operator import add, mul, sub, truediv

import pytest

from trainer.dialogues import exercises
from trainer.dialogues.exercises import acquaintance, clocks, held_out, numerals, task
from trainer.dialogues.exercises.numerals import Number, counted
from trainer.dialogues.exercises.task import Task
from trainer.dialogues.intents import wording
from trainer.errors import RecipeError

ARITHMETIC = ("sums", "differences", "products", "quotients")
IN_DIGITS = {
    numerals.name(number, case): number for number in range(200) for case in ("nominative", "genitive", "dative")
}
NAMED = re.compile(r"\b(" + "|".join(sorted(IN_DIGITS, key=len, reverse=True)) + r")\b")
COMPUTE = {**dict.fromkeys("*×", mul), **dict.fromkeys("/:", truediv), "+": add, "-": sub}
EQUATION = re.compile(r"(\d+) ([-+×:]) (\d+) = (-?\d+)")


@pytest.fixture(scope="module")
def made():
    return {kind: list(exercises.make(kind, 1500, 0)) for kind in exercises.KINDS}


def texts(conversation) -> list[str]:
    return [message.content for message in conversation.messages]


def numbers(text: str) -> list[int]:
    text = NAMED.sub(lambda found: str(IN_DIGITS[found[1]]), text.lower())
    return [int(number) for number in re.findall(r"\d+", text)]


def has_held_family(known: list[int]) -> bool:
    return any(held_out.pair(a, b) and a + b in known for a, b in combinations(sorted(set(known)), 2))


def test_the_same_seed_makes_the_same_exercises() -> None:
    for kind in exercises.KINDS:
        first, again, other = (list(exercises.make(kind, 50, seed)) for seed in (7, 7, 8))
        assert first == again != other


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no exercises called summs; did you mean sums"):
        next(exercises.make("summs", 1, 0))


def test_every_kind_is_taught_and_has_something_held_out(made) -> None:
    for kind, conversations in made.items():
        assert 0.02 < sum(conversation.held for conversation in conversations) / len(conversations) < 0.25, kind


def test_what_is_held_out_is_asked_alone(made) -> None:
    for conversations in (made[kind] for kind in made if kind != "acquaintance"):
        assert all(len(conversation.messages) == 2 for conversation in conversations if conversation.held)


def test_no_family_that_is_held_out_stands_in_anything_taught(made) -> None:
    for kind in (*ARITHMETIC, "comparisons"):
        for conversation in made[kind]:
            if conversation.held:
                continue
            said = texts(conversation)
            for place in range(0, len(said), 2):
                # A follow-up goes on from the last result.
                assert not has_held_family(numbers(" ".join(said[max(0, place - 1) : place + 2]))), said


def test_a_pair_is_held_out_with_its_whole_family() -> None:
    pairs = [(a, b) for a in range(100) for b in range(a, 100) if held_out.pair(a, b)]
    assert 120 < len(pairs) < 220
    for a, b in pairs:
        for family in (Task("+", a, b), Task("+", b, a), Task("-", a + b, a), Task("-", a + b, b), Task("-", a, a + b)):
            assert family.held
        assert a % 10
        assert b % 10


def test_no_wording_is_both_taught_and_held_out(made) -> None:
    for kind, conversations in made.items():
        if kind == "acquaintance":  # there names are held out
            continue
        asked: dict[bool, set[str]] = {True: set(), False: set()}
        for conversation in conversations:
            said = texts(conversation)
            if not has_held_family(numbers(" ".join(said))):
                asked[conversation.held].add(re.sub(r"\d+", "#", NAMED.sub("#", wording(said[0]))))
        assert not asked[True] & asked[False], kind


def test_wordings_that_differ_in_signs_alone_are_held_out_together() -> None:
    patterns = ("сколько {a}?", *(f"может быть, скажешь мне, {{a}}{sign}{{b}}" for sign in ("*", " * ", " × ", " х ")))
    assert held_out.wordings(patterns) == frozenset()  # one wording in four spellings, and one that everybody types
    more = (*patterns, "прошу посчитать мне {a}", "будь добр посчитай {a}")
    held = held_out.wordings(more)
    assert held in (frozenset(patterns[1:]), frozenset(more[5:6]), frozenset(more[6:]))


def test_every_equation_holds(made) -> None:
    seen = 0
    for conversation in (c for kind in made.values() for c in kind):
        for a, sign, b, result in EQUATION.findall(" ".join(texts(conversation)[1::2])):
            assert COMPUTE[sign](int(a), int(b)) == int(result), texts(conversation)
            seen += 1
    assert seen > 3000


def test_an_answer_ends_with_the_result(made) -> None:
    plain = re.compile(r"\D*?(\d+) ?([-+*/]) ?(\d+)\D*")
    seen = 0
    for conversation in (c for kind in ARITHMETIC for c in made[kind]):
        question, answer = texts(conversation)[:2]
        if found := plain.fullmatch(question):
            expected = COMPUTE[found[2]](int(found[1]), int(found[3]))
            assert int(re.findall(r"(?<!\d )-\d+|\d+", answer)[-1]) == expected, (question, answer)
            seen += 1
    assert seen > 800


def test_most_sums_have_two_digits_and_most_products_one() -> None:
    chance = random.Random(0)
    sums = [task.draw("+", chance) for _ in range(2000)]
    assert 0.5 < sum(min(each.a, each.b) > 9 for each in sums) / len(sums) < 0.75
    products = [task.draw("*", chance) for _ in range(2000)]
    assert 0.7 < sum(max(each.a, each.b) < 10 for each in products) / len(products) < 0.9
    assert {(each.a, each.b) for each in products} >= {(a, b) for a in range(2, 10) for b in range(2, 10)}


def test_the_way_leads_to_the_result() -> None:
    assert Task("+", 47, 38).way() == "40 + 30 = 70, 7 + 8 = 15"
    assert Task("-", 52, 17).way() == "52 - 10 = 42, 42 - 7 = 35"
    assert Task("*", 12, 7).way() == "10 × 7 = 70, 2 × 7 = 14"
    assert Task("+", 40, 38).way() == ""


def test_a_name_that_is_held_out_is_told_by_nobody_who_is_taught(made) -> None:
    names = re.compile(r"\b(" + "|".join(acquaintance.HELD_OUT_NAMES) + r")\b", re.IGNORECASE)
    for conversation in made["acquaintance"]:
        assert conversation.held or not names.search(" ".join(texts(conversation)))


def test_half_of_the_names_cannot_be_known_by_heart(made) -> None:
    greeted = [text for each in made["acquaintance"] for text in texts(each) if text.startswith("Рад знакомству, ")]
    names = {text.removeprefix("Рад знакомству, ").rstrip("!") for text in greeted}
    assert 0.3 < len(names - set(acquaintance.NAMES) - set(acquaintance.HELD_OUT_NAMES)) / len(greeted) < 0.7


def test_what_was_told_is_said_again_at_the_end(made) -> None:
    for conversation in made["acquaintance"]:
        *said, last = (
            {word[:3] for word in re.findall(r"[а-я]{2,}|\d+", text.lower().replace("ё", "е"))}
            for text in texts(conversation)
        )
        assert last & set().union(*said), texts(conversation)


def test_a_pet_and_its_owner_are_told_apart(made) -> None:
    told_apart = 0
    for conversation in made["acquaintance"]:
        said = [text.lower() for text in texts(conversation)]
        asked = dict(zip(said[::2], said[1::2], strict=True))
        owner = [answer for question, answer in asked.items() if "как меня зовут" in question]
        pet = [answer for question, answer in asked.items() if "как зовут мо" in question]
        if owner and pet:
            told_apart += 1
            assert not any(name.lower() in owner[0] for name in acquaintance.PETS)
            assert any(name.lower() in pet[0] for name in acquaintance.PETS)
    assert told_apart > 5


@pytest.mark.parametrize(
    ("number", "nominative", "genitive", "dative"),
    [
        (0, "ноль", "нуля", "нулю"),
        (1, "один", "одного", "одному"),
        (8, "восемь", "восьми", "восьми"),
        (15, "пятнадцать", "пятнадцати", "пятнадцати"),
        (18, "восемнадцать", "восемнадцати", "восемнадцати"),
        (42, "сорок два", "сорока двух", "сорока двум"),
        (90, "девяносто", "девяноста", "девяноста"),
        (268, "двести шестьдесят восемь", "двухсот шестидесяти восьми", "двумстам шестидесяти восьми"),
        (1000, "тысяча", "тысячи", "тысяче"),
        (2300, "две тысячи триста", "двух тысяч трёхсот", "двум тысячам трёмстам"),
    ],
)
def test_numbers_have_names_in_three_cases(number, nominative, genitive, dative) -> None:
    written = Number(number, in_words=True)
    assert (str(written), written.gen, written.dat) == (nominative, genitive, dative)


def test_no_two_numbers_share_a_name() -> None:
    assert len({numerals.name(number) for number in range(numerals.LARGEST + 1)}) == numerals.LARGEST + 1


def test_nouns_follow_their_number() -> None:
    minutes = ("минута", "минуты", "минут")
    assert [counted(number, minutes) for number in (1, 2, 5, 11, 13, 21, 104, 111)] == [
        "1 минута", "2 минуты", "5 минут", "11 минут", "13 минут", "21 минута", "104 минуты", "111 минут",
    ]  # fmt: skip


def test_the_clock_goes_on_over_the_hour_and_over_midnight() -> None:
    assert [clocks.shown(minute) for minute in (0, 65, 24 * 60 + 5, -10)] == ["0:00", "1:05", "0:05", "23:50"]


def test_in_so_many_minutes_the_clock_shows_that_much_more(made) -> None:
    seen = 0
    for conversation in made["clocks"]:
        question, answer = texts(conversation)[:2]
        asked = re.fullmatch(r"\D*(\d+):(\d\d)\D*?через (\d+) минуты?у?\D*", question, re.IGNORECASE)
        shown = re.findall(r"\d+:\d\d", answer)
        if asked and shown and "назад" not in question:
            hour, minute, length = map(int, asked.groups())
            assert shown[-1] == clocks.shown(60 * hour + minute + length)
            seen += 1
    assert seen > 50
