"""The vocabulary stage: characters counted, or SentencePiece BPE trained, into the description a mind carries."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson
import sentencepiece
from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2

from chat_app.errors import MindError
from chat_app.mind import Mind, open_mind
from chat_app.pieces import CONTROL, NORMAL, UNKNOWN, Foreign, Kind, Pieces
from trainer.errors import CorpusError, StageError
from trainer.files import read_json, replacing
from trainer.progress import bar
from trainer.sections import Vocabulary
from trainer.tokens import part_of

UNK = "<unk>"
_MOST_PIECES = 1 << 16
LONGEST_LINE = 4000  # characters; SentencePiece skips lines above 4192 bytes unless told otherwise


def texts(folder: Path) -> Iterator[str]:
    """The documents to learn from, with a bar that moves as they are read."""
    with part_of(folder, "train").open("rb") as file, bar("vocabulary", _size(file), of_bytes=True) as advance:
        for row in file:
            advance(len(row))
            yield orjson.loads(row)["text"]


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def characters(vocabulary: Vocabulary, folder: Path, yo_to_e: bool) -> Pieces:
    """One piece a character of the training part, in code point order after the unknown and the marks."""
    counts: Counter[str] = Counter()
    for text in texts(folder):
        counts.update(text)
    kept = sorted(c for c, n in counts.items() if n >= vocabulary.min_count)
    pieces = (UNK, *vocabulary.marks, *kept)
    types = (UNKNOWN, *[CONTROL] * len(vocabulary.marks), *[NORMAL] * len(kept))
    return Pieces(kind="char", pieces=pieces, types=types, yo_to_e=yo_to_e)


def bpe(vocabulary: Vocabulary, folder: Path, yo_to_e: bool) -> Pieces:
    """Train SentencePiece, keep its model as spm.model for encoding the corpus, and describe its pieces."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(vocabulary, folder),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocabulary.vocab_size,
            character_coverage=vocabulary.character_coverage,
            byte_fallback=True,
            split_digits=vocabulary.split_digits,
            control_symbols=[m for m in vocabulary.marks if m != "<s>"],
            user_defined_symbols=list(vocabulary.user_symbols),
            normalization_rule_name="identity",  # chat_app.text has normalised already
            remove_extra_whitespaces=False,
            max_sentence_length=4 * LONGEST_LINE,
            bos_id=1 if "<s>" in vocabulary.marks else -1,
            eos_id=-1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise CorpusError(_explain(vocabulary.vocab_size, str(error))) from error
    with replacing(folder / "spm.model") as file:
        file.write(model.getvalue())
    return from_sentencepiece(model.getvalue(), yo_to_e)


def _explain(vocab_size: int, said: str) -> str:
    """SentencePiece's refusal as a sentence, with the size that it would take."""
    if most := re.search(r"Please set it to a value <= (\d+)", said):
        limit = f"the text gives at most {most[1]}: set vocabulary.vocab_size to that or less, or give more text"
    elif least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", said):
        limit = f"its characters, marks and bytes alone are {least[1]}: set vocabulary.vocab_size well above that"
    elif "sentences_.empty()" in said:
        limit = "there is no text in train.jsonl"
    else:
        limit = said
    return f"SentencePiece cannot make {vocab_size} pieces of this text: {limit}."


def from_sentencepiece(model: bytes, yo_to_e: bool | None = None) -> Pieces:
    """The description of a serialised SentencePiece model; CorpusError for what the runtime does not do.

    With `yo_to_e` the project's own normaliser stands before the model, which must then have none that changes
    anything; without, the mind brings the model's normaliser along, and a text begins without `<s>`, as SentencePiece
    encodes it.
    """
    try:
        proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    except DecodeError as error:
        raise CorpusError(f"This is not a SentencePiece model: {error}.") from error
    trainer, normaliser = proto.trainer_spec, proto.normalizer_spec
    kinds: dict[int, Kind] = {trainer.BPE: "bpe", trainer.UNIGRAM: "unigram"}
    if trainer.model_type not in kinds or trainer.treat_whitespace_as_suffix:
        raise CorpusError(
            "Only SentencePiece models of the types BPE and unigram, with spaces before words, can be used."
        )
    if proto.denormalizer_spec.precompiled_charsmap:
        raise CorpusError("A SentencePiece model with rules for decoding cannot be used.")
    foreign = Foreign(
        charsmap=normaliser.precompiled_charsmap,
        remove_extra_whitespaces=normaliser.remove_extra_whitespaces,
        escape_whitespaces=normaliser.escape_whitespaces,
    )
    if yo_to_e is not None and foreign != Foreign():
        raise CorpusError("The SentencePiece model must be trained with the identity normaliser, spaces kept.")
    try:
        return Pieces(
            kind=kinds[trainer.model_type],
            pieces=tuple(p.piece for p in proto.pieces),
            types=tuple(p.type for p in proto.pieces),
            scores=tuple(p.score for p in proto.pieces),
            add_bos=yo_to_e is not None,
            add_dummy_prefix=normaliser.add_dummy_prefix,
            yo_to_e=bool(yo_to_e),
            foreign=foreign if yo_to_e is None else None,
        )
    except ValueError as error:
        raise CorpusError(f"The SentencePiece model does not fit together: {error}.") from error


def _lines(vocabulary: Vocabulary, folder: Path) -> Iterator[str]:
    """Lines of the training part, long ones in pieces, thinned evenly to about `sample_characters`."""
    total = sum(len(text) for text in texts(folder))
    step = max(1, -(-total // vocabulary.sample_characters))
    number = 0
    for text in texts(folder):
        for line in text.split("\n"):
            for start in range(0, max(1, len(line)), LONGEST_LINE):
                number += 1
                if line and number % step == 0:
                    yield line[start : start + LONGEST_LINE]


def make(vocabulary: Vocabulary, folder: Path, yo_to_e: bool) -> Pieces:
    """Run the stage: write vocabulary.json."""
    pieces = (bpe if vocabulary.kind == "bpe" else characters)(vocabulary, folder, yo_to_e)
    _write(pieces, folder)
    return pieces


def _write(pieces: Pieces, folder: Path) -> None:
    """vocabulary.json. CorpusError where the token files cannot hold so many pieces."""
    if len(pieces.pieces) > _MOST_PIECES:
        raise CorpusError(
            f"The vocabulary has {len(pieces.pieces):,} pieces, and the token files hold {_MOST_PIECES:,} at most "
            "(uint16): raise vocabulary.min_count, or start from a mind with fewer."
        )
    with replacing(folder / "vocabulary.json") as file:
        file.write(orjson.dumps(pieces.to_dict()))


def take(start: Path, folder: Path) -> Pieces:
    """Write the vocabulary of a `.mind`, or of a run of which `start` is a checkpoint's folder, into `folder`."""
    model = folder / "spm.model"
    if start.is_dir():
        theirs = start.parent.parent
        if not (theirs / "vocabulary.json").exists():
            raise StageError(
                f"{start} is no checkpoint of a run, or its vocabulary.json is gone: give the folder of a checkpoint, "
                "as OUT/pretrain/best, or a .mind."
            )
        pieces = load(theirs)
        if theirs.resolve() != folder.resolve():
            model.unlink(missing_ok=True)  # it may be of another vocabulary
            if (theirs / "spm.model").exists():
                with replacing(model) as file:
                    file.write((theirs / "spm.model").read_bytes())
    else:
        pieces = opened(start).tokenizer.pieces
        model.unlink(missing_ok=True)  # a mind carries the description alone, which encodes as well, slower
    _write(pieces, folder)
    return pieces


def opened(start: Path) -> Mind:
    """A mind to start from. StageError where there is none, or none that can be read."""
    try:
        return open_mind(start)
    except MindError as error:
        raise StageError(f"{start} cannot be started from: {error}") from error


def load(folder: Path) -> Pieces:
    """The vocabulary that `make` wrote. StageError where it is missing or damaged."""
    path = folder / "vocabulary.json"
    try:
        return Pieces.from_dict(read_json(path, "vocabulary"))
    except ValueError as error:
        raise StageError(f"{path} does not hold: {error}. Run the vocabulary stage again.") from error
