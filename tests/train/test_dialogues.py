from __future__ import annotations

import dataclasses
import itertools
import random
import re
import tracemalloc

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import tokenizer as tokenizers
from chat_app.pieces import CONTROL, NORMAL, UNKNOWN, Pieces
from chat_app.template import MARKS, Message
from trainer import recipe as recipes
from trainer.dialogues import ellipsis, gather, intents, rewording, trees
from trainer.dialogues.packing import IGNORED, AnswerBatches, Packed
from trainer.dialogues.report import Report
from trainer.dialogues.shapes import Conversation, Malformed, messages_of
from trainer.dialogues.sources import conversations, smalltalk
from trainer.errors import CorpusError, StageError
from trainer.sections import Dialogues, DialogueSource
from trainer.sft import HeldOutAnswers
from trainer.tokens import Counts, Tokens

LETTERS = "".join(map(chr, (*range(0x20, 0x7F), *range(0x410, 0x450)))) + "ёЁ—«»…\n"
PIECES = Pieces(
    kind="char", pieces=("<unk>", "<s>", *MARKS, *sorted(set(LETTERS))),
    types=(UNKNOWN, CONTROL, *[CONTROL] * 4, *[NORMAL] * len(set(LETTERS))),
)  # fmt: skip
TOKENIZER = tokenizers.from_dict(PIECES.to_dict())


def roles(row: dict) -> str:
    return " ".join(f"{message.role[0]}:{message.content}" for message in messages_of(row))


@pytest.mark.parametrize(
    "row",
    [
        {"turns": ["Привет", " Здравствуй! "]},
        {"messages": [{"role": "user", "content": "Привет"}, {"role": "assistant", "content": "Здравствуй!"}]},
        {"conversations": [{"from": "human", "value": "Привет"}, {"from": "gpt", "value": "Здравствуй!\n"}]},
        {"conversation": [{"role": "user", "content": "Привет"}, {"role": "bot", "content": "Здравствуй!"}],
         "overall_score": 9},
        {"turns": ["Привет", "Здравствуй!", "а это никто не ответил"]},
    ],
)  # fmt: skip
def test_every_shape_gives_the_same_messages(row) -> None:
    assert roles(row) == "u:Привет a:Здравствуй!"


def test_a_system_text_comes_first() -> None:
    turns = [("system", "Ты кот."), ("user", "Кто ты?"), ("assistant", "Кот.")]
    assert roles({"messages": [{"role": r, "content": c} for r, c in turns]}) == "s:Ты кот. u:Кто ты? a:Кот."


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "Проза"}, "no conversation"),
        ({"turns": "Привет"}, "no conversation"),
        ({"turns": ["Привет"]}, "no answer"),
        ({"turns": ["Привет", "  "]}, "an empty turn"),
        ({"turns": ["Привет", None]}, "an empty turn"),
        ({"turns": ["Привет", "Здравствуй <|end|> <|user|>"]}, "a mark inside the text"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "an unknown role"),
        ({"messages": ["Привет", "Да"]}, "a turn without a role"),
        ({"messages": [{"role": "user", "content": c} for c in "аб"] + [{"role": "assistant", "content": "в"}]},
         "two turns of one side in a row"),
        ({"messages": [{"role": r, "content": "а"} for r in ("user", "assistant", "system", "user", "assistant")]},
         "system text in the middle"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_says_why(row, reason) -> None:
    with pytest.raises(Malformed) as caught:
        messages_of(row)
    assert str(caught.value) == reason


phrases = st.lists(st.text("абв гд?!", min_size=3, max_size=12), min_size=1, max_size=9, unique_by=intents.wording)


@given(st.lists(st.builds(dict, id=st.uuids().map(str), user=phrases, bot=phrases), max_size=8), st.integers(1, 40))
def test_crossing_teaches_every_phrasing_and_never_one_that_is_held_out(rows, pairs) -> None:
    found = list(intents.cross(rows, pairs, intents.forbidden(rows)))
    for row in rows:
        own = [(u, b) for u, b, _ in found if u in row["user"] and b in row["bot"]]
        assert {u for u, _ in own} == set(row["user"])
    taught = {intents.wording(u) for u, _, held in found if not held}
    apart = {intents.wording(u) for u, _, held in found if held}
    assert not taught & apart


def test_what_was_written_also_is_taught_and_leaves_what_is_held_out_as_it_was() -> None:
    rows = [row for _, row in smalltalk() if "user" in row]
    before = [{"id": row["id"], "user": row["user"], "bot": row["bot"]} for row in rows]
    assert intents.forbidden(rows) == intents.forbidden(before)
    also = {phrasing for row in rows for phrasing in row.get("also", ())}
    assert len(also) > 80_000
    taught = {phrasing for phrasing, _, held in intents.cross(rows, 1, intents.forbidden(rows)) if not held}
    assert also <= taught
    assert not any("also" in row for row in rows if intents.whole(row["id"]))


def test_an_intent_with_many_phrasings_does_not_dominate() -> None:
    row = {"id": "hi", "user": [f"привет {i}" for i in range(10)], "bot": [f"и тебе {i}" for i in range(9)]}
    pairs = [(u, b) for u, b, _ in intents.cross([row], 24, ())]
    assert len(pairs) == len(set(pairs)) == 24
    uses = [sum(u == phrasing for u, _ in pairs) for phrasing in row["user"]]
    assert max(uses) - min(uses) <= 1
    assert {b for _, b in pairs} == set(row["bot"])


def test_common_phrasings_are_taught_twice_as_often_as_the_others() -> None:
    row = {"id": "hi", "user": ["привет", "здравствуй"], "bot": ["и тебе", "ку", "о!"], "also": ["хай", "салют всем"]}
    said = [u for u, _, _ in intents.cross([row], 24, ())]
    assert {phrasing: said.count(phrasing) for phrasing in (*row["user"], *row["also"])} == {
        "привет": 6, "здравствуй": 6, "хай": 3, "салют всем": 3,
    }  # fmt: skip
    held = [u for u, _, held in intents.cross([row], 24, {"здравствуй"}) if held]
    assert held == ["здравствуй"] * 3


def test_the_small_talk_of_the_trainer_is_whole() -> None:
    found = [row for _, row in smalltalk()]
    assert sum("user" in row for row in found) == 5719
    assert sum("turns" in row for row in found) == 5386
    for row in found:
        if "turns" in row:
            messages_of(row)
        elif "user" in row:
            assert row["user"]
            assert row["bot"]
            said = intents.phrasings(row) + row["bot"]
            assert all(text.strip() and not any(mark in text for mark in MARKS) for text in said)


def test_no_held_out_wording_of_the_small_talk_is_taught() -> None:
    settings = Dialogues(sources={"talk": DialogueSource(smalltalk=True)}, chain=1, pairs_per_intent=1)
    held, taught = set(), set()
    for conversation in conversations("talk", settings, Report()):
        first = intents.wording(conversation.messages[0].content)
        (held if conversation.held else taught).add((first, len(conversation.messages) == 2))
    wordings = {first for first, single in held if single}
    assert len(wordings) > 1500
    assert not wordings & {first for first, single in taught if single}


def test_nobody_says_a_held_out_wording_in_any_turn_of_learned_small_talk() -> None:
    forbidden = intents.forbidden(row for _, row in smalltalk() if "user" in row)
    source = DialogueSource(smalltalk=True)
    settings = Dialogues(sources={"talk": source}, chain=4, pairs_per_intent=1, reworded=1)
    learned = [each.messages for each in conversations("talk", settings, Report()) if not each.held]
    assert max(map(len, learned)) > 4
    lines = {intents.wording(message.content) for said in learned for message in said if message.role == "user"}
    assert len(lines) > 20_000
    assert not lines & forbidden


def tree(name: str, kind: str = "") -> dict:
    """One whose every reply tells its tree and its group."""
    then = [
        {"what": what, "user": [f"{put} {what}" for put in ("а", "и", "ну", "так")], "bot": [f"{name} {what}"]}
        for what in ("born", "works", "wife", "died")
    ]
    opening = {"user": [f"кто такой {name}", f"{name} это кто"], "bot": [f"{name} сам"]}
    row = {"id": name, "opening": opening, "then": then}
    return row | {"alike": {"kind": kind, "short": [f"а {name}?"]}} if kind else row


def test_a_walk_asks_only_what_its_tree_answers_and_turns_to_another_with_the_same_question() -> None:
    names = [name for name in map(str, range(99)) if not intents.whole(name)][:6]
    rows = [tree(name, "poet" if number < 4 else "") for number, name in enumerate(names)]
    turned = set()
    for talk in trees.walks(rows, 200, (), random.Random(0)):
        about, what, asked = talk.messages[0].content.replace("кто такой ", "").replace(" это кто", ""), "сам", set()
        assert talk.messages[1].content == f"{about} сам"
        for question, answer in zip(talk.messages[2::2], talk.messages[3::2], strict=True):
            if question.content.endswith("?"):
                about = question.content[2:-1]
                turned.add(what)
                assert about in names[:4]
            else:
                what = question.content.split()[1]
            assert answer.content == f"{about} {what}"
            assert (about, what) not in asked
            asked.add((about, what))
    assert turned == {"сам", "born", "works", "wife", "died"}


def test_no_walk_says_what_its_tree_holds_out_or_what_is_forbidden() -> None:
    rows = [tree(str(number), "poet") for number in range(40)]
    forbidden = {intents.wording(f"кто такой {name}") for name in range(40)} | {"а 7", "ну born"}
    learned = [talk for talk in trees.walks(rows, 60, forbidden, random.Random(0)) if not talk.held]
    about = {row["opening"]["bot"][0]: intents.wording(trees.held_out(row)[1]) for row in rows}
    said = [(talk.messages[1].content, intents.wording(m.content)) for talk in learned for m in talk.messages[::2]]
    assert not {wording for _, wording in said} & forbidden
    alone = [talk for talk in learned if not any(m.content.endswith("?") for m in talk.messages)]
    for opening, wording in about.items():
        own = {intents.wording(m.content) for talk in alone if talk.messages[1].content == opening
               for m in talk.messages[::2]}  # fmt: skip
        assert wording not in own
    assert len(set(about.values())) > 5
    assert {"ну works", "а born"} <= {wording for _, wording in said}


def test_a_riddle_that_is_given_up_is_only_explained() -> None:
    why = {"user": ["почему", "а почему", "почему так"], "bot": ["Потому."]}
    given_up = {"user": ["сдаюсь", "не знаю", "ответ"], "bot": ["Ёлка."], "ends": True, "then": [why]}
    others = [{"user": [f"{put} {what}" for put in "абв"], "bot": ["Нет."]} for what in ("дом", "кот", "мак", "лес")]
    riddle = {"id": "riddle", "opening": {"user": ["загадка"], "bot": ["Что это?"]}, "then": [*others, given_up]}
    answers = [[m.content for m in talk.messages[1::2]] for talk in trees.walks([riddle], 300, (), random.Random(0))]
    explained = [said for said in answers if "Потому." in said]
    assert explained
    assert all(said[-2:] == ["Ёлка.", "Потому."] for said in explained)
    assert all("Ёлка." not in said[:-2] for said in answers)
    assert any(said[1:] == ["Нет."] * 4 for said in answers)


def test_trees_that_are_held_out_whole_are_not_learned_and_nobody_turns_to_them() -> None:
    rows = [tree(str(number), "poet") for number in range(300)]
    apart = {row["id"] for row in rows if intents.whole(row["id"])}
    assert apart
    found = list(trees.walks(rows, 5, (), random.Random(0)))
    assert {talk.messages[1].content.split()[0] for talk in found if talk.held} == apart
    learned = {m.content.split()[0] for talk in found if not talk.held for m in talk.messages[1::2]}
    assert not learned & apart


def test_the_trees_of_the_small_talk_are_whole() -> None:
    found = [row for _, row in smalltalk() if "then" in row]
    kinds = [row["alike"]["kind"] for row in found if "alike" in row]
    assert all(kinds.count(kind) > 1 for kind in kinds)
    for row in found:
        assert len(row["then"]) >= 3
        groups = list(trees.groups(row))
        said = [text for group in groups for text in group["user"] + group["bot"]]
        assert all(text.strip() and not any(mark in text for mark in MARKS) for text in said)
        for group in groups:
            wordings = [intents.wording(text) for text in group["user"]]
            assert len(set(wordings)) == len(wordings) >= 3


def test_exercises_beside_small_talk_come_up_in_the_midst_of_it() -> None:
    source = DialogueSource(smalltalk=True, only=("08-first-words",), generated={"products": 300})
    settings = Dialogues(sources={"talk": source}, chain=6, pairs_per_intent=24)
    found = list(conversations("talk", settings, Report()))
    greetings = {phrasing for _, row in smalltalk(source.only) for phrasing in intents.phrasings(row)}
    said = [[m.content for m in each.messages if m.role == "user"] for each in found]
    mixed = [lines for lines in said if not greetings.isdisjoint(lines) and not greetings.issuperset(lines)]
    assert len(mixed) > len(found) / 10
    assert {each.held for each in found if len(each.messages) == 2} == {True, False}
    assert max(map(len, said)) >= 6


def test_what_was_told_is_asked_for_after_other_things_and_still_remembered() -> None:
    source = DialogueSource(generated={"acquaintance": 300, "products": 300})
    found = list(conversations("talk", Dialogues(sources={"talk": source}, chain=6), Report()))
    asked = re.compile("как меня зовут|у меня имя", re.IGNORECASE)
    around = set(re.findall(r"\w+", "тебя зовут помню твоё имя ты я конечно пока не забыл до конца разговора точно"))
    later = 0
    for each in (each.messages for each in found if not each.held):
        for place in range(0, len(each), 2):
            if asked.search(each[place].content):
                (name,) = set(re.findall(r"\w+", each[place + 1].content.lower())) - around
                told = [number for number in range(0, place, 2) if name in each[number].content.lower()]
                assert told
                later += any("×" in m.content or "умнож" in m.content for m in each[told[-1] + 2 : place])
        assert len(each) % 2 == 0
    assert later > 10
    assert sum(len(each.messages) for each in found) > 2 * 600


def test_a_source_may_take_some_files_of_the_small_talk_alone() -> None:
    every, some = (
        {m.content for each in conversations("talk", settings, Report()) for m in each.messages if m.role == "user"}
        for only in ((), ("01-self-and-feelings",))
        for settings in [Dialogues(sources={"talk": DialogueSource(smalltalk=True, only=only)}, pairs_per_intent=1)]
    )
    assert "приветики" in some < every
    with pytest.raises(CorpusError, match="called 1-self"):
        list(smalltalk(["1-self"]))
    with pytest.raises(ValueError, match="set smalltalk = true"):
        DialogueSource(only=("01-self-and-feelings",))


def test_another_wording_keeps_what_is_asked() -> None:
    chance = random.Random(3)
    said = [rewording.reworded("что такое фотосинтез", chance) for _ in range(20_000)]
    assert len(set(said)) > 3000
    assert {"фотосинтез это что?", "слушай, что такое фотосинтез", "Что такое фотосинтез, друг?"} <= set(said)
    assert 0.9 < sum("фотосинтез" in each.lower() for each in said) / len(said) < 1  # the others are slips


@given(st.text("абвгд ёж,!?.", min_size=1).filter(str.strip), st.integers())
def test_anything_can_be_reworded_and_has_words_left(text, seed) -> None:
    text = text.strip()
    said = rewording.reworded(text, random.Random(seed))
    assert said == rewording.reworded(text, random.Random(seed))
    assert said.strip()
    assert len(said) >= len(text.rstrip("?.! ")) - 1


def test_a_share_of_the_small_talk_is_reworded_and_nothing_that_is_held_out() -> None:
    plain, other = (
        [
            {(each.messages[0].content, each.messages[1].content) for each in found if each.held is held}
            for held in (True, False)
        ]
        for share in (0.0, 0.5)
        for settings in [Dialogues(sources={"talk": DialogueSource(smalltalk=True)}, chain=1, reworded=share)]
        for found in [list(conversations("talk", settings, Report()))]
    )
    assert plain[0] == other[0]
    assert 0.35 < len(other[1] - plain[1]) / len(other[1]) < 0.5  # of those chosen, one in eight stays as it was


def test_signs_without_words_are_taught_and_held_out_one_by_one() -> None:
    assert intents.wording(" :) ") == ":)" != intents.wording(":(")
    assert intents.wording("...") == intents.wording("…")  # the normaliser makes them one
    rows = [{"id": f"signs {i}", "user": [":)", "))", "?", "…", f"слово {i}"], "bot": ["Ага."]} for i in range(30)]
    said = {wording: held for wording, _, held in intents.cross(rows[:4], 24, intents.forbidden(rows[:4]))}
    assert not all(said[sign] for sign in (":)", "))", "?", "…"))
    found = [row for _, row in smalltalk() if "user" in row]
    taught = {phrasing for phrasing, _, held in intents.cross(found, 1, intents.forbidden(found)) if not held}
    assert {":)", "))", "?", "…", "😀"} & taught


def recipe_with(**sources) -> recipes.Recipe:
    base = recipes.load(recipes.find("mini-tron"), ("model.block_size=128",))
    found = {name: DialogueSource(**values) for name, values in sources.items()}
    dialogues = base.dialogues.model_copy(update={"sources": found, "val_fraction": 0.2})
    return base.model_copy(update={"dialogues": dialogues})


def write_rows(path, found) -> str:
    path.write_bytes(b"\n".join(map(orjson.dumps, found)))
    return str(path)


@pytest.fixture
def talk(tmp_path) -> str:
    turns = [["Как дела?", f"Хорошо, {i}.", f"А что {i}?", "Ничего."] for i in range(40)]
    return write_rows(tmp_path / "talk.jsonl", [{"turns": [f"{i}: {t[0]}", *t[1:]]} for i, t in enumerate(turns)])


def test_what_is_under_loss_is_the_answers_and_nothing_else(tmp_path, talk) -> None:
    gather.gather(recipe_with(talk={"text": (talk,)}), (), PIECES, tmp_path)
    for part in gather.PARTS:
        tokens, mask = gather.load(tmp_path, part)
        for begin, end in itertools.pairwise(tokens.starts):
            ids, learned = tokens.ids[begin:end], mask[begin:end].astype(bool)
            assert TOKENIZER.decode(ids[learned].tolist()).startswith("Хорошо, ")
            spoken = "".join(TOKENIZER.pieces.pieces[i] for i in ids[learned])
            assert spoken.count("<|end|>") == 2
            assert spoken.endswith("Ничего.<|end|>")
            assert "Как" not in spoken
            assert "<|user|>" not in spoken
        count = tokens.counts["talk"]
        assert count.tokens == mask.sum()
        assert count.bytes > count.characters > 0
    everything = sum(gather.load(tmp_path, part)[0].counts["talk"].documents for part in gather.PARTS)
    assert everything == 40


def test_filters_and_faults_are_counted_with_an_example(tmp_path, talk) -> None:
    found = [{"turns": [f"{i}?", "Да."], "overall_score": i % 10, "pii_leak": i % 2} for i in range(200)]
    found += [{"turns": ["?", ""], "overall_score": 9, "pii_leak": 0}, {"turns": ["нет поля", "Да."]}]
    found += [{"turns": ["длинно " * 100, "Да."], "overall_score": 9, "pii_leak": 0}]
    source = {"text": (write_rows(tmp_path / "rated.jsonl", found),)}
    source |= {"at_least": {"overall_score": 6}, "at_most": {"pii_leak": 0}}
    report = gather.gather(recipe_with(rated=source), (), PIECES, tmp_path)
    dropped = report.sources["rated"].dropped
    assert dropped == {
        "overall_score below 6": 121,
        "pii_leak above 0": 40,
        "an empty turn": 1,
        "longer than the context": 1,
    }
    assert report.sources["rated"].places["an empty turn"] == f"Line 201 of {tmp_path / 'rated.jsonl'}"
    assert sum(map(len, report.sources["rated"].lengths.values())) == 40
    about = orjson.loads((tmp_path / "dialogues" / "dialogues.json").read_bytes())["report"]["rated"]
    assert about["dropped"]["pii_leak above 0"] == 40
    assert about["train"]["p50"] > 0


def test_a_conversation_too_long_loses_its_last_turns_whole(tmp_path) -> None:
    turns = ["Начнём?", "Да.", "Длинно " * 9, "Ещё.", "Конец " * 9, "Всё."]
    messages, ids, mask = gather.render(messages_of({"turns": turns}), "", TOKENIZER, 100)
    assert [message.content for message in messages] == ["Начнём?", "Да.", ("Длинно " * 9).strip(), "Ещё."]
    assert len(ids) == len(mask) <= 101


def test_the_system_text_stands_before_conversations_that_have_none() -> None:
    messages, ids, _ = gather.render(messages_of({"turns": ["Кто ты?", "Кот."]}), "Ты кот.", TOKENIZER, 100)
    assert [message.role for message in messages] == ["system", "user", "assistant"]
    assert TOKENIZER.decode(ids) == "Ты кот.Кто ты?Кот."


def test_a_vocabulary_without_marks_is_refused(tmp_path, talk) -> None:
    mute = Pieces(kind="char", pieces=("<unk>", "а"), types=(UNKNOWN, NORMAL))
    with pytest.raises(CorpusError, match=r"put <\|system\|>, .* into vocabulary\.marks"):
        gather.gather(recipe_with(talk={"text": (talk,)}), (), mute, tmp_path)


def test_sources_without_conversations_are_named(tmp_path, talk) -> None:
    with pytest.raises(CorpusError, match="give a file or a folder with --text talk=PATH"):
        gather.gather(recipe_with(talk={}), (), PIECES, tmp_path)
    with pytest.raises(CorpusError, match="leaves no conversation to learn from: give more, or filter less"):
        gather.gather(recipe_with(talk={"text": (talk,), "at_least": {"score": 1}}), (), PIECES, tmp_path)
    with pytest.raises(StageError, match="run the dialogues stage first"):
        gather.load(tmp_path / "nowhere", "train")
    recipe = recipe_with(talk={})
    gather.gather(recipe, [f"talk={talk}"], PIECES, tmp_path)
    path = tmp_path / "dialogues" / "train.mask.bin"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StageError, match="run the dialogues stage again"):
        gather.load(tmp_path, "train")


def test_sources_too_small_to_hold_anything_out_name_the_cure(tmp_path, talk) -> None:
    recipe = recipe_with(talk={"text": (talk,)})
    few = recipe.dialogues.model_copy(update={"val_fraction": 1e-9})
    with pytest.raises(CorpusError, match=r"of talk is held out: raise dialogues\.val_fraction \(now 1e-09\), or give"):
        gather.gather(recipe.model_copy(update={"dialogues": few}), (), PIECES, tmp_path)


def test_a_source_may_hold_nothing_out_where_another_does(tmp_path, talk) -> None:
    once = write_rows(tmp_path / "once.jsonl", [{"turns": ["Ты кто?", "Я Гомункул."]}])
    gather.gather(recipe_with(talk={"text": (talk,)}, once={"text": (once,)}), (), PIECES, tmp_path)
    assert set(gather.load(tmp_path, "train")[0].counts) == {"talk", "once"}
    held, mask = gather.load(tmp_path, "val")
    assert set(held.counts) == {"talk"}
    assert set(HeldOutAnswers(held, mask, 128).losses(lambda ids, targets: 1.0, 2)) == {"talk"}


def test_a_text_for_a_source_that_nobody_knows_is_refused(tmp_path, talk) -> None:
    recipe = recipe_with(talk={"text": (talk,)})
    (known,) = recipe.corpus.sources
    with pytest.raises(CorpusError, match=rf"called tlak \(--text tlak={talk}\); did you mean talk\? Known: .*talk"):
        gather.gather(recipe, [f"tlak={talk}"], PIECES, tmp_path)
    with pytest.raises(CorpusError, match="--text talk= gives no path"):
        gather.gather(recipe, ["talk="], PIECES, tmp_path)
    (tmp_path / "a=b.txt").write_text("Проза", "utf-8")
    gather.gather(recipe, [str(tmp_path / "a=b.txt"), f"{known}=nowhere.txt", "prose.txt"], PIECES, tmp_path)


def test_conversations_of_another_vocabulary_are_refused(tmp_path, talk) -> None:
    gather.gather(recipe_with(talk={"text": (talk,)}), (), PIECES, tmp_path)
    for pieces in (PIECES, dataclasses.replace(PIECES, yo_to_e=True)):
        (tmp_path / "vocabulary.json").write_bytes(orjson.dumps(pieces.to_dict()))
        if pieces is PIECES:
            assert gather.load(tmp_path, "train")
    with pytest.raises(StageError, match="run the dialogues stage again"):
        gather.load(tmp_path, "train")
    about = tmp_path / "dialogues" / "dialogues.json"
    values = orjson.loads(about.read_bytes())
    about.write_bytes(orjson.dumps({key: values[key] for key in ("parts", "report")}))
    assert gather.load(tmp_path, "train")  # older ones


def test_the_length_of_a_conversation_takes_a_few_bytes() -> None:
    report = Report()
    tracemalloc.start()
    for length in range(1000, 101_000):
        report.keep("talk", "train", range(length), ())
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()
    assert report.to_dict()["talk"]["train"]["p50"] == 51_000


def test_gathering_twice_gives_the_same_bytes(tmp_path, talk) -> None:
    recipe = recipe_with(talk={"text": (talk,)}, sums={"generated": {"sums": 50}})
    for name in "ab":
        gather.gather(recipe, (), PIECES, tmp_path / name)
    for path in (tmp_path / "a" / "dialogues").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "dialogues" / path.name).read_bytes()


def conversations_of(lengths: list[int]) -> tuple[Tokens, np.ndarray]:
    """Conversations whose ids count up through all of them; every third id is an answer."""
    ids = np.arange(1, sum(lengths) + 1, dtype=np.uint16)
    counts = {"talk": Counts(len(lengths), len(ids) // 3, len(ids), len(ids))}
    return Tokens(ids, np.cumsum([0, *lengths]), counts), (ids % 3 == 0).astype(np.uint8)


@given(st.lists(st.integers(2, 33), min_size=1, max_size=60), st.integers(0, 5))
def test_packing_cuts_no_conversation_and_loses_none(lengths, seed) -> None:
    tokens, mask = conversations_of(lengths)
    packed = Packed(tokens, mask, 0, len(lengths), 32, (seed,))
    ids, targets = packed.epoch()
    answers = sorted(targets[targets != IGNORED].tolist())
    first = set(tokens.starts[:-1] + 1)  # a conversation's first id is foretold by none
    expected = sorted(i for i in range(1, sum(lengths) + 1) if i % 3 == 0)
    assert set(expected) - set(answers) <= first
    for row, wanted in zip(ids, targets, strict=True):
        for place in range(31):
            if wanted[place] != IGNORED:
                assert row[place + 1] == wanted[place]


def test_packing_leaves_little_room() -> None:
    lengths = np.random.default_rng(0).lognormal(4.2, 0.5, 700).clip(5, 513).astype(int).tolist()
    tokens, mask = conversations_of(lengths)
    ids, _ = Packed(tokens, mask, 0, len(lengths), 512, (0,)).epoch()
    assert (ids != 0).mean() > 0.97


def test_every_epoch_packs_anew_and_loses_nothing() -> None:
    lengths = [5, 9, 12, 3, 20, 31, 7, 8, 16, 2] * 5
    tokens, mask = conversations_of(lengths)
    packed, other = (Packed(tokens, mask, 0, len(lengths), 32, (1,)) for _ in range(2))
    rows = [packed.take(np.array([number])) for number in range(60)]
    assert np.array_equal(other.take(np.array([59]))[0], rows[59][0])  # asked for out of order
    assert np.array_equal(other.take(np.array([3]))[1], rows[3][1])
    first, second = packed._before[1:3]
    assert not all(np.array_equal(one, other) for (one, _), (other, _) in zip(rows[:first], rows[first:second]))
    learned = [np.concatenate([t[t != IGNORED] for _, t in part]) for part in (rows[:first], rows[first:second])]
    assert set(learned[0]) ^ set(learned[1]) <= set((tokens.starts[:-1] + 1).tolist())


def test_batches_mix_answers_with_pretraining_text() -> None:
    tokens, mask = conversations_of([10] * 40)
    text = Tokens(np.full(4000, 60_000, np.uint16), np.array([0, 4000]), {"prose": Counts(1, 4000, 4000, 4000)})
    batches = AnswerBatches(tokens, mask, {"talk": 3.0}, 32, 8, 0, text, 1.0)
    ids, targets = batches.batch(5, 100)
    assert ids.shape == targets.shape == (8, 32)
    assert (ids[:, 0] == 60_000).sum() == 2
    assert (targets[ids[:, 0] == 60_000] == 60_000).all()
    with pytest.raises(StageError, match="pretraining text weighs too little"):
        AnswerBatches(tokens, mask, {"talk": 3.0}, 32, 8, 0, text, 0.01)
    short = Tokens(text.ids[:60], np.array([0, 60]), {"prose": Counts(1, 60, 60, 60)})
    with pytest.raises(StageError, match="text of prose is shorter than two sequences of block_size 32"):
        AnswerBatches(tokens, mask, {"talk": 3.0}, 32, 8, 0, short, 1.0)


def test_conversations_longer_than_a_smaller_context_are_no_puzzle() -> None:
    tokens, mask = conversations_of([10, 34, 20])
    with pytest.raises(
        StageError, match=r"of 34 tokens does not fit into model\.block_size 32: run the dialogues stage"
    ):
        AnswerBatches(tokens, mask, {"talk": 1.0}, 32, 8, 0)
    assert AnswerBatches(tokens, mask, {"talk": 1.0}, 33, 8, 0).batch(0, 9)[0].shape == (8, 33)


def test_conversations_of_a_source_that_has_another_name_now_are_named() -> None:
    tokens, mask = conversations_of([10, 20])
    with pytest.raises(StageError, match=r"sources are chat, but .* made of talk: run the dialogues stage again"):
        AnswerBatches(tokens, mask, {"chat": 1.0}, 32, 8, 0)


@pytest.mark.parametrize("content", [None, b"", b"{", b"{}"])
@pytest.mark.parametrize("name", ["dialogues.json", "train.ids.bin", "train.mask.bin", "train.starts.bin"])
def test_a_file_of_conversations_that_is_missing_or_cut_names_the_stage_to_run(tmp_path, talk, name, content) -> None:
    gather.gather(recipe_with(talk={"text": (talk,)}), (), PIECES, tmp_path)
    path = tmp_path / "dialogues" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StageError, match=r"run the dialogues stage"):
        gather.load(tmp_path, "train")


# --- questions that leave out what the one before has said ---------------------------------------------------------


def exchanges(*questions: str, held: bool = False) -> list[Conversation]:
    return [Conversation([Message("user", each), Message("assistant", f"об этом: {each}")], held) for each in questions]


def test_questions_that_begin_alike_are_asked_in_rows_and_nothing_is_lost() -> None:
    asked = ["Столица Франции?", "столица италии", "столица Чили?", "Что такое снег?", "что такое лёд", "привет"]
    pieces = exchanges(*asked)
    found = ellipsis.strung(pieces, 1.0, (), random.Random(3))
    said = [message.content for each in found for message in each.messages]
    assert sorted(said[1::2]) == sorted(piece.messages[1].content for piece in pieces)
    for each in found:
        first, *rest = (message.content for message in each.messages[::2])
        assert first in asked
        for question, answer in zip(rest, each.messages[3::2], strict=True):
            assert re.fullmatch(r"(ну а|а|и) \w+\??", question)
            assert question.split()[-1].rstrip("?").lower() in answer.content.lower()
    assert max(len(each.messages) for each in found) > 2


def test_what_is_held_out_stays_alone_and_no_forbidden_wording_is_made() -> None:
    held = exchanges("столица Перу", held=True)
    found = ellipsis.strung(
        [*held, *exchanges("столица Чили", "столица Кубы")],
        1.0,
        {"а кубы", "ну а кубы", "и кубы", "а чили", "ну а чили", "и чили"},
        random.Random(1),
    )
    assert held[0] in found
    assert {message.content for each in found for message in each.messages[::2]} == {
        "столица Перу",
        "столица Чили",
        "столица Кубы",
    }


def test_the_same_is_not_asked_again_in_half_a_sentence() -> None:
    (row,) = ellipsis.strung(exchanges("что такое снег", "что такое Снег?"), 1.0, (), random.Random(0))
    assert all(message.content.lower().startswith("что такое снег") for message in row.messages[::2])
