from __future__ import annotations

import io
import itertools
import random
import shutil
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import orjson
import pytest
from rich.console import Console

from chat_app import tokenizer as tokenizers
from trainer import tokens, vocabulary
from trainer.corpora import gather as gathering
from trainer.corpora import report as reports
from trainer.errors import CorpusError, StageError
from trainer.sections import Corpus, Source, Vocabulary

ALIKE = {"near_duplicates": 1, "shared_with_held_out": 1}  # for texts of the tests, which repeat themselves


def corpus_of(*texts: Path, **options) -> Corpus:
    return Corpus(sources={"works": Source(text=tuple(map(str, texts)))}, **ALIKE | options)


def gather(folder: Path, *texts: Path, **options) -> dict[str, list[dict]]:
    gathering.gather(corpus_of(*texts, **options), folder)
    return {
        part: [orjson.loads(line) for line in (folder / f"{part}.jsonl").read_bytes().splitlines()]
        for part in ("train", "val")
    }


def test_no_text_and_a_missing_text_are_told_apart(tmp_path) -> None:
    with pytest.raises(CorpusError, match="names no text"):
        gather(tmp_path)
    with pytest.raises(CorpusError, match="There is no text at"):
        gather(tmp_path, tmp_path / "nowhere.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"holds no file that is \.txt, \.jsonl"):
        gather(tmp_path, tmp_path / "empty")


def test_one_work_is_split_at_a_paragraph_and_nothing_is_lost(tmp_path) -> None:
    paragraphs = [f"Абзац номер {i}, и в нём есть слова." for i in range(100)]
    (tmp_path / "one.txt").write_text("\n".join(paragraphs), "utf-8")
    parts = gather(tmp_path / "out", tmp_path / "one.txt", yo_to_e=False, val_fraction=0.2)
    train, val = parts["train"][0]["text"], parts["val"][0]["text"]
    assert train + val == "\n".join(paragraphs)
    assert train.endswith("\n")
    assert 15 <= val.count("Абзац") <= 25


def write_texts(path: Path, *texts: str) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in texts))
    return path


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Заголовок\n" + "слово " * 1000 + "конец", "слово "),  # the only line end is far away
        ("\n" + "а" * 5000, "а"),
        ("слово " * 500 + "слово\n" + "слово " * 500, "слово "),
    ],
)
def test_one_work_with_few_line_ends_is_cut_near_the_place(tmp_path, text, end) -> None:
    (tmp_path / "one.txt").write_text(text, "utf-8")
    parts = gather(tmp_path / "out", tmp_path / "one.txt", val_fraction=0.1)
    train, val = parts["train"][0]["text"], parts["val"][0]["text"]
    assert train + val == text.strip()
    assert train.endswith(end)
    assert 0.1 <= len(val) / len(text.strip()) < 0.121


def test_a_long_work_among_short_ones_is_never_held_out_whole(tmp_path) -> None:
    texts = ["длинная " * 1000, "раз " * 50, "два " * 50, "три " * 50]
    path = write_texts(tmp_path / "works.jsonl", *texts)
    for seed in range(8):
        parts = gather(tmp_path / "out", path, val_fraction=0.1, seed=seed)
        learned, held = (sum(len(row["text"]) for row in parts[part]) for part in ("train", "val"))
        assert 0.04 < held / (learned + held) < 0.102


def test_works_all_longer_than_the_share_lose_the_end_of_the_largest(tmp_path) -> None:
    texts = [f"номер{i} " * 500 for i in range(4)] + ["большой " * 600]
    parts = gather(tmp_path / "out", write_texts(tmp_path / "works.jsonl", *texts), val_fraction=0.1)
    assert len(parts["train"]) == 5
    (held,) = parts["val"]
    assert set(held["text"].split()) == {"большой"}
    assert len(held["text"]) == pytest.approx(sum(map(len, texts)) * 0.1, rel=0.05)


def test_a_short_note_is_not_all_that_is_held_out_of_long_works(tmp_path) -> None:
    novels = [f"роман{i} " * 12_000 for i in range(3)]
    path = write_texts(tmp_path / "works.jsonl", *novels, "заметка " * 40)
    for seed in range(8):
        parts = gather(tmp_path / "out", path, val_fraction=0.1, seed=seed)
        learned, held = (sum(len(row["text"]) for row in parts[part]) for part in ("train", "val"))
        assert held / (learned + held) == pytest.approx(0.1, rel=0.03)


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
            file.write(orjson.dumps({"text": f"слово{i} " * 18_000}) + b"\n")  # 50 MB in all
    tracemalloc.start()
    gathering.gather(corpus_of(path, near_duplicates=0.8, shared_with_held_out=0.25), tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 32_000_000  # of which 16 are the table of what is held out
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
    with pytest.raises(CorpusError, match=r"cannot make 60000 pieces .* at most \d+: set vocabulary\.vocab_size"):
        vocabulary.make(Vocabulary(kind="bpe", vocab_size=60000), prepared, yo_to_e=True)
    with pytest.raises(CorpusError, match=r"cannot make 270 pieces .* marks and bytes alone are \d+"):
        vocabulary.make(Vocabulary(kind="bpe", vocab_size=270), prepared, yo_to_e=True)
    assert np.fromfile(prepared / "train.bin", np.uint16).size


def test_a_vocabulary_of_nothing_is_a_sentence(tmp_path) -> None:
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(CorpusError, match="there is no text in train"):
        vocabulary.make(Vocabulary(kind="bpe"), tmp_path, yo_to_e=True)


def test_sources_stand_one_after_another_and_each_gives_to_both_parts(tmp_path) -> None:
    for name in ("prose", "talk"):
        rows = [{"text": f"{name} {i} " + "слово " * 30} for i in range(20)]
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    corpus = gathering.with_texts(
        Corpus(sources={"prose": Source(), "talk": Source()}, val_fraction=0.2, **ALIKE),
        [str(tmp_path / "prose.jsonl"), f"talk={tmp_path / 'talk.jsonl'}"],
    )
    report = gathering.gather(corpus, tmp_path / "out")
    for part in ("train", "val"):
        rows = [orjson.loads(line) for line in (tmp_path / "out" / f"{part}.jsonl").read_bytes().splitlines()]
        assert [name for name, _ in itertools.groupby(row["source"] for row in rows)] == ["prose", "talk"]
        assert all(row["text"].startswith(row["source"]) for row in rows)
        assert getattr(report.sources["talk"], part).documents == sum(row["source"] == "talk" for row in rows)


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


def test_a_blank_text_is_too_short_to_be_split(tmp_path) -> None:
    (tmp_path / "blank.txt").write_text(" \n \n", "utf-8")
    with pytest.raises(CorpusError, match="The text of works is empty, or too short"):
        gather(tmp_path / "out", tmp_path / "blank.txt")


def test_the_corpus_reports_what_it_holds(tmp_path) -> None:
    rows = [{"text": f"Рассказ {i % 10}. Слова"} for i in range(12)]
    (tmp_path / "few.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    said = gathering.gather(corpus_of(tmp_path / "few.jsonl", val_fraction=0.3), tmp_path)
    assert reports.load(tmp_path).sources == said.sources
    values = orjson.loads((tmp_path / "corpus.json").read_bytes())
    assert values["seconds"] >= 0
    assert values["sources"]["works"] == {
        "documents": 10, "characters": 160, "bytes": 280, "exact_duplicates": 2, "near_duplicates": 0,
        "overlap_with_held_out": 0, "held_out_but_learned": 0,
        "train": {"documents": 7, "characters": 112, "bytes": 196},
        "val": {"documents": 3, "characters": 48, "bytes": 84},
    }  # fmt: skip
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(reports.table(said, {"works": 4321}))
    assert "4,321" in console.export_text()


def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch) -> None:
    for place in ("corpora.preparing._BATCH", "corpora.repeats._BATCH", "tokens._BATCH"):
        monkeypatch.setattr(f"trainer.{place}", 2000)
    dice = random.Random(3)
    rows = [{"text": " ".join(f"слово{dice.randrange(5000)}" for _ in range(300))} for _ in range(30)]
    rows += [{"text": rows[4]["text"] + " конец"}, rows[2], {"text": "Кот и пёс. [12]"}]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    source = Source(text=(str(tmp_path / "in.jsonl"),), clean=True)
    corpus = Corpus(sources={"works": source}, val_fraction=0.2)
    found = []
    for processes in (1, 3):
        folder = tmp_path / str(processes)
        said = gathering.gather(corpus, folder, processes)
        pieces = vocabulary.make(Vocabulary(kind="char"), folder, yo_to_e=True)
        tokens.make(pieces, folder, processes)
        names = ("train.jsonl", "val.jsonl", "train.bin", "train.starts.bin", "val.bin", "tokens.json")
        found.append((said.sources, said.dropped, [(folder / name).read_bytes() for name in names]))
    assert found[0] == found[1]
    assert (said.sources["works"].exact_duplicates, said.sources["works"].near_duplicates) == (1, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_fills_up_leaves_earlier_results_intact(prepared, tmp_path) -> None:
    import resource

    folder = tmp_path / "out"
    shutil.copytree(prepared, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    rows = [{"text": f"Рассказ {i}. " + "слово " * i} for i in range(300)]
    (tmp_path / "many.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    pieces = vocabulary.load(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # 20 kB: the validation part still fits, the training part does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            gather(folder, tmp_path / "many.jsonl")
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["train.bin"]) - 100, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            tokens.make(pieces, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_corpus_that_cannot_be_written_whole_leaves_the_last_one_as_it_was(prepared, tmp_path, monkeypatch) -> None:
    folder = shutil.copytree(prepared, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    rows = [{"text": f"Рассказ {i}. " + "слово " * i} for i in range(30)]
    (tmp_path / "many.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))

    def full(report: reports.Report) -> bytes:
        raise OSError("no space left")

    monkeypatch.setattr(reports.Report, "to_json", full)
    with pytest.raises(OSError, match="no space left"):
        gather(folder, tmp_path / "many.jsonl")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_text_without_a_path_or_for_a_source_that_nobody_knows_is_refused(tmp_path) -> None:
    corpus = corpus_of()
    for text in ("works=", "", "talk="):
        with pytest.raises(CorpusError, match=rf"--text {text} gives no path"):
            gathering.with_texts(corpus, [text], ("talk",))
    with pytest.raises(CorpusError, match=r"called wroks .*; did you mean works\? Known: talk, works"):
        gathering.with_texts(corpus, ["wroks=a.txt"], ("talk",))
    (tmp_path / "a=b.txt").touch()
    texts = ["works=a.txt", "b.txt", str(tmp_path / "a=b.txt"), "talk=c.jsonl"]
    found = gathering.with_texts(corpus, texts, ("talk",)).sources["works"].text
    assert found == ("a.txt", "b.txt", str(tmp_path / "a=b.txt"))


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}"])
@pytest.mark.parametrize("name", ["tokens.json", "train.bin", "train.starts.bin", "corpus.json", "vocabulary.json"])
def test_a_file_that_is_missing_or_cut_names_the_stage_to_run(prepared, tmp_path, name, content) -> None:
    folder = shutil.copytree(prepared, tmp_path / "out")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    stage = name.partition(".")[0].replace("train", "tokens")
    load = {"corpus": reports.load, "vocabulary": vocabulary.load}.get(stage, lambda at: tokens.load(at, "train"))
    with pytest.raises(StageError, match=rf"{name}.* [Rr]un the {stage} stage"):
        load(folder)


def test_more_pieces_than_the_token_files_hold_are_refused(tmp_path) -> None:
    letters = "".join(map(chr, range(0x10000, 0x20001)))
    (tmp_path / "train.jsonl").write_bytes(orjson.dumps({"source": "works", "text": letters}) + b"\n")
    with pytest.raises(CorpusError, match=r"has 65,538 pieces, and the token files hold 65,536 at most"):
        vocabulary.make(Vocabulary(kind="char"), tmp_path, yo_to_e=True)
    assert not (tmp_path / "vocabulary.json").exists()


def test_one_long_line_is_thinned_like_many_short_ones(tmp_path) -> None:
    text = " ".join(f"слово{number}" for number in range(9000))
    (tmp_path / "train.jsonl").write_bytes(orjson.dumps({"source": "works", "text": text}) + b"\n")
    sample = Vocabulary(kind="bpe", sample_characters=30_000)
    found = list(vocabulary._lines(sample, tmp_path))
    assert 20_000 < sum(map(len, found)) < 60_000
    assert max(map(len, found)) == vocabulary.LONGEST_LINE
