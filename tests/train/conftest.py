"""A recipe small enough to grow in a second, and its work folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer import recipe as recipes
from trainer import tokens, vocabulary
from trainer.corpora.gather import gather

SMALL = (
    "corpus.sources.stories.generated_documents=200", "vocabulary.vocab_size=340", "model.n_layer=1", "model.n_embd=32",
    "model.n_head=2", "model.n_kv_head=1", "model.n_inner=48",
    "model.block_size=32", "pretrain.batch_size=4", "pretrain.max_iters=12",
    "pretrain.eval_interval=4", "pretrain.eval_sequences=8", "pretrain.warmup_iters=2", "pretrain.dropout=0.1",
    "pretrain.sample_tokens=8", "export.golden_tokens=6",
)  # fmt: skip


@pytest.fixture(scope="session")
def small() -> recipes.Recipe:
    return recipes.load(recipes.find("tiny"), SMALL)


@pytest.fixture(scope="session")
def prepared(small, tmp_path_factory) -> Path:
    """A folder in which corpus, vocabulary and tokens have run."""
    folder = tmp_path_factory.mktemp("prepared")
    gather(small.corpus, folder)
    pieces = vocabulary.make(small.vocabulary, folder, small.corpus.yo_to_e)
    tokens.make(pieces, folder)
    return folder
