"""How fast texts become a corpus, a vocabulary and token files, in as many processes as there are.

Run by `python -m tests.bench.tokens FILE...`. Prints one JSON object; generated stories are too few to time.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from trainer import processes, tokens, vocabulary
from trainer.corpora.gather import gather
from trainer.sections import Corpus, Source, Vocabulary


def main() -> None:
    corpus = Corpus(sources={"texts": Source(text=tuple(sys.argv[1:]))}, val_fraction=0.01)
    settings = Vocabulary(kind="bpe", vocab_size=8192, marks=("<s>",))
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), [time.perf_counter()]
        found = gather(corpus, folder, processes.available())
        times.append(time.perf_counter())
        pieces = vocabulary.make(settings, folder, corpus.yo_to_e)
        times.append(time.perf_counter())
        tokens.make(pieces, folder, processes.available())
        times.append(time.perf_counter())
    characters = found.sources["texts"].whole.characters
    stages = zip(("corpus", "vocabulary", "tokens"), itertools.pairwise(times))
    rates = {f"mill_{stage}_characters_per_second": characters / (end - start) for stage, (start, end) in stages}
    print(json.dumps({"mill_characters": characters, "mill_processes": processes.available(), **rates}))


if __name__ == "__main__":
    main()
