"""The tokens stage encodes line by line and in several processes: the ids are those of the whole text."""

from __future__ import annotations

import orjson
import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_app import tokenizer as tokenizers
from trainer import tokens, vocabulary
from trainer.corpora import generated
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
