"""Plain text, JSONL and generated text as documents, and the corpus stage that gathers them."""

from __future__ import annotations

import bz2
import gzip
import io
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import orjson

from chat_app.text import normalise
from trainer.corpora import generated
from trainer.errors import CorpusError
from trainer.files import replacing
from trainer.recipe import Corpus

SUFFIXES = (".txt", ".jsonl")
PACKED = {".bz2": bz2.open, ".gz": gzip.open}


@dataclass(frozen=True, slots=True)
class Document:
    """One work. `text` is never empty."""

    text: str
    source: str = ""
    author: str = ""
    title: str = ""
    year: int | None = None


def read(path: Path) -> Iterator[Document]:
    """Documents of a .txt or .jsonl file, plain or packed (.bz2, .gz), or of every such file of a folder."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if _suffix(f) in SUFFIXES)
        if not files:
            raise CorpusError(f"The folder {path} holds no .txt or .jsonl file, plain or packed.")
        for file in files:
            yield from read(file)
        return
    if _suffix(path) not in SUFFIXES:
        raise CorpusError(f"{path} is neither .txt nor .jsonl (plain, .bz2 or .gz).")
    try:
        with _open(path) as file:
            if _suffix(path) == ".jsonl":
                for number, line in enumerate(file, 1):
                    yield _from_json(path, number, line)
            else:
                yield Document(text=file.read().decode("utf-8-sig"), source=path.name)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"The text {path} cannot be read: {error}.") from error


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix


def _open(path: Path) -> IO[bytes]:
    opened = PACKED[path.suffix](path, "rb") if path.suffix in PACKED else path.open("rb")
    assert isinstance(opened, io.IOBase)
    return opened  # type: ignore[return-value]


def _from_json(path: Path, number: int, line: bytes) -> Document:
    try:
        row = orjson.loads(line)
        return Document(
            text=str(row["text"]), source=path.name,
            author=row.get("author") or "", title=row.get("title") or "", year=row.get("year"),
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f'Line {number} of {path} is not {{"text": ...}}: {error}.') from error


def gather(corpus: Corpus, extra: tuple[str, ...], folder: Path) -> dict[str, int]:
    """Write train.jsonl and val.jsonl of normalised documents into `folder`; return characters of each.

    Several documents are split by document, a single one by place: its end is held out.
    """
    documents: list[Document] = []
    for name in (*corpus.text, *extra):
        path = Path(name).expanduser()
        if not path.exists():
            raise CorpusError(f"There is no text at {path}.")
        documents += read(path)
    documents += (
        Document(text=t, source="generated") for t in generated.stories(corpus.generated_documents, corpus.seed)
    )
    if not documents:
        raise CorpusError("The recipe names no text: give a file or a folder with --text.")
    cleaned = [(d, text) for d in documents if (text := normalise(d.text, yo_to_e=corpus.yo_to_e).strip())]
    train, val = _split(cleaned, corpus)
    if not train or not val:
        raise CorpusError("The text is empty, or too short to hold any of it out for validation.")
    sizes = {}
    for name, part in (("train", train), ("val", val)):
        with replacing(folder / f"{name}.jsonl") as file:
            for document, text in part:
                file.write(orjson.dumps({**asdict(document), "text": text}) + b"\n")
        sizes[name] = sum(len(text) for _, text in part)
    return sizes


def _split(
    documents: list[tuple[Document, str]], corpus: Corpus
) -> tuple[list[tuple[Document, str]], list[tuple[Document, str]]]:
    if len(documents) == 1:
        [(document, text)] = documents
        cut = int(len(text) * (1 - corpus.val_fraction))
        cut = text.rfind("\n", 0, cut) + 1 or cut  # at a paragraph's end, if there is one
        return [(document, text[:cut])] if cut else [], [(document, text[cut:])] if cut < len(text) else []
    random.Random(corpus.seed).shuffle(documents)
    wanted = sum(len(text) for _, text in documents) * corpus.val_fraction
    held, count = 0.0, 0
    while held < wanted:
        held += len(documents[count][1])
        count += 1
    return documents[count:], documents[:count]
