from __future__ import annotations

import gzip
import random
import re
from dataclasses import replace

import minds
import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from chat_app import template
from chat_app.model import Cache, forward
from trainer import recipe as recipes
from trainer.__main__ import app
from trainer.dialogues import exercises
from trainer.dialogues.report import Report
from trainer.dialogues.sources import conversations
from trainer.errors import StageError
from trainer.evaluate import (
    card,
    command,
    exam,
    foretelling,
    identity,
    key_words,
    measures,
    probes,
    search,
    table,
    taught,
)
from trainer.evaluate.exam import Exam
from trainer.evaluate.probes import GROUPS, Probe

ENDLESS = ["▁Раз", ",", "▁два", ",", "▁раз"]


@pytest.fixture(scope="module")
def talk():
    return taught.small_talk()


@pytest.fixture(scope="module")
def whole(talk) -> Exam:
    known = taught.of(talk)
    return Exam(probes.of(known), known, foretelling.held(talk))


@pytest.fixture(scope="module")
def short(whole) -> Exam:
    """Two probes of every group, and of every part the shortest conversation, which a mind of letters has room for."""
    few = [probe for group in GROUPS for probe in [each for each in whole.probes if each.group == group][:2]]
    held = {
        part: [min(found, key=lambda each: sum(len(m.content) for m in each.messages))]
        for part, found in whole.held.items()
    }
    return Exam(few, whole.taught, held)


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    return command.opened(minds.scripted_mind(tmp_path_factory.mktemp("mind") / "a.mind", block_size=512))


def normal(text: str) -> str:
    """Signs count, and nothing else that is not a word; where there is neither, the text itself."""
    return " ".join(re.findall(r"\w+|[-+*/×]|:(?= ?\d)", text.lower().replace("ё", "е"))) or text.strip()


# --- the probes ----------------------------------------------------------------------------------------------------


def first_lines(exam: Exam) -> set[str]:
    """Of the probes; what a follow-up follows is taught, and tests of trees show that the follow-up itself is not."""
    return {normal(probe.lines[0]) for probe in exam.probes if probe.group != "follow_ups"}


def test_no_probe_stands_in_the_training_text(whole, talk) -> None:
    made = [each for kind in exercises.KINDS for each in exercises.make(kind, 500, 1)]
    said = {normal(m.content) for each in (*talk, *made) if not each.held for m in each.messages if m.role == "user"}
    assert not [line for line in first_lines(whole) if line in said]


def test_no_probe_stands_in_what_the_shipped_mind_learned(whole) -> None:
    dialogues = recipes.load(recipes.find("homunculus")).dialogues
    lines = first_lines(whole)
    for name in dialogues.sources.keys() - {"exercises"}:  # of which the test before makes some anew
        for each in conversations(name, dialogues, Report()):
            if not each.held:
                assert lines.isdisjoint(normal(m.content) for m in each.messages if m.role == "user")


def test_nothing_that_is_foretold_stands_in_the_training_text(whole, talk) -> None:
    learned = {tuple(m.content for m in each.messages) for each in talk if not each.held}
    for found in whole.held.values():
        assert all(each.held and tuple(m.content for m in each.messages) not in learned for each in found)


def test_replies_that_are_learned_are_foretold_apart(whole, talk) -> None:
    learned = {m.content for each in talk if not each.held for m in each.messages if m.role == "assistant"}

    def known(part: str) -> set[bool]:
        return {m.content in learned for each in whole.held[part] for m in each.messages if m.role == "assistant"}

    assert known("wordings") == {True}
    assert known("intents") == known("dialogues") == {False}


def test_every_group_has_all_its_probes_and_each_once(whole) -> None:
    assert {group: sum(probe.group == group for probe in whole.probes) for group in GROUPS} == GROUPS
    assert len({probe.lines for probe in whole.probes}) == len(whole.probes)
    assert {part: len(found) for part, found in whole.held.items()} == foretelling.PARTS


def test_quick_probes_are_the_first_of_each_group_every_time(whole) -> None:
    quick = probes.of(whole.taught, quick=True)
    expected = [
        [probe.lines for probe in whole.probes if probe.group == group][: -(-GROUPS[group] // 10)] for group in GROUPS
    ]
    assert [probe.lines for probe in quick] == [lines for few in expected for lines in few]


def test_a_sum_is_right_by_its_last_number(whole) -> None:
    for probe in whole.probes:
        if probe.group in ("one_digit", "two_digit", "products"):
            result = probe.wanted.rsplit(" ", 1)[1]
            assert probe.judge(f"{probe.wanted}.")
            assert probe.judge(f"Будет {result}!")
            assert not probe.judge(f"Будет {result}, а может, и {int(result) + 1}.")
            assert not probe.judge("Не знаю.")


def test_a_row_of_numbers_is_right_as_a_whole_and_a_way_by_its_end(whole) -> None:
    row = next(probe for probe in whole.probes if probe.group == "exercises" and probe.wanted.count(",") > 2)
    assert row.judge(f"Считаю: {row.wanted}.")
    assert not row.judge(row.wanted.rsplit(", ", 1)[0])
    single = next(probe for probe in whole.probes if probe.group == "exercises" and "," not in probe.wanted)
    assert single.judge(f"Сначала 5, потом {single.wanted}.")


def test_a_name_is_right_wherever_it_stands(whole) -> None:
    probe = next(probe for probe in whole.probes if probe.group == "memory")
    assert probe.judge(f"Тебя зовут {probe.wanted}!")
    assert not probe.judge("Тебя зовут Анна.")


def test_known_answers_about_itself_fit_and_others_do_not() -> None:
    greeting, _, name, nature = list(identity.PROBES)[:4]
    assert identity.fits("Привет! Рад, что ты здесь.", greeting)
    assert identity.fits("Меня зовут Гомункул, можно просто Гом.", name)
    assert identity.fits("Я не человек, я нейросеть.", nature)
    assert not identity.fits("Париж стоит на Сене, в городе много мостов.", greeting)
    assert not identity.fits("Меня зовут Анна.", name)


def test_taught_replies_about_itself_fit_and_few_others_do() -> None:
    replies = {row["id"]: row["bot"] for row in probes.intents_of(["01-self-and-feelings"])}
    others = [reply for row in probes.intents_of(["02-everyday", *probes.FACTS]) for reply in row["bot"]]
    asked = {"hi hi-morning hi-bot": 0, "bye bye-see-you": 1, "id-name": 2, "id-human": 3, "id-live-where": 4}
    asked |= {"id-internet": 5, "id-can": 6, "thanks thanks-big": 7}
    for names, number in asked.items():
        pattern = list(identity.PROBES)[number]
        assert all(identity.fits(reply, pattern) for name in names.split() for reply in replies[name]), pattern
        assert sum(identity.fits(reply, pattern) for reply in others) < 0.1 * len(others), pattern


# --- key words -----------------------------------------------------------------------------------------------------


def test_key_words_are_what_all_replies_share_and_the_question_lacks() -> None:
    replies = [
        "Столица Индии — Нью-Дели.",
        "Нью-Дели, часть огромного города Дели.",
        "Это Нью-Дели. Мумбаи не столица.",
    ]
    keys = key_words.of(replies, "столица индии")
    assert keys == ["нью", "дели"]
    assert key_words.right("Это Дели!", keys)
    assert not key_words.right("Столица Индии — Мумбаи.", keys)


def test_endings_do_not_matter() -> None:
    keys = key_words.of(["Это написал Пушкин.", "Автор — Александр Пушкин.", "Стихи Пушкина."], "чьё это")
    assert keys == ["пушкин"]
    assert key_words.right("Сочинено Пушкиным.", keys)


def test_replies_without_anything_in_common_have_no_key_words() -> None:
    assert key_words.of(["Конечно!", "Давай попробуем."], "поможешь?") == []
    assert not key_words.right("Конечно!", [])


def test_all_key_words_together_accept_right_answers_and_refuse_those_to_other_questions() -> None:
    rows = [row for row in probes.intents_of(probes.FACTS) if len(row["bot"]) > 2]
    chance = random.Random(0)
    others, left_out = [], []
    for row in chance.sample(rows, 300):
        *known, last = row["bot"]
        if key_words.of(row["bot"], row["user"][0]):
            keys = key_words.of(known, row["user"][0])
            left_out.append(key_words.right(last, keys))
            others += [key_words.right(chance.choice(chance.choice(rows)["bot"]), keys) for _ in range(10)]
            assert all(key_words.right(reply, keys) for reply in known)
    assert sum(left_out) / len(left_out) > 0.85
    assert sum(others) / len(others) < 0.02


# --- measures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3, 4] * 3, True),
        ([9, 9, *[1, 2, 3, 4] * 3, 8], True),
        ([1, 2, 3, 4] * 2 + [1, 2, 3], False),
        ([1] * 12, True),
        ([1] * 11, False),
        ([1, 2] * 6, True),
        ([1, 2, 3, 4, 5] * 3, True),
        (list(range(40)), False),
        ([], False),
    ],
)
def test_a_run_of_tokens_that_fills_twelve_by_coming_back_is_a_loop(ids, expected) -> None:
    assert measures.loops(ids, "") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Я люблю чай. Я люблю чай.", True),
        ("Я люблю чай.\nя люблю чай", True),
        ("Я люблю чай. Ты тоже? Я люблю чай. Вот так. Я люблю чай!", True),
        ("Я люблю чай. А ты? Я люблю чай.", False),
        ("Ха-ха! Ха-ха!", False),
        ("1, 2, 3, 4, 5, 6.", False),
    ],
)
def test_a_sentence_that_comes_back_is_a_loop(text, expected) -> None:
    assert measures.loops([], text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("47 + 38 = 85.", 85), ("85", 85), ("3 - 8 = -5.", -5), ("-5", -5), ("12-7", 7), ("Не знаю", None),
        ("40 + 30 = 70, 7 + 8 = 15, всего 85.", 85), ("12 - 7", 7),
    ],
)  # fmt: skip
def test_the_last_number_of_an_answer(text, expected) -> None:
    assert measures.last_number(text) == expected


def test_variety_copies_and_letters_are_shares() -> None:
    assert measures.distinct(["а б в", "а б г"]) == 3 / 4
    assert measures.distinct([]) == 0
    known = set(measures.runs("раз два три четыре пять шесть семь"))
    assert measures.copied(["Раз, два, три, четыре, пять, шесть! Восемь."], known) == 1 / 2
    assert measures.cyrillic(["Да, yes"]) == 2 / 5
    assert measures.cyrillic(["12"]) == 1


def test_an_answer_is_canned_when_other_questions_get_it_too() -> None:
    answers = ["Расскажи мне об этом ещё!", "расскажи мне об этом еще", "Да.", "Да.", "Париж стоит на Сене."]
    assert measures.canned(answers) == 2 / 5
    assert measures.canned([]) == 0


# --- the card ------------------------------------------------------------------------------------------------------


def test_a_mind_is_judged_by_what_it_says(short, talking) -> None:
    mind, engine = talking
    found = card.judge(mind, engine, short, sampling=mind.manners.sampling)
    assert {asked.text for asked in found.asked} == {minds.ANSWER_TEXT}
    assert found.all.asked == len(short.probes)
    assert (found.all.ended, found.all.loops_per_100, found.cyrillic) == (1, 0, 1)
    assert found.groups["one_digit"].right == 0
    assert found.groups["identity"].right == 1 / 2  # one greeting, one farewell
    assert found.groups["talk"].right is None
    assert found.tokens == len(minds.ANSWER)
    assert set(found.bits_per_byte) == set(foretelling.PARTS)


def test_every_line_of_a_probe_is_said_in_one_conversation(talking) -> None:
    mind, engine = talking
    probe = Probe("memory", ("меня зовут Лев", "как меня зовут?"), "Лев", lambda answer: "Лев" in answer)
    found = card.judge(mind, engine, Exam([probe], taught.of([]), {}), sampling=mind.manners.sampling)
    assert found.asked[0].texts == (minds.ANSWER_TEXT, minds.ANSWER_TEXT)
    assert "как меня зовут".replace(" ", "") in "".join(
        mind.tokenizer.pieces.pieces[i] for i in engine.cache.ids
    ).replace("▁", "")


def test_a_mind_that_never_ends_is_found_out(tmp_path, short) -> None:
    mind, engine = command.opened(minds.scripted_mind(tmp_path / "a.mind", ENDLESS, endless=True, block_size=512))
    found = card.judge(mind, engine, replace(short, held={}), sampling=mind.manners.sampling)
    assert (found.all.ended, found.all.loops_per_100) == (0, 100)


def test_the_same_seed_gives_the_same_card(tmp_path, short) -> None:
    mind, engine = command.opened(minds.random_mind(tmp_path / "a.mind", chats=True, block_size=512))
    few = replace(short, probes=short.probes[:3], held={})
    sampling = replace(mind.manners.sampling, temperature=1.0)
    first, again, other = (
        [asked.text for asked in card.judge(mind, engine, few, sampling=sampling, seed=seed).asked]
        for seed in (1, 1, 9)
    )
    assert first == again != other


def test_bits_a_byte_are_those_of_the_answer_and_its_end(tmp_path, talk) -> None:
    mind, engine = command.opened(minds.random_mind(tmp_path / "a.mind", chats=True, block_size=512))
    conversation = next(each for each in talk if len(each.messages) == 2 and len(each.messages[1].content) < 60)
    found = foretelling.bits_per_byte(mind, engine, {"wordings": [conversation]}, lambda: None)
    ids, mask = template.render(
        mind.tokenizer, [template.Message("system", mind.manners.system), *conversation.messages]
    )
    cache, bits = Cache(mind.config), 0.0
    for place in range(len(ids) - 1):
        logits = forward(engine.weights, ids[place : place + 1], cache).astype(np.float64)
        if mask[place + 1]:
            bits -= np.log2(np.exp(logits - logits.max())[ids[place + 1]] / np.exp(logits - logits.max()).sum())
    assert found["wordings"] == pytest.approx(bits / len(conversation.messages[1].content.encode()), rel=1e-4)


def test_search_ranks_what_it_tried_the_best_first(short, talking, monkeypatch) -> None:
    mind, engine = talking
    monkeypatch.setattr(search, "_TEMPERATURES", (0.5, 50.0))
    monkeypatch.setattr(search, "_CUTS", ((1.0, 0.0),))
    steps = []
    few = replace(short, probes=short.probes[:4])
    found = search.search(mind, engine, few, sampling=mind.manners.sampling, seed=0, step=lambda: steps.append(1))
    assert len(found) == 5  # the mind's own, and two temperatures with two penalties
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert found[-1].sampling.temperature == 50
    assert len(steps) == 5 * 4
    assert table.ranking(found).row_count == 5


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_writes_figures_and_a_page(tmp_path, monkeypatch, short) -> None:
    path = minds.scripted_mind(tmp_path / "a.mind", block_size=512)
    monkeypatch.setattr(exam, "prepare", lambda texts, quick: short)
    to = {"--out": tmp_path / "card.json", "--page": tmp_path / "card.html"}
    result = CliRunner().invoke(app, ["evaluate", str(path), *(str(each) for pair in to.items() for each in pair)])
    assert result.exit_code == 0, result.output
    assert "Report card" in result.output
    written = orjson.loads(to["--out"].read_bytes())
    assert written["figures"]["all"]["ended"] == 1
    assert len(written["talk"]) == len(short.probes)
    page = to["--page"].read_text("utf-8")
    assert minds.ANSWER_TEXT in page
    assert "http" not in page


def test_two_minds_are_compared_blindly_and_the_key_tells_who_was_who(tmp_path, monkeypatch, short) -> None:
    monkeypatch.setattr(exam, "prepare", lambda: short)
    said = {}
    for name, words in (("one", ["▁Привет", "!"]), ("two", ["▁Пока", "!"])):
        path = minds.scripted_mind(tmp_path / f"{name}.mind", words, block_size=512)
        said[str(path)] = "".join(words).replace("▁", " ").strip()
    result = CliRunner().invoke(app, ["compare", *said, "--to", str(tmp_path)])
    assert result.exit_code == 0, result.output
    parts = (tmp_path / "compare.md").read_text("utf-8").split("\n## ")[1:]
    sides = orjson.loads((tmp_path / "compare.key.json").read_bytes())
    assert len(parts) == len(sides) > 4
    for part, side in zip(parts, sides, strict=True):
        for letter, path in side.items():
            assert f"**{letter}**\n\n> {said[path]}\n" in part
        assert set(side.values()) == set(said)
    assert {side["А"] for side in sides} == set(said)
    assert not any(path in (tmp_path / "compare.md").read_text("utf-8") for path in said)


def test_what_was_said_is_no_markup(tmp_path, talking) -> None:
    mind, engine = talking
    probe = Probe("talk", ("<script>alert(1)</script>",))
    found = card.judge(mind, engine, Exam([probe], taught.of([]), {}), sampling=mind.manners.sampling)
    command.write_page(mind, found, tmp_path / "card.html", quick=True)
    assert "<script>" not in (tmp_path / "card.html").read_text("utf-8")


def test_a_mind_that_only_goes_on_has_no_card(tmp_path) -> None:
    with pytest.raises(StageError, match="does not answer"):
        command.opened(minds.random_mind(tmp_path / "a.mind"))


def test_a_question_that_a_small_context_does_not_hold_is_a_sentence(tmp_path, short) -> None:
    mind, engine = command.opened(minds.scripted_mind(tmp_path / "a.mind", block_size=16))
    with pytest.raises(StageError, match=r"takes \d+ tokens, and this mind holds 12 beside its answer"):
        card.judge(mind, engine, short, sampling=mind.manners.sampling)


def test_a_missing_mind_is_a_sentence(tmp_path) -> None:
    with pytest.raises(StageError, match="There is no mind"):
        command.opened(tmp_path / "no.mind")


def test_texts_that_were_learned_too_count_as_copied(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("раз два три четыре пять шесть семь\n", "utf-8")
    rows = [{"turns": ["кто там", "это я почтальон печкин принёс заметку"]}, {"turns": ["без ответа"]}]
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    known = taught.of([], [tmp_path / "a.txt", tmp_path / "b.jsonl"])
    assert ("раз", "два", "три", "четыре", "пять", "шесть") in known.runs
    assert ("это", "я", "почтальон", "печкин", "принес", "заметку") in known.runs
    assert "кто там" in known.questions


def test_learned_texts_are_read_packed_and_whatever_their_rows_are(tmp_path) -> None:
    rows = [
        {"turns": ["кто там", "это я почтальон печкин принёс заметку"]},
        {"text": "раз два три четыре пять шесть семь"}, [1, 2], {"text": 5},
    ]  # fmt: skip
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, rows))))
    known = taught.of([], [tmp_path / "b.jsonl.gz"])
    assert ("раз", "два", "три", "четыре", "пять", "шесть") in known.runs
    assert "кто там" in known.questions
    assert not any("turns" in run for run in known.runs)
