"""The corpus stage: documents of every source, normalised, no two alike, and a part of them held out.

What is learned and what is held out share no text: what would is dropped, whichever source it comes from.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import rich

from trainer import hub, naming
from trainer.corpora import cleaning, documents, generated, librus
from trainer.corpora.documents import Document, Watch
from trainer.corpora.preparing import Batch, Prepare, in_batches, prepared
from trainer.corpora.repeats import drop_near_copies, drop_what_both_sides_share
from trainer.corpora.report import Found, Report
from trainer.corpora.rows import Entry, Rows
from trainer.errors import CorpusError
from trainer.files import replacing_all
from trainer.processes import in_order
from trainer.progress import bar
from trainer.sections import Corpus

_LEEWAY: Final = 0.02  # of a text, before the place where it is to be cut


def gather(corpus: Corpus, folder: Path, processes: int = 1) -> Report:
    """Write train.jsonl and val.jsonl of normalised, distinct documents, source by source, and corpus.json.

    No file takes its place before all of them are written.

    A source is split by document. Where documents that are short enough are less than half of what is to be held out,
    the end of the largest is, too. A few batches of documents are in memory, however large the corpus: their rows wait
    in a file until all of them are known.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    report = Report({name: Found() for name in corpus.sources})
    with tempfile.TemporaryFile(dir=folder) as file:
        rows = Rows(file)
        _collect(corpus, rows, report, processes)
        if _signed(corpus):
            drop_near_copies(rows, corpus.near_duplicates, report)
        if corpus.shared_with_held_out < 1:
            drop_what_both_sides_share(rows, corpus.shared_with_held_out, report, processes)
        _count(rows, report)
        with replacing_all(*(folder / name for name in ("train.jsonl", "val.jsonl", "corpus.json"))) as files:
            train, val, about = files
            for entry, row in rows.kept():
                (val if entry.held else train).write(row)
            report.seconds = round(time.perf_counter() - started, 3)
            about.write(report.to_json())
    return report


def with_texts(corpus: Corpus, texts: Sequence[str], elsewhere: Collection[str] = ()) -> Corpus:
    """The corpus with the command line's texts added: `NAME=PATH` to the source of that name, `PATH` to the first.

    The names `elsewhere` are the dialogues'. CorpusError where nobody knows the name.
    """
    sources = dict(corpus.sources)
    for text in texts:
        name, path = naming.of_text(text, {*sources, *elsewhere})
        name = name or next(iter(sources))
        if name in sources:
            sources[name] = sources[name].model_copy(update={"text": (*sources[name].text, path)})
    return corpus.model_copy(update={"sources": sources})


def _collect(corpus: Corpus, rows: Rows, report: Report, processes: int) -> None:
    """Put every new document into `rows`, and decide which are held out."""
    apparatus, seen = cleaning.Report(), set[bytes]()
    with bar("corpus: reading", _size(corpus), of_bytes=True) as watch:
        results = in_order(Prepare(corpus.yo_to_e, _signed(corpus)), _read(corpus, watch), processes)
        for name, of_source in itertools.groupby(results, key=lambda result: result[0]):
            first = len(rows.entries)
            for _, found, removed in of_source:
                apparatus.add(removed)
                for new in found:
                    if new.digest in seen:
                        report.sources[name].exact_duplicates += 1
                    else:
                        seen.add(new.digest)
                        rows.add(name, new)
            _split(rows, rows.entries[first:], corpus)
    if any(each.documents for each in apparatus.cleaners.values()):
        rich.print(apparatus.table())


def _size(corpus: Corpus) -> int:
    """Bytes of all files. CorpusError where a source names no text, or one that is not there."""
    files = list[Path]()
    for name, source in corpus.sources.items():
        if not (source.text or source.hub or source.librus.pages or source.generated_documents):
            raise CorpusError(f"The source {name} names no text: give a file or a folder with --text {name}=PATH.")
        files += itertools.chain.from_iterable(documents.files(path) for path in hub.paths(source.text, source.hub))
    return sum(file.stat().st_size for file in files)


def _read(corpus: Corpus, watch: Watch) -> Iterator[Batch]:
    """Every document of every source, in batches."""
    for name, source in corpus.sources.items():
        paths = hub.paths(source.text, source.hub)
        texts = itertools.chain.from_iterable(documents.read(path, watch) for path in paths)
        yield from in_batches(name, source.clean is True, texts)
        if source.librus.pages:
            yield from in_batches(name, source.clean is not False, librus.documents(source.librus))
        stories = generated.stories(source.generated_documents, seed=0)
        yield from in_batches(name, False, (Document(text=text, source="generated") for text in stories))


def _split(rows: Rows, entries: list[Entry], corpus: Corpus) -> None:
    """Hold a part of one source out: whole documents, and the end of the largest where those are too little."""
    if not entries:
        return
    held = _held_out([(entry.digest, entry.characters) for entry in entries], corpus)
    for entry in entries:
        entry.held = entry.digest in held
    share = corpus.val_fraction * sum(entry.characters for entry in entries)
    missing = share - sum(entry.characters for entry in entries if entry.held)
    largest = max(entries, key=lambda entry: entry.characters)
    if missing > share / 2 and largest.characters > share:
        _cut(rows, largest, missing / largest.characters, signed=_signed(corpus))


def _signed(corpus: Corpus) -> bool:
    """Whether near copies are looked for, so that every document needs its signature."""
    return corpus.near_duplicates < 1


def _cut(rows: Rows, whole: Entry, share: float, *, signed: bool) -> None:
    """Hold the end of one document out, about that share of it."""
    whole.dropped = True  # its two parts stand for it
    row = rows.one(whole)
    text = row["text"]
    cut = _place_to_cut(text, int(len(text) * (1 - share)))
    for part, is_held in ((text[:cut], False), (text[cut:], True)):
        if part:
            document = Document(**row | {"text": part})
            rows.add(whole.name, prepared(document, whole.name, part, signed=signed), held=is_held)


def _place_to_cut(text: str, cut: int) -> int:
    """At a paragraph's end if there is one a little before `cut`, else between words if there is a space there."""
    earliest = max(0, cut - int(len(text) * _LEEWAY))
    return text.rfind("\n", earliest, cut) + 1 or text.rfind(" ", earliest, cut) + 1 or cut


def _held_out(found: list[tuple[bytes, int]], corpus: Corpus) -> set[bytes]:
    """Digests of the documents to hold out, until they reach their share of the characters.

    The order is that of a hash of the document, so a corpus that grows keeps what it held out apart. A document longer
    than the whole share is passed over, so there may be none.
    """
    key = corpus.seed.to_bytes(8, "little", signed=True)
    order = sorted(found, key=lambda each: hashlib.blake2b(each[0], key=key).digest())
    share, held = sum(length for _, length in found) * corpus.val_fraction, set[bytes]()
    wanted = share
    for digest, length in order[:-1]:  # one document is always left to learn from
        if wanted <= 0:
            break
        if length <= share:
            held.add(digest)
            wanted -= length
    return held


def _count(rows: Rows, report: Report) -> None:
    """Fill in the sizes. CorpusError where a source gives nothing to learn from, or nothing to hold out."""
    for entry in rows.entries:
        if not entry.dropped:
            found = report.sources[entry.name]
            (found.val if entry.held else found.train).add(entry.characters, entry.bytes)
    for name, found in report.sources.items():
        if found.train.documents and found.val.documents:
            continue
        if found.exact_duplicates or found.near_duplicates or found.overlap_with_held_out or found.held_out_but_learned:
            raise CorpusError(
                f"Nothing is left of {name}: its texts repeat each other, another source, or what is held out. "
                "Give more text, or raise corpus.near_duplicates and corpus.shared_with_held_out (1 switches them off)."
            )
        raise CorpusError(f"The text of {name} is empty, or too short to hold any of it out for validation.")
