"""The corpus stage: documents of every source, normalised, distinct, and a part of them held out."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from chat_app.text import normalise
from trainer.corpora import cleaning, documents, generated, librus
from trainer.corpora.documents import Document
from trainer.errors import CorpusError
from trainer.files import replacing
from trainer.recipe import Corpus, Source

PARTS = ("train", "val")


@dataclass(slots=True)
class Size:
    """Of one source in one part; bytes are of UTF-8."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0


def gather(corpus: Corpus, folder: Path) -> dict[str, dict[str, Size]]:
    """Write train.jsonl and val.jsonl of normalised, distinct documents, source by source; return the sizes of each.

    A source of several documents is split by document, a single one by place: its end is held out. One document at
    a time is in memory, however large the corpus: a source goes to a file first, then to its parts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {part: {name: Size() for name in corpus.sources} for part in PARTS}
    seen: set[bytes] = set()
    with replacing(folder / "train.jsonl") as train, replacing(folder / "val.jsonl") as val:
        for name, source in corpus.sources.items():
            with tempfile.TemporaryFile(dir=folder) as whole:
                found = _collect(name, source, corpus.yo_to_e, seen, whole)
                whole.seek(0)
                for row, held in _split(whole, found, corpus):
                    size = sizes["val" if held else "train"][name]
                    size.documents += 1
                    size.characters += len(row["text"])
                    size.bytes += len(row["text"].encode())
                    (val if held else train).write(orjson.dumps(row) + b"\n")
            if not all(sizes[part][name].characters for part in PARTS):
                raise CorpusError(f"The text of {name} is empty, or too short to hold any of it out for validation.")
    return sizes


def with_texts(corpus: Corpus, texts: Sequence[str]) -> Corpus:
    """The corpus with the command line's texts added: `NAME=PATH` to the source of that name, `PATH` to the first."""
    sources = dict(corpus.sources)
    for text in texts:
        name, equals, path = text.partition("=")
        if not (equals and name in sources):
            name, path = next(iter(sources)), text
        sources[name] = sources[name].model_copy(update={"text": (*sources[name].text, path)})
    return corpus.model_copy(update={"sources": sources})


def read(source: Source) -> Iterator[Document]:
    """Every document of a source, without apparatus where the recipe says so. CorpusError where it names no text."""
    if not (source.text or source.librus.pages or source.generated_documents):
        raise CorpusError("The recipe names no text: give a file or a folder with --text.")
    with cleaning.reported() as cleaned:
        yield from cleaned(_texts(source)) if source.clean else _texts(source)
        if source.librus.pages:
            works = librus.documents(source.librus)
            yield from works if source.clean is False else cleaned(works)
    for text in generated.stories(source.generated_documents, seed=0):
        yield Document(text=text, source="generated")


def _texts(source: Source) -> Iterator[Document]:
    for name in source.text:
        path = Path(name).expanduser()
        if not path.exists():
            raise CorpusError(f"There is no text at {path}.")
        yield from documents.read(path)


def _collect(name: str, source: Source, yo_to_e: bool, seen: set[bytes], whole: IO[bytes]) -> list[tuple[bytes, int]]:
    """Write every new document to `whole`, a JSON line each; return their digests and lengths in characters."""
    found = []
    for document in read(source):
        text = normalise(document.text, yo_to_e=yo_to_e).strip()
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if text and digest not in seen:
            seen.add(digest)
            found.append((digest, len(text)))
            whole.write(orjson.dumps({**asdict(document), "source": name, "text": text}) + b"\n")
    return found


def _split(
    lines: Iterable[bytes], found: list[tuple[bytes, int]], corpus: Corpus
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each document of a source, and whether it is held out."""
    rows = map(orjson.loads, lines)
    if len(found) == 1:
        yield from _cut(next(rows), corpus.val_fraction)
        return
    held = _held_out(found, corpus)
    yield from ((row, digest in held) for row, (digest, _) in zip(rows, found, strict=True))


def _cut(row: dict[str, Any], val_fraction: float) -> Iterator[tuple[dict[str, Any], bool]]:
    """A single document in two, at a paragraph's end if there is one."""
    text = row["text"]
    cut = int(len(text) * (1 - val_fraction))
    cut = text.rfind("\n", 0, cut) + 1 or cut
    for part, held in ((text[:cut], False), (text[cut:], True)):
        if part:
            yield row | {"text": part}, held


def _held_out(found: list[tuple[bytes, int]], corpus: Corpus) -> set[bytes]:
    """Digests of the documents to hold out, until they reach their share of the characters.

    The order is that of a hash of the document, so a corpus that grows keeps what it held out apart.
    """
    key = corpus.seed.to_bytes(8, "little", signed=True)
    order = sorted(found, key=lambda each: hashlib.blake2b(each[0], key=key).digest())
    wanted, held = sum(length for _, length in found) * corpus.val_fraction, set[bytes]()
    for digest, length in order[:-1]:  # one document is always left to learn from
        if wanted <= 0:
            break
        held.add(digest)
        wanted -= length
    return held
