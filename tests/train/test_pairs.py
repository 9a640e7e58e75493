"""Collecting answers to prefer and to avoid: resumed, filtered, and from what people rated."""

from __future__ import annotations

import shutil

import orjson
import pytest

from chat_app.conversation import Conversation
from chat_app.template import Message
from tests.train.test_sft import SECTIONS, chatty, ready, recipe  # noqa: F401 - fixtures
from trainer import vocabulary
from trainer.errors import CorpusError, StageError
from trainer.pairs import collecting, command, rated, ratings
from trainer.pairs.goodness import Known
from trainer.sections import Dialogues, DialogueSource, Pairs, Preset

DIALOGUES = Dialogues(
    sources={
        "smalltalk": DialogueSource(smalltalk=True, weight=3),
        "exercises": DialogueSource(generated={"sums": 200}, weight=1),
    }
)
WAYS = Pairs(
    presets={
        "hot": Preset(temperature=2.0, max_tokens=6, count=10),
        "cold": Preset(temperature=0.3, max_tokens=4, count=5),
    },
    batch_size=4,
)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known.of_small_talk()


@pytest.fixture
def collectable(recipe, chatty, ready, tmp_path):  # noqa: F811
    """A recipe with presets, and a folder in which everything up to pretraining has run."""
    place = shutil.copytree(ready, tmp_path / "grow")
    source = recipe.dialogues.sources["talk"].model_copy(update={"text": (str(chatty / "talk.jsonl"),)})
    dialogues = recipe.dialogues.model_copy(update={"sources": {"talk": source}})
    return recipe.model_copy(update={"pairs": WAYS, "dialogues": dialogues}), place


def collect(collectable, steps=None):
    chosen, place = collectable
    told = (steps if steps is not None else []).append
    return command.collect(chosen, place, vocabulary.load(place), "cpu", place / "pretrain" / "best", told)


def test_every_preset_answers_its_prompts_and_both_sides_are_kept(collectable) -> None:
    steps = []
    found = collect(collectable, steps)
    assert {name: each.written for name, each in found.items()} == {"hot": 10, "cold": 5}
    assert sum(steps) == 15
    rows = rated.read(collectable[1] / rated.FILE)
    assert len(rows) == 2 * sum(each.kept for each in found.values())
    for good, bad in zip(rows[::2], rows[1::2], strict=True):
        assert (good.label, bad.label) == (True, False)
        assert good.prompt == bad.prompt
        assert good.completion.endswith("гулял.")
    assert command.table(found).row_count >= 2


def test_what_was_killed_goes_on_and_gives_the_same_answers(collectable, tmp_path) -> None:
    chosen, place = collectable
    other = shutil.copytree(place, tmp_path / "other")
    collect(collectable)
    whole = (place / "pairs" / "hot.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (other / "pairs").mkdir()
    (other / "pairs" / "hot.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:7])  # killed within a line
    steps = []
    collect((chosen, other), steps)
    assert steps[0] == 3
    assert [orjson.loads(line)["ids"] for line in (other / "pairs" / "hot.jsonl").read_bytes().splitlines()[1:]] == [
        orjson.loads(line)["ids"] for line in lines[1:]
    ]
    again = []
    collect((chosen, other), again)
    assert again == [10, 5]  # nothing is asked twice


def test_answers_of_another_mind_or_preset_are_not_gone_on_with(collectable) -> None:
    collect(collectable)
    chosen, place = collectable
    hotter = WAYS.model_copy(update={"presets": {"hot": WAYS.presets["hot"].model_copy(update={"temperature": 3.0})}})
    with pytest.raises(StageError, match=r"hot\.jsonl holds answers of another mind, or of another preset"):
        collect((chosen.model_copy(update={"pairs": hotter}), place))


def test_a_damaged_file_of_answers_is_named(collectable) -> None:
    collect(collectable)
    path = collectable[1] / "pairs" / "hot.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"ids"', b'"ids', 1))
    with pytest.raises(StageError, match=r"hot\.jsonl is damaged"):
        collect(collectable)


def test_a_recipe_without_presets_says_so(collectable) -> None:
    chosen, place = collectable
    with pytest.raises(StageError, match="has no pairs"):
        collect((chosen.model_copy(update={"pairs": None}), place))


def test_prompts_come_from_what_is_learned_as_often_as_it_is(known) -> None:
    found = collecting.prompts(DIALOGUES, "hot", 40, 0)
    assert len(found) == 40
    assert all(each.prompt[-1].role == "user" and each.chosen for each in found)
    numbers = sum(any(letter.isdigit() for letter in each.chosen) for each in found)
    assert 8 <= numbers <= 16
    assert found == collecting.prompts(DIALOGUES, "hot", 40, 0)
    assert found != collecting.prompts(DIALOGUES, "cold", 40, 0)


def test_what_the_context_does_not_hold_is_passed_over() -> None:
    found = collecting.prompts(DIALOGUES, "hot", 40, 0, lambda asked: len(asked.prompt) == 1)
    assert [len(each.prompt) for each in found] == [1] * 40
    with pytest.raises(CorpusError, match=r"has 0 conversations to learn from that the context holds"):
        collecting.prompts(DIALOGUES, "hot", 40, 0, lambda asked: False)


def test_more_prompts_than_there_are_is_a_sentence() -> None:
    few = Dialogues(sources={"exercises": DialogueSource(generated={"sums": 5})})
    with pytest.raises(CorpusError, match=r"50 are asked for: lower pairs\.presets\.hot\.count"):
        collecting.prompts(few, "hot", 50, 0)


@pytest.mark.parametrize(
    ("question", "written", "answer", "ended", "reason"),
    [
        ("сколько будет 2 + 3?", "2 + 3 = 5.", "Будет 5.", True, "the right number"),
        ("сколько будет 2 + 3?", "2 + 3 = 5.", "Будет 6.", True, ""),
        ("сколько будет 2 + 3?", "2 + 3 = 5.", "Будет 5.", False, ""),
        ("я голодный", "Иди поешь!", "иди поешь", True, "a written answer"),
        ("я голодный", "Иди поешь!", "Тогда марш на кухню! Даже бутерброд с чаем уже поднимет настроение.", True,
         "a written answer"),
        ("я голодный", "Иди поешь!", "Столица Франции — Париж.", True, ""),
        ("слушай, в животе урчит так, что слышно соседям",
         "Голод — дело серьёзное. Что есть в холодильнике? Придумаем что-нибудь вместе.",
         "Тогда марш на кухню! Даже бутерброд с чаем уже поднимет настроение.", True, "a written answer"),
        ("небо какое", "Синее.", "Синее. Синее. Синее. Синее. Синее. Синее. Синее.", True, ""),
    ],
)  # fmt: skip
def test_an_answer_that_is_good_is_not_one_to_avoid(known, question, written, answer, ended, reason) -> None:
    ids = [hash(word) % 1000 for word in answer.split()]
    assert known.praise(question, written, answer, ids=ids, ended=ended) == reason


def test_a_fitting_greeting_is_good_in_other_words(known) -> None:
    assert known.praise("привет", "Привет!", "Привет, рад тебя видеть, дружище!", ids=[1, 2, 3], ended=True)
    assert not known.praise("привет", "Привет!", "Столица Франции — Париж.", ids=[1, 2, 3], ended=True)


def test_what_people_rated_becomes_rows(tmp_path) -> None:
    talk = Conversation(tmp_path / "talks")
    talk.add(Message("user", "привет"))
    talk.add(Message("assistant", "ага", [5]))
    talk.rate(good=False)
    talk.undo(answer_only=True)
    talk.add(Message("assistant", "Привет!", [6]))
    talk.rate(good=True)
    (tmp_path / "talks" / "empty.jsonl").write_text('{"start": 1}\n')
    path, count = command.from_ratings(tmp_path / "talks", tmp_path)
    assert count == 2
    first, second = rated.read(path)
    assert (first.completion, first.label) == ("ага", False)
    assert (second.completion, second.label) == ("Привет!", True)
    assert first.prompt == second.prompt == [Message("user", "привет")]
    assert ratings.read(talk.path) == [first, second]


def test_a_folder_without_ratings_is_a_sentence(tmp_path) -> None:
    talk = Conversation(tmp_path)
    talk.add(Message("user", "привет"))
    with pytest.raises(CorpusError, match="Nothing is rated in the 1 conversations"):
        ratings.read(tmp_path)
    with pytest.raises(CorpusError, match="/where"):
        ratings.read(tmp_path / "nowhere")
