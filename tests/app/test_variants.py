"""Several voices in one mind: what one of them changes, and what all of them share."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import minds
import orjson
import pytest

from chat_app import commands, conversation, language, selftest
from chat_app.answer import Answer
from chat_app.chat import Chat
from chat_app.engine import Engine, Stats
from chat_app.errors import MindDamaged, MindMisfit, MindUnreadable, NoSuchVoice, NothingToRetry, SelftestFailed
from chat_app.integrity import verify
from chat_app.mind import Mind, open_mind
from chat_app.sampler import Sampling
from chat_app.weights import Weights
from trainer import mind_file
from trainer.errors import ExportError
from trainer.mind_file import Variant

import numpy as np  # isort: skip

CHANGES = {
    "one": ("h.1.attn.c_proj.weight",),
    "within what is multiplied as one": ("h.0.attn.c_k.weight", "h.1.mlp.c_gate.weight"),
    "the table, which is the head too": ("wte.weight",),
    "all": None,
}


def voiced(path: Path, *, changed: tuple[str, ...] | None = CHANGES["one"], seed: int = 1, **shape) -> Mind:
    """A random mind with the variant `artistic`, which has some tensors of another mind."""
    pieces = minds.char_pieces(marks=True)
    config = minds.config(len(pieces.pieces), **shape)
    base, other = minds.arrays(config, 0), minds.arrays(config, seed)
    theirs = base | {name: other[name] for name in (changed or other)}
    prompt = [len(pieces.pieces) - 1 - i for i in range(3)]
    about = {
        "title": "Философ", "description": "говорит странно", "sampling": {"temperature": 1.3},
        "answers": [minds.golden(config, theirs, prompt)],
    }  # fmt: skip
    mind_file.write(
        path, config, base, pieces, chat=minds.manners(pieces, chats=True), card={"title": "Проба"},
        golden=[minds.golden(config, base, prompt)], variants={"artistic": Variant(theirs, about)},
    )  # fmt: skip
    return open_mind(path)


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("shape", [{}, {"bias": True, "position": "rope", "mlp": "swiglu", "norm": "layernorm"}])
def test_a_voice_has_its_own_weights_to_the_bit_and_computes_with_them(tmp_path, changed, shape) -> None:
    if changed and "h.1.mlp.c_gate.weight" in changed and shape.get("mlp") != "swiglu":
        changed = ("h.0.attn.c_k.weight",)
    mind = voiced(tmp_path / "two.mind", changed=changed, **shape)
    pieces = mind.tokenizer.pieces
    theirs = minds.arrays(mind.config, 0)
    others = minds.arrays(mind.config, 1)
    theirs |= {name: others[name] for name in changed or others}
    assert set(mind.variants["artistic"].tensors) == set(changed or theirs)
    alone = open_mind(minds.write(tmp_path / "alone.mind", pieces, theirs, mind.config, chats=True))
    engine = Engine.with_mind(mind)
    voice = engine.variant(mind, "artistic")
    for name in mind.tensors:
        half = mind.tensor(name, "artistic")
        assert half.tobytes() == theirs[name].astype(np.float16).tobytes() == alone.tensor(name).tobytes()
        assert np.array_equal(voice.weights.tensors[name], half.astype(np.float32))
        assert np.array_equal(engine.weights.tensors[name], mind.tensor(name).astype(np.float32))
    prompt, sampling = [5, 6, 7], Sampling(temperature=0, max_tokens=20)
    said = list(voice.generate(prompt, sampling, stats=Stats()))
    assert said == list(Engine.with_mind(alone).generate(prompt, sampling, stats=Stats()))
    assert said != list(engine.generate(prompt, sampling, stats=Stats()))


def test_what_a_voice_does_not_change_stands_in_memory_once(tmp_path) -> None:
    mind = voiced(tmp_path / "two.mind")
    base = Weights.from_mind(mind)
    voice = base.variant(mind, "artistic")
    assert voice.wte is base.wte
    assert voice.h[0].c_qkv.base is not None
    assert np.shares_memory(voice.h[0].c_qkv, base.h[0].c_qkv)
    assert not np.shares_memory(voice.h[1].attn_c_proj, base.h[1].attn_c_proj)
    assert voice.arena.size < base.arena.size / 4


def test_a_voice_speaks_with_its_own_sampling(tmp_path) -> None:
    mind = voiced(tmp_path / "two.mind")
    voice = mind.variants["artistic"]
    assert voice.sampling.temperature == 1.3
    assert voice.sampling.max_tokens == mind.manners.sampling.max_tokens
    assert (voice.title, voice.description) == ("Философ", "говорит странно")


def test_the_selftest_replays_the_voices_too(tmp_path) -> None:
    mind = voiced(tmp_path / "two.mind")
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-3
    assert selftest.count(mind) == 2
    mind.variants["artistic"].tensors["h.1.attn.c_proj.weight"] = mind.tensors["h.0.attn.c_proj.weight"]
    with pytest.raises(SelftestFailed, match="artistic 1"):
        selftest.run(mind, Weights.from_mind(mind))


def test_a_mind_without_variants_has_one_voice(chatting: Path) -> None:
    assert open_mind(chatting).variants == {}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v["artistic"].pop("tensors"), "lacks 'tensors'"),
        (lambda v: v["artistic"].update(tensors=[]), "no tensors of its own"),
        (lambda v: v["artistic"].update(tensors=["h.1.attn.c_proj.weight"] * 2), "or one twice"),
        (lambda v: v["artistic"].update(tensors=["wte.weight"]), "is missing"),
        (lambda v: v["artistic"].update(tensors=["lm_head.weight"]), "takes no other's place"),
        (lambda v: v["artistic"].update(sampling={"temperature": -1}), "sampling"),
        (lambda v: v["artistic"].update(answers=[{"prompt": []}]), "it lacks"),
        (lambda v: v.update({"Философ": v.pop("artistic")}), "cannot be called so"),
        (lambda v: v.clear(), "has no place in its config"),
        (lambda v: v.update(artistic=5), "not subscriptable"),
    ],
)
def test_variants_that_do_not_fit_are_refused(tmp_path, change, sentence) -> None:
    voiced(tmp_path / "two.mind")
    data = (tmp_path / "two.mind").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = orjson.loads(data[8 : 8 + size])
    variants = orjson.loads(header["__metadata__"]["variants"])
    change(variants)
    header["__metadata__"]["variants"] = orjson.dumps(variants).decode()
    raw = orjson.dumps(header)
    (tmp_path / "bad.mind").write_bytes(len(raw).to_bytes(8, "little") + raw + data[8 + size :])
    with pytest.raises(MindMisfit, match=sentence):
        open_mind(tmp_path / "bad.mind")


def test_verification_reads_the_voices_too(tmp_path) -> None:
    mind = voiced(tmp_path / "two.mind")
    verify(mind)
    data = bytearray(mind.path.read_bytes())
    data[mind.variants["artistic"].tensors["h.1.attn.c_proj.weight"].offset] ^= 1
    mind.path.write_bytes(data)
    with pytest.raises(MindDamaged, match="checksum"):
        verify(open_mind(mind.path))


def test_a_voice_that_differs_in_nothing_is_not_written(tmp_path) -> None:
    with pytest.raises(ExportError, match="has the mind's own weights"):
        voiced(tmp_path / "two.mind", seed=0)


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    chat = Chat.with_mind(voiced(tmp_path / "two.mind", changed=None), tmp_path / "talks")
    chat.sampling = replace(chat.sampling, temperature=0, max_tokens=6)
    return chat


def spoken(answer: Answer) -> str:
    return "".join(answer)


def test_the_voice_can_be_changed_in_the_middle_of_a_talk(chat) -> None:
    first = spoken(chat.say("привет"))
    chat.set_mode("artistic")
    assert chat.sampling.temperature == 1.3
    chat.sampling = replace(chat.sampling, temperature=0, max_tokens=6)
    other = spoken(chat.retry())
    assert other != first
    chat.set_mode("")
    assert chat.sampling.temperature == 0
    assert spoken(chat.retry()) == first
    chat.set_mode("artistic")
    assert chat.sampling.temperature == 0
    assert spoken(chat.retry()) == other


def test_both_voices_answer_the_same_line(chat) -> None:
    chat.sampling = replace(chat.sampling, seed=1)
    first = spoken(chat.say("привет"))
    aside = chat.aside("artistic")
    other = spoken(aside)
    assert other
    assert [m.content for m in chat.conversation.turns] == ["привет", first]
    rows = [orjson.loads(line) for line in chat.conversation.path.read_bytes().splitlines()]
    assert rows[-1]["aside"] == "assistant"
    assert (rows[-1]["mode"], rows[-1]["content"]) == ("artistic", other)
    again = conversation.load(chat.conversation.path, chat.mind.sha256)
    assert [m.content for m in again.turns] == ["привет", first]
    assert spoken(chat.aside("")) == first


def test_an_answer_is_looked_into_with_the_voice_that_gave_it(chat) -> None:
    chat.set_mode("artistic")
    chat.sampling = replace(chat.sampling, temperature=0, max_tokens=6)
    spoken(chat.say("привет"))
    thought = chat.look()
    assert all(token.id == token.alternatives[0].id for token in thought)  # the likeliest one, at temperature 0
    chat.set_mode("")
    assert chat.look() == thought
    chat.load(chat.conversation.path)
    assert chat.look() == thought


def test_a_voice_that_the_mind_does_not_have_is_forgotten_in_a_file_written_by_hand(chat, tmp_path) -> None:
    spoken(chat.say("привет"))
    path = tmp_path / "by-hand.jsonl"
    text = chat.conversation.path.read_text("utf-8")
    path.write_text(text.replace('"role":"assistant"', '"role":"assistant","mode":"поэт"'), "utf-8")
    chat.load(path)
    assert chat.answered_by == ""
    assert chat.look()


def test_a_voice_that_is_not_there_is_named_with_those_that_are(chat) -> None:
    with pytest.raises(NoSuchVoice, match=r"no voice called “поэт”\. It has: normal, artistic"):
        chat.set_mode("поэт")
    assert chat.mode == ""


def test_there_is_nothing_to_say_beside_where_nothing_was_said(chat) -> None:
    with pytest.raises(NothingToRetry):
        chat.aside("artistic")


def test_another_mind_begins_with_its_own_voice(chat, tmp_path) -> None:
    chat.set_mode("artistic")
    other = open_mind(minds.random_mind(tmp_path / "other.mind", chats=True, seed=9))
    chat.switch(other)
    assert (chat.mode, chat.sampling) == ("", other.manners.sampling)
    chat.sampling = replace(chat.sampling, max_tokens=4)
    assert isinstance(spoken(chat.say("привет")), str)
    with pytest.raises(NoSuchVoice):
        chat.set_mode("artistic")


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["ru", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    return request.param


def test_mode_lists_the_voices_and_changes_them(chat, lang) -> None:
    listed = commands.run(chat, "/mode", lang).text.splitlines()
    assert listed[1:] == ["* normal: Проба", "  artistic: Философ, говорит странно"]
    assert "Философ" in commands.run(chat, "/mode artistic", lang).text
    assert chat.mode == "artistic"
    assert commands.run(chat, "/mode", lang).text.splitlines()[2].startswith("* artistic")
    assert "Проба" in commands.run(chat, "/mode normal", lang).text
    assert chat.mode == ""


def test_both_lets_every_voice_answer_and_goes_on_with_the_present_one(chat, lang) -> None:
    found = [(name, spoken(answer)) for name, answer in commands.run(chat, "/both привет", lang).voices]
    assert [name for name, _ in found] == ["Проба", "Философ"]
    assert [m.content for m in chat.conversation.turns] == ["привет", found[0][1]]
    again = [(name, spoken(answer)) for name, answer in commands.run(chat, "/both", lang).voices]
    assert [name for name, _ in again] == ["Философ"]
    chat.set_mode("artistic")
    names = [name for name, answer in commands.run(chat, "/both ещё", lang).voices if spoken(answer) is not None]
    assert names == ["Философ", "Проба"]
    chat.set_mode("")
    again = [(name, spoken(answer)) for name, answer in commands.run(chat, "/both", lang).voices]
    assert [name for name, _ in again] == ["Проба"]  # who has not answered
    chat.undo()
    again = [(name, spoken(answer)) for name, answer in commands.run(chat, "/both", lang).voices]
    assert [name for name, _ in again] == ["Философ"]  # what was taken back answers nothing


@pytest.mark.parametrize("line", ["/mode", "/both привет", "/both"])
def test_a_mind_with_one_voice_says_so(chatting, tmp_path, lang, line) -> None:
    chat = Chat.with_mind(open_mind(chatting), tmp_path)
    outcome = commands.run(chat, line, lang)
    assert outcome.text == language.ONE_VOICE(lang)
    assert list(outcome.voices) == []


def test_in_a_pipe_every_voice_has_its_line_and_its_name_beside(tmp_path) -> None:
    mind = voiced(tmp_path / "two.mind", changed=None)
    run = subprocess.run(
        [sys.executable, "-m", "chat_app", "--mind", str(mind.path), "--lang", "ru", "--max-tokens", "4"],
        input="/both привет\n/mode artistic\nкак дела?\n", capture_output=True, encoding="utf-8",
        env={**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}, timeout=60, check=True,
    )  # fmt: skip
    assert len(run.stdout.splitlines()) == 3
    assert "Проба:" in run.stderr
    assert "Философ:" in run.stderr
    assert "Теперь говорит Философ." in run.stderr


def test_what_the_command_line_asks_holds_for_every_voice(tmp_path: Path) -> None:
    chat = Chat.with_mind(voiced(tmp_path / "two.mind"), tmp_path, {"max_tokens": "3", "seed": "7"})
    assert (chat.sampling.max_tokens, chat.sampling.seed) == (3, 7)
    assert (chat.as_voice("artistic").sampling.max_tokens, chat.as_voice("artistic").sampling.seed) == (3, 7)
    assert chat.as_voice("artistic").sampling.temperature == 1.3
    chat.set_mode("artistic")
    chat.switch(voiced(tmp_path / "other.mind", seed=2))
    assert (chat.mode, chat.sampling.max_tokens, chat.sampling.seed) == ("", 3, 7)


def test_another_mind_that_cannot_be_loaded_leaves_the_voice_and_its_settings(tmp_path: Path) -> None:
    chat = Chat.with_mind(voiced(tmp_path / "two.mind"), tmp_path)
    other = voiced(tmp_path / "other.mind", seed=2)
    chat.set_mode("artistic")
    chat.sampling = chat.sampling.changed("max_tokens", "5")
    (tmp_path / "other.mind").unlink()
    with pytest.raises(MindUnreadable):
        chat.switch(other)
    assert (chat.mode, chat.sampling.temperature, chat.sampling.max_tokens) == ("artistic", 1.3, 5)
    assert len("".join(chat.say("Сад"))) > 0
