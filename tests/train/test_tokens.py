"""The tokens stage encodes line by line and in several processes: the ids are those of the whole text."""

from __future__ import annotations

import shutil
import sys

import orjson
import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_app import tokenizer as tokenizers
from trainer import tokens, vocabulary
from trainer.corpora import generated
from trainer.errors import StageError
from trainer.sections import Vocabulary

VOCABULARIES = {
    "marks": {"marks": ("<s>", "<|end|>"), "user_symbols": ("—", "«", "»", "…")},
    "no marks": {},
    "line ends in symbols": {"user_symbols": ("\n—", "—", "\n")},
    "symbols over spaces": {"user_symbols": (" и ", ". ")},
}


@pytest.fixture(scope="module", params=VOCABULARIES)
def encoder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    text = "\n".join(generated.stories(300, 1))
    (folder / "train.jsonl").write_bytes(orjson.dumps({"text": text, "source": "s"}))
    settings = Vocabulary(kind="bpe", vocab_size=400, **VOCABULARIES[request.param])
    pieces = vocabulary.make(settings, folder, yo_to_e=True)
    whole = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    return tokens.Encode(pieces, folder), whole, tokenizers.from_dict(pieces.to_dict())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="Кот и.—«»ёq\n\n ", max_size=120) | st.text(max_size=60))
@example("\n")
@example("\n\n Кот\n")
@example("Кот\n\n\n— и \n—")
def test_lines_are_encoded_as_the_whole_text_is(encoder, text) -> None:
    encode, whole, ours = encoder
    assert encode.ids(text).tolist() == whole.encode(text)
    assert encode.ids(ours.normalise(text)).tolist() == ours.encode(text)


def test_a_document_begins_with_its_mark_or_ends_with_an_empty_line(encoder) -> None:
    encode, whole, ours = encoder
    row = orjson.dumps({"text": "Кот гулял.\n— Чей это гриб?", "source": "s"})
    (found,) = encode([row])
    ids = memoryview(found.ids).cast("H").tolist()
    text = "Кот гулял.\n— Чей это гриб?"
    assert ids == ([1, *whole.encode(text)] if ours.bos_id else whole.encode(text + "\n\n"))
    assert (found.source, found.characters, found.bytes, found.row) == ("s", 26, 46, len(row))


def vocabulary_in(folder, seed: int, kind: str = "bpe"):
    """A folder with a text and a vocabulary of it; another seed's text has other words."""
    folder.mkdir()
    text = " ".join(f"{'абвг'[seed]}{word}" for word in "\n".join(generated.stories(100, seed)).split())
    for part in tokens.PARTS:
        (folder / f"{part}.jsonl").write_bytes(orjson.dumps({"text": text, "source": "s"}) + b"\n")
    return vocabulary.make(Vocabulary(kind=kind, vocab_size=330), folder, yo_to_e=True)


def ours(pieces, text: str) -> list[int]:
    return tokenizers.from_dict(pieces.to_dict()).encode(text)


def test_a_model_of_another_vocabulary_encodes_nothing(tmp_path) -> None:
    pieces = vocabulary_in(tmp_path / "a", 0)
    vocabulary_in(tmp_path / "b", 1)
    text = orjson.loads((tmp_path / "a" / "train.jsonl").read_bytes())["text"][:300]
    shutil.copy(tmp_path / "b" / "spm.model", tmp_path / "a" / "spm.model")
    assert tokens.Encode(pieces, tmp_path / "a").ids(text).tolist() == ours(pieces, text)


def test_a_run_without_a_model_leaves_none_behind(tmp_path) -> None:
    vocabulary_in(tmp_path / "here", 0)
    theirs = vocabulary_in(tmp_path / "there", 1, kind="char")
    start = tmp_path / "there" / "pretrain" / "best"
    start.mkdir(parents=True)
    assert vocabulary.take(start, tmp_path / "here") == theirs
    assert not (tmp_path / "here" / "spm.model").exists()


def test_ids_of_another_vocabulary_are_refused(tmp_path) -> None:
    folder = tmp_path / "a"
    tokens.make(vocabulary_in(folder, 0), folder)
    assert len(tokens.load(folder, "train").ids)
    vocabulary_in(tmp_path / "b", 1)
    shutil.copy(tmp_path / "b" / "vocabulary.json", folder)
    with pytest.raises(StageError, match=r"another vocabulary\.json: run the tokens stage again"):
        tokens.load(folder, "train")
    about = orjson.loads((folder / "tokens.json").read_bytes())
    (folder / "tokens.json").write_bytes(orjson.dumps({part: about[part] for part in tokens.PARTS}))
    assert len(tokens.load(folder, "train").ids)  # an older one
    tokens.make(vocabulary.load(folder), folder)
    (folder / "vocabulary.json").unlink()
    assert len(tokens.load(folder, "train").ids)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_is_full_at_the_last_byte_leaves_all_files_as_they_were(tmp_path) -> None:
    import resource

    folder = tmp_path / "a"
    vocabulary_in(folder, 0, kind="char")
    for part, words in (("train", 300), ("val", 9)):  # both fit into what Python keeps before it writes
        text = "дом " * words
        (folder / f"{part}.jsonl").write_bytes(orjson.dumps({"text": text, "source": "s"}) + b"\n")
    pieces = vocabulary.load(folder)
    tokens.make(pieces, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "val.jsonl").write_bytes(before["train.jsonl"].replace("дом дом".encode(), "дым".encode(), 100))
    before["val.jsonl"] = (folder / "val.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["train.bin"]) - 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            tokens.make(pieces, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
