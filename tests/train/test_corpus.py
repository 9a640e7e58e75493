from __future__ import annotations

import bz2
import gzip
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import orjson
import pytest

from chat_app import tokenizer as tokenizers
from trainer import tokens, vocabulary
from trainer.corpora import gather as gathering
from trainer.corpora.documents import read
from trainer.errors import CorpusError, StageError
from trainer.recipe import Corpus, Source, Vocabulary


def corpus_of(*texts: Path, **options) -> Corpus:
    return Corpus(sources={"works": Source(text=tuple(map(str, texts)))}, **options)


def gather(folder: Path, *texts: Path, **options) -> dict[str, list[dict]]:
    gathering.gather(corpus_of(*texts, **options), folder)
    return {
        part: [orjson.loads(line) for line in (folder / f"{part}.jsonl").read_bytes().splitlines()]
        for part in ("train", "val")
    }


def test_text_is_read_plain_and_packed_and_from_folders(tmp_path) -> None:
    text = "Жил-был пёс.\n".encode()
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_bytes(b"\xef\xbb\xbf" + text)
    (tmp_path / "in" / "b.txt.bz2").write_bytes(bz2.compress(text))
    (tmp_path / "in" / "deep" / "c.jsonl.gz").write_bytes(
        gzip.compress(orjson.dumps({"text": "Да", "year": 1899}) + b"\n")
    )
    (tmp_path / "in" / "notes.pdf").write_bytes(b"%PDF")
    found = list(read(tmp_path / "in"))
    assert [document.text for document in found] == ["Жил-был пёс.\n", "Жил-был пёс.\n", "Да"]
    assert found[2].year == 1899


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "Привет".encode("cp1251"), "cannot be read"),
        ("a.txt.bz2", b"not packed", "cannot be read"),
        ("a.txt.gz", gzip.compress(b"cut short" * 99)[:-9], "cannot be read"),
        ("a.jsonl", b'{"text": "ok"}\n{"tekst": 1}\n', "Line 2 of"),
        ("a.jsonl", b'{"text": "ok"}\n[1\n', "Line 2 of"),
        ("a.doc", b"", "neither .txt nor .jsonl"),
        ("a.txt", b" \n \n", "too short"),
    ],
)
def test_a_text_that_cannot_be_used_is_named(tmp_path, name, content, words) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        gather(tmp_path / "out", tmp_path / name)
    assert words in str(caught.value)


def test_no_text_and_a_missing_text_are_told_apart(tmp_path) -> None:
    with pytest.raises(CorpusError, match="names no text"):
        gather(tmp_path)
    with pytest.raises(CorpusError, match="There is no text at"):
        gather(tmp_path, tmp_path / "nowhere.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"holds no \.txt or \.jsonl"):
        gather(tmp_path, tmp_path / "empty")


def test_one_work_is_split_at_a_paragraph_and_nothing_is_lost(tmp_path) -> None:
    paragraphs = [f"Абзац номер {i}, и в нём есть слова." for i in range(100)]
    (tmp_path / "one.txt").write_text("\n".join(paragraphs), "utf-8")
    parts = gather(tmp_path / "out", tmp_path / "one.txt", yo_to_e=False, val_fraction=0.2)
    train, val = parts["train"][0]["text"], parts["val"][0]["text"]
    assert train + val == "\n".join(paragraphs)
    assert train.endswith("\n")
    assert 15 <= val.count("Абзац") <= 25


def test_several_works_are_split_by_work(tmp_path) -> None:
    rows = [{"text": f"Рассказ {i}. " + "Слова " * 50, "author": "Я"} for i in range(20)]
    (tmp_path / "many.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    parts = gather(tmp_path / "out", tmp_path / "many.jsonl", val_fraction=0.25)
    held, kept = ({row["text"] for row in parts[part]} for part in ("val", "train"))
    assert not held & kept
    assert len(held | kept) == 20
    assert 4 <= len(held) <= 6


def test_a_work_that_comes_twice_is_kept_once(tmp_path) -> None:
    rows = [{"text": f"Рассказ {i % 10}.  Слова" + " " * (i // 10)} for i in range(20)]
    (tmp_path / "twice.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    parts = gather(tmp_path / "out", tmp_path / "twice.jsonl", val_fraction=0.3)
    assert sorted(row["text"] for part in parts.values() for row in part) == [f"Рассказ {i}. Слова" for i in range(10)]


def test_a_corpus_is_gathered_one_work_at_a_time(tmp_path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for i in range(200):
            file.write(orjson.dumps({"text": f"{i} " + "слово " * 20_000}) + b"\n")  # 48 MB in all
    tracemalloc.start()
    gathering.gather(corpus_of(path), tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_the_corpus_is_normalised(tmp_path) -> None:
    (tmp_path / "one.txt").write_text("Ёлка\u00a0–  “да”...\r\n" * 30, "utf-8")
    parts = gather(tmp_path / "out", tmp_path / "one.txt")
    assert parts["train"][0]["text"].startswith('Елка — "да"…\nЕлка')


def test_rare_characters_become_the_unknown_one(tmp_path) -> None:
    (tmp_path / "one.txt").write_text("аб\n" * 100 + "ж", "utf-8")
    gather(tmp_path / "out", tmp_path / "one.txt", val_fraction=0.5)
    pieces = vocabulary.make(Vocabulary(kind="char", min_count=2), tmp_path / "out", yo_to_e=True)
    assert pieces.pieces == ("<unk>", "\n", "а", "б")
    tokenizer = tokenizers.from_dict(pieces.to_dict())
    assert tokenizer.encode("абж") == [2, 3, 0]


def test_token_files_hold_what_the_tokenizer_says(prepared, small) -> None:
    pieces = vocabulary.load(prepared)
    tokenizer = tokenizers.from_dict(pieces.to_dict())
    found = tokens.load(prepared, "val")
    texts = [row["text"] for row in tokens.rows(prepared, "val")]
    expected = [i for text in texts for i in [tokenizer.bos_id, *tokenizer.encode(text)]]
    assert found.ids.tolist() == expected
    size = sum(len(t.encode()) for t in texts)
    assert found.counts == {"stories": tokens.Counts(len(texts), len(expected), sum(map(len, texts)), size)}
    first, second = found.starts[:2]
    assert found.ids[first:second].tolist() == [tokenizer.bos_id, *tokenizer.encode(texts[0])]


def test_a_stage_out_of_order_says_which_one_is_missing(tmp_path, small) -> None:
    with pytest.raises(StageError, match="run the corpus stage first"):
        vocabulary.make(small.vocabulary, tmp_path, yo_to_e=True)
    with pytest.raises(StageError, match="run the vocabulary stage first"):
        vocabulary.load(tmp_path)
    with pytest.raises(StageError, match="run the tokens stage first"):
        tokens.load(tmp_path, "train")


def test_token_files_that_were_cut_are_noticed(prepared, tmp_path) -> None:
    (tmp_path / "tokens.json").write_bytes((prepared / "tokens.json").read_bytes())
    (tmp_path / "train.starts.bin").write_bytes((prepared / "train.starts.bin").read_bytes())
    (tmp_path / "train.bin").write_bytes((prepared / "train.bin").read_bytes()[:-10])
    with pytest.raises(StageError, match="run the tokens stage again"):
        tokens.load(tmp_path, "train")


def test_a_vocabulary_larger_than_the_text_can_give_is_a_sentence(prepared, tmp_path) -> None:
    with pytest.raises(CorpusError, match="SentencePiece cannot make 60000 pieces"):
        vocabulary.make(Vocabulary(kind="bpe", vocab_size=60000), prepared, yo_to_e=True)
    assert np.fromfile(prepared / "train.bin", np.uint16).size


def test_a_dialogue_becomes_lines_of_speech(tmp_path) -> None:
    (tmp_path / "talk.jsonl").write_bytes(orjson.dumps({"src": "plays", "turns": ["Кто там? ", "Почта."]}))
    assert [document.text for document in read(tmp_path / "talk.jsonl")] == ["— Кто там?\n— Почта."]


def test_sources_stand_one_after_another_and_each_gives_to_both_parts(tmp_path) -> None:
    for name in ("prose", "talk"):
        rows = [{"text": f"{name} {i} " + "слово " * 30} for i in range(20)]
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    corpus = gathering.with_texts(
        Corpus(sources={"prose": Source(), "talk": Source()}, val_fraction=0.2),
        [str(tmp_path / "prose.jsonl"), f"talk={tmp_path / 'talk.jsonl'}"],
    )
    sizes = gathering.gather(corpus, tmp_path / "out")
    for part in ("train", "val"):
        rows = [orjson.loads(line) for line in (tmp_path / "out" / f"{part}.jsonl").read_bytes().splitlines()]
        assert [name for name, _ in itertools.groupby(row["source"] for row in rows)] == ["prose", "talk"]
        assert all(row["text"].startswith(row["source"]) for row in rows)
        assert sizes[part]["talk"].documents == sum(row["source"] == "talk" for row in rows)


def test_what_was_held_out_stays_held_out_when_the_corpus_grows(tmp_path) -> None:
    rows = [{"text": f"Рассказ {i}. " + "Слова " * 50} for i in range(60)]
    held = []
    for count in (40, 60):
        (tmp_path / "many.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows[:count])))
        held.append({row["text"] for row in gather(tmp_path / "out", tmp_path / "many.jsonl")["val"]})
    assert len(held[0]) == 4
    assert len(held[0] & held[1]) >= 3 - 1


def test_two_works_give_one_to_each_part(tmp_path) -> None:
    for seed in range(8):
        (tmp_path / "two.jsonl").write_bytes(b'{"text": "one"}\n{"text": "the other, longer one"}')
        parts = gather(tmp_path / "out", tmp_path / "two.jsonl", val_fraction=0.9, seed=seed)
        assert [len(rows) for rows in parts.values()] == [1, 1]
