"""Plain text, JSONL and generated text as documents, and the corpus stage that gathers them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

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


def sources(corpus: Corpus, extra: tuple[str, ...]) -> Iterator[Document]:
    """Every document that the recipe and the command line name, without apparatus where the recipe says so."""
    from trainer.corpora import cleaning, librus  # they know this module's Document

    with cleaning.reported() as cleaned:
        yield from cleaned(_texts(corpus, extra)) if corpus.clean else _texts(corpus, extra)
        if corpus.librus.pages:
            works = librus.documents(corpus.librus)
            yield from works if corpus.clean is False else cleaned(works)
    for text in generated.stories(corpus.generated_documents, corpus.seed):
        yield Document(text=text, source="generated")


def _texts(corpus: Corpus, extra: tuple[str, ...]) -> Iterator[Document]:
    for name in (*corpus.text, *extra):
        path = Path(name).expanduser()
        if not path.exists():
            raise CorpusError(f"There is no text at {path}.")
        yield from read(path)


def gather(corpus: Corpus, extra: tuple[str, ...], folder: Path) -> dict[str, int]:
    """Write train.jsonl and val.jsonl of normalised, distinct documents into `folder`; return characters of each.

    Several documents are split by document, a single one by place: its end is held out. One document at a time is
    in memory, however large the corpus: all go to a file first, then to their parts.
    """
    if not (corpus.text or extra or corpus.librus.pages or corpus.generated_documents):
        raise CorpusError("The recipe names no text: give a file or a folder with --text.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as whole:
        lengths = _collect(corpus, extra, whole)
        whole.seek(0)
        if len(lengths) == 1:
            parts = _cut(orjson.loads(whole.readline()), corpus.val_fraction)
        else:
            held = _hold_out(lengths, corpus)
            parts = ((row, i in held) for i, row in enumerate(map(orjson.loads, whole)))
        return _write(parts, folder)


def _collect(corpus: Corpus, extra: tuple[str, ...], whole: IO[bytes]) -> list[int]:
    """Write every new document to `whole`, a JSON line each; return their lengths in characters."""
    lengths, seen = [], set()
    for document in sources(corpus, extra):
        text = normalise(document.text, yo_to_e=corpus.yo_to_e).strip()
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if text and digest not in seen:
            seen.add(digest)
            lengths.append(len(text))
            whole.write(orjson.dumps({**asdict(document), "text": text}) + b"\n")
    return lengths


def _cut(row: dict[str, Any], val_fraction: float) -> Iterator[tuple[dict[str, Any], bool]]:
    """A single document in two, at a paragraph's end if there is one."""
    text = row["text"]
    cut = int(len(text) * (1 - val_fraction))
    cut = text.rfind("\n", 0, cut) + 1 or cut
    yield row | {"text": text[:cut]}, False
    yield row | {"text": text[cut:]}, True


def _hold_out(lengths: list[int], corpus: Corpus) -> set[int]:
    """Numbers of the documents to hold out, drawn until they reach their share of the characters."""
    order = list(range(len(lengths)))
    random.Random(corpus.seed).shuffle(order)
    wanted, held = sum(lengths) * corpus.val_fraction, set[int]()
    for number in order:
        if wanted <= 0:
            break
        held.add(number)
        wanted -= lengths[number]
    return held


def _write(parts: Iterable[tuple[dict[str, Any], bool]], folder: Path) -> dict[str, int]:
    sizes = {"train": 0, "val": 0}
    with replacing(folder / "train.jsonl") as train, replacing(folder / "val.jsonl") as val:
        for row, held in parts:
            if row["text"]:
                (val if held else train).write(orjson.dumps(row) + b"\n")
                sizes["val" if held else "train"] += len(row["text"])
        if not all(sizes.values()):
            raise CorpusError("The text is empty, or too short to hold any of it out for validation.")
    return sizes
