"""What is done to every document by itself: cleaned, normalised, and described by what decides whether it stays.

Knows no file and no other document, so it runs in as many processes as there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import orjson

from chat_app.text import normalise
from trainer.corpora import likeness
from trainer.corpora.cleaning import Report, clean
from trainer.corpora.documents import Document
from trainer.processes import batched

_BATCH: Final = 1 << 19  # characters


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one source of the recipe; `clean` says whether editors' apparatus is removed."""

    name: str
    clean: bool
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document as its row of JSON, with its text's digest, its signature (uint32 [128], or none), and its sizes."""

    row: bytes
    digest: bytes
    signature: bytes
    characters: int
    bytes: int


def in_batches(name: str, clean: bool, documents: Iterable[Document]) -> Iterator[Batch]:
    """Documents in batches of bounded length, in order."""
    for batch in batched(documents, _BATCH, lambda document: len(document.text)):
        yield Batch(name, clean, batch)


@dataclass(frozen=True, slots=True)
class Prepare:
    """The work of one process: a batch to its prepared documents and what was cleaned away.

    They are signed where near copies are looked for.
    """

    yo_to_e: bool
    signed: bool

    def __call__(self, batch: Batch) -> tuple[str, list[Prepared], Report]:
        report = Report()
        found = []
        for document in batch.documents:
            text = clean(document.text, report) if batch.clean else document.text
            if text := normalise(text, yo_to_e=self.yo_to_e).strip():
                found.append(prepared(document, batch.name, text, signed=self.signed))
        return batch.name, found, report


def prepared(document: Document, name: str, text: str, *, signed: bool) -> Prepared:
    """A document whose final text is known, of the source `name`."""
    data = text.encode()
    return Prepared(
        row=orjson.dumps({**asdict(document), "source": name, "text": text}) + b"\n",
        digest=hashlib.blake2b(data, digest_size=16).digest(),
        signature=likeness.signature(text).tobytes() if signed else b"",
        characters=len(text),
        bytes=len(data),
    )
