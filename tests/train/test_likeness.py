"""What two texts share: runs of words, near copies, and what is held out."""

from __future__ import annotations

import random
import re
import time

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.corpora import runs as runs_module
from trainer.corpora.gather import gather
from trainer.corpora.likeness import near_duplicates, signature
from trainer.corpora.overlap import HeldOut
from trainer.corpora.runs import runs
from trainer.errors import CorpusError
from trainer.sections import Corpus, Source

WORD = re.compile(r"[^\W_]+")


def plainly(text: str, length: int, *, within_lines: bool) -> list[tuple[str, ...]]:
    """The same runs as tuples of words, by the library of regular expressions."""
    lines = text.lower().split("\n") if within_lines else [text.lower()]
    found = [WORD.findall(line) for line in lines]
    return [tuple(words[i : i + length]) for words in found for i in range(len(words) - length + 1)]


def story(seed: int, words: int = 400) -> str:
    """A text that shares no run of three words with another seed's."""
    dice = random.Random(seed)
    return " ".join(f"{dice.choice('абвг')}{seed}и{dice.randrange(300)}" for _ in range(words))


@settings(max_examples=300)
@given(st.text(alphabet="абВ ё9,-\n—_", max_size=120), st.integers(1, 4), st.booleans())
def test_runs_are_equal_where_their_words_are(text, length, within_lines) -> None:
    numbers = runs(text, length, within_lines=within_lines).tolist()
    words = plainly(text, length, within_lines=within_lines)
    assert len(numbers) == len(words)
    assert len(set(zip(numbers, words, strict=True))) == len(set(numbers)) == len(set(words))


@given(st.text(max_size=200))
def test_any_text_has_runs(text) -> None:
    assert len(runs(text, 1, within_lines=True)) == len(runs(text, 1, within_lines=False))


@given(st.text(alphabet="аб \n", min_size=1, max_size=200), st.integers(1, 30))
def test_a_long_text_is_hashed_in_parts_to_the_same_runs(text, part) -> None:
    longest = max(map(len, re.split("[ \n]", text)))
    whole = runs(text, 2, within_lines=True).tolist()
    before, runs_module._PART = runs_module._PART, part + longest + 1
    try:
        assert runs(text, 2, within_lines=True).tolist() == whole
    finally:
        runs_module._PART = before


def test_the_same_words_have_the_same_number_on_every_machine() -> None:
    assert runs("Мама мыла раму", 3, within_lines=True).tolist() == [13666699644590535702]


def found(*texts: str, kept: int = 0, threshold: float = 0.8) -> list[tuple[int, int]]:
    signatures = np.stack([signature(text) for text in texts])
    pairs = near_duplicates(signatures, range(kept), range(kept, len(texts)), threshold)
    return [(pair.document, pair.earlier) for pair in pairs]


@pytest.mark.parametrize("words", [60, 400, 100_000])
def test_a_text_with_a_few_words_changed_is_a_near_copy_whatever_its_length(words) -> None:
    text = story(1, words).split()
    changed, other = list(text), list(text)
    for i in range(10, words, 60):  # 3 of 60 runs
        changed[i] = "правка"
    for i in range(0, words, 6):  # half of the runs
        other[i] = "иначе"
    assert found(" ".join(text), " ".join(changed), " ".join(other), story(2, words)) == [(1, 0)]


def test_case_and_punctuation_make_no_difference() -> None:
    assert found("Кто там? — Это я, почтальон Печкин.", "кто там… это я — почтальон печкин!") == [(1, 0)]


def test_texts_of_a_word_or_two_are_never_near_copies() -> None:
    assert found("Да.", "Нет.", "Ну да.", "", "—") == []


def test_what_is_kept_is_never_a_near_copy_and_a_near_copy_is_no_measure_for_others() -> None:
    text = story(5)
    assert found(text, text, text, story(6), text, kept=2) == [(2, 0), (4, 0)]


def test_likeness_does_not_depend_on_how_many_texts_there_are() -> None:
    texts = [story(seed, 60) for seed in range(2000)]
    assert found(*texts) == []
    assert found(*texts, texts[7] + " и ещё слово") == [(2000, 7)]


def test_a_share_of_held_out_runs_is_counted_within_lines() -> None:
    held = HeldOut(["раз два три четыре пять шесть семь восемь\nдевять десять"])

    def share(text: str) -> float:
        return held.look_up(text)[0]

    assert share("Раз, два, три, четыре, пять, шесть.") == 1
    assert share("раз два три четыре пять шесть\nодин один один один один один") == 0.5
    assert share("шесть семь восемь девять десять одиннадцать") == 0
    assert share("раз два три") == share("") == HeldOut([]).look_up("раз два три четыре пять шесть семь")[0] == 0


@settings(max_examples=200)
@given(st.lists(st.text(alphabet="аб \n", max_size=60), max_size=4), st.text(alphabet="аб \n", max_size=80))
def test_the_share_is_what_plain_counting_gives(texts, text) -> None:
    held = {run for each in texts for run in plainly(each, 6, within_lines=True)}
    mine = plainly(text, 6, within_lines=True)
    expected = sum(run in held for run in mine) / len(mine) if mine else 0
    assert HeldOut(texts).look_up(text)[0] == pytest.approx(expected)


def write(path, texts) -> Source:
    path.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in texts))
    return Source(text=(str(path),))


def gathered(folder, part: str) -> list[str]:
    return [orjson.loads(line)["text"] for line in (folder / f"{part}.jsonl").read_bytes().splitlines()]


def test_what_is_cut_out_of_a_held_out_novel_is_not_learned(tmp_path) -> None:
    novels = ["\n".join(story(100 * seed + line, 12) for line in range(60)) for seed in range(10)]
    talks = [line for novel in novels for line in novel.split("\n")[::3]]
    talks += [story(100_000 + line, 12) for line in range(200)]
    sources = {"novels": write(tmp_path / "novels.jsonl", novels), "talks": write(tmp_path / "talks.jsonl", talks)}
    said = gather(Corpus(sources=sources, val_fraction=0.1), tmp_path)
    held, learned = gathered(tmp_path, "val"), gathered(tmp_path, "train")
    held_novel = next(text for text in held if "\n" in text)
    assert not any(line in held_novel for text in learned for line in text.split("\n"))
    assert said.sources["talks"].overlap_with_held_out >= 15
    assert {each.why for each in said.dropped} == {"held out elsewhere"}
    # The other way round, talks that are held out may stand in novels that are learned: they are no test of anything.
    assert said.sources["talks"].held_out_but_learned > 0
    assert not any(text in novel for novel in learned if "\n" in novel for text in held if "\n" not in text)
    off = gather(Corpus(sources=sources, val_fraction=0.1, shared_with_held_out=1), tmp_path)
    assert off.sources["talks"].overlap_with_held_out == 0


def test_near_copies_go_across_sources_and_the_held_out_split_stays(tmp_path) -> None:
    texts = [story(seed) for seed in range(40)]
    copies = [text.replace(" ", ", ", 3) + " Конец." for text in texts[::2]]
    others = [story(seed) for seed in range(100, 120)]
    sources = {"first": write(tmp_path / "a.jsonl", texts), "second": write(tmp_path / "b.jsonl", copies + others)}
    plain = {"near_duplicates": 1, "shared_with_held_out": 1}
    gather(Corpus(sources=sources, val_fraction=0.2, **plain), tmp_path)
    held = gathered(tmp_path, "val")
    said = gather(Corpus(sources=sources, val_fraction=0.2), tmp_path)
    assert gathered(tmp_path, "val") == held
    ours, theirs = said.sources["first"], said.sources["second"]
    held_of_both = sum(text + " Конец." in {t.replace(",", "") for t in held} and text in held for text in texts)
    assert ours.near_duplicates + theirs.near_duplicates == 20 - held_of_both
    assert ours.near_duplicates > 0  # the copy is held out, so the original goes
    assert {(each.why, each.share > 0.9) for each in said.dropped} == {("near copy", True)}


def test_nothing_is_signed_where_near_copies_may_stay(tmp_path, monkeypatch) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr("trainer.corpora.likeness.signature", refuse)
    several = write(tmp_path / "a.jsonl", [story(seed, 9) for seed in range(20)])
    alone = write(tmp_path / "b.jsonl", [story(30)])
    gather(Corpus(sources={"several": several, "alone": alone}, near_duplicates=1), tmp_path)
    assert len(gathered(tmp_path, "train")) + len(gathered(tmp_path, "val")) == 22


def test_a_source_that_only_repeats_what_is_held_out_is_a_sentence(tmp_path) -> None:
    copies = [story(1) + f" {i}" for i in range(8)]
    corpus = Corpus(sources={"works": write(tmp_path / "a.jsonl", copies)}, val_fraction=0.2)
    with pytest.raises(CorpusError, match="Nothing is left of works: its texts repeat"):
        gather(corpus, tmp_path)


def test_a_novel_is_signed_in_a_time_that_grows_with_its_length_and_no_faster() -> None:
    chapter, novel = story(3, 15_000), story(3, 150_000)
    assert _seconds(novel) < 50 * _seconds(chapter)  # 10 to 20; with its square it would be 100


def _seconds(text: str) -> float:
    """Of the processor, undisturbed once in three times."""
    times = []
    for _ in range(3):
        started = time.process_time()
        signature(text)
        times.append(time.process_time() - started)
    return min(times)
